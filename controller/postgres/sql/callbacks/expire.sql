-- Give up requests whose time is over. $1: now; $2: how many at most; $3: the reason; $4: of an agent's own call that
-- was never begun.
with old as (
    select request_id from callback_requests
    where state in ('scheduled', 'waiting') and expires_at <= $1
    order by expires_at
    limit $2
    for no key update skip locked
)
update callback_requests r set state = 'expired', ended_at = $1, reason = case
    when r.source = 'agent' and r."when" = 'now' and r.agent is not null and r.fence = 0 then $4 else $3 end
from old
where r.request_id = old.request_id
returning r.*
