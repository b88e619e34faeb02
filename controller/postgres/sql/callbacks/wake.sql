-- Let scheduled requests wait that are due. $1: now; $2: how many at most.
with due as (
    select request_id from callback_requests
    where state = 'scheduled' and due_at <= $1
    order by due_at
    limit $2
    for no key update skip locked
)
update callback_requests r set state = 'waiting'
from due
where r.request_id = due.request_id
