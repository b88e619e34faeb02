-- The request with this id, else the open one of the number for the queue. $1: id; $2: number; $3: queue.
select r.* from callback_requests r
where r.request_id = $1
   or r.number = $2 and r.queue = $3 and r.state in ('scheduled', 'waiting', 'dialling')
order by r.request_id = $1 desc
limit 1
