-- Those of these requests that wait, with the versions of their rows. $1: ids.
select r.*, r.xmin as version from callback_requests r where r.request_id = any($1::uuid[]) and r.state = 'waiting'
