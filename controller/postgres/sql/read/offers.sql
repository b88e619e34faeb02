-- The offers of one call to agents, in their order. $1: its id.
select call_id::text, offer, visit, agent, queue, made_at, ended_at, outcome
from offers
where call_id = $1::uuid
order by offer
