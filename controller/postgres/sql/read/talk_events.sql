-- What was done in the conversations of one call, in its order. $1: its id.
select call_id::text, seq, at, kind, agent, detail::text
from talk_events
where call_id = $1::uuid
order by seq
