-- The legs of one call in the order of their start. $1: its id.
select leg_id, started_at, answered_at, ended_at, channel_id, channel_name, role, number, cause, cause_text, ended_by
from legs
where call_id = $1::uuid
order by started_at nulls last, leg_id
