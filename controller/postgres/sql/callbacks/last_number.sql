-- The requests of a number, newest first. $1: number; $2: since; $3: how many at most.
select * from callback_requests where number = $1 and created_at >= $2 order by created_at desc, request_id desc limit $3
