-- Those of the given calls that have ended. $1: call ids.
select call_id::text from calls where call_id = any($1::uuid[]) and ended_at is not null
