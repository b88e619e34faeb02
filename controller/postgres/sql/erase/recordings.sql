-- Take numbers out of what is known of recordings, and end the time of those whose files are there. $1: call ids;
-- $2: numbers.
update recordings
set caller = '', keep_until = case when erased_at is null then least(keep_until, now()) else keep_until end
where call_id = any($1::uuid[]) or caller <> '' and caller = any($2::text[])
