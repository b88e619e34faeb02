-- A request. $1: id.
select * from callback_requests where request_id = $1
