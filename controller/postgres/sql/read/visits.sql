-- The visits of one call to the queues, in their order. $1: its id.
select call_id::text, visit, queue, began_at, entered_at, priority, needs::text, position, estimate_s, from_agent,
       service_level_s, short_abandoned_s, exited_at, exit, agent
from queue_visits
where call_id = $1::uuid
order by visit
