-- A request that is scheduled or waiting, locked. $1: id.
select * from callback_requests where request_id = $1 and state in ('scheduled', 'waiting') for no key update
