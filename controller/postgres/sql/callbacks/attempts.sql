-- The attempts of a request, oldest first. $1: request id.
select * from callback_attempts where request_id = $1 order by fence
