-- The conversations of one call, in their order. $1: its id.
select call_id::text, talk, visit, agent, queue, started_at, ended_at, ended_by, hold_s, how
from talks
where call_id = $1::uuid
order by talk
