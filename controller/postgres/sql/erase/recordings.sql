-- Take numbers out of what is known of recordings. $1: call ids; $2: numbers.
update recordings set caller = '' where caller <> '' and (caller = any($2::text[]) or call_id = any($1::uuid[]))
