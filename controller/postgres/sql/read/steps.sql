-- The steps of one call in their order. $1: its id.
select call_id::text, seq, flow, step, type, entered_at, left_at, exit, digits, detail::text
from call_steps
where call_id = $1::uuid
order by seq
