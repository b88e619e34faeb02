-- States that are void: their call has ended, or nobody needs them any more. $1: call ids.
delete from live_calls where call_id = any($1::uuid[])
