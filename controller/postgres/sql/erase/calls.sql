-- Take numbers out of calls, and what customers keyed in and agents noted. $1: call ids; $2: numbers.
with
c as (
    update calls set caller_number = '', caller_name = '', visitor = visitor - 'customer'
    where call_id = any($1::uuid[]) and caller_number = any($2::text[])
),
l as (
    update legs set number = '' where call_id = any($1::uuid[]) and number = any($2::text[])
),
s as (
    update call_steps set digits = '', detail = '{}'
    where call_id = any($1::uuid[]) and (digits <> '' or detail <> '{}')
),
e as (
    update talk_events set detail = '{}' where call_id = any($1::uuid[]) and detail <> '{}'
)
update dispositions set note = '' where call_id = any($1::uuid[]) and note <> ''
