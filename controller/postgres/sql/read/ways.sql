-- The steps that calls took, in one text each. $1: their ids.
select call_id::text as call_id, string_agg(step, ' → ' order by seq) as way
from call_steps
where call_id = any ($1::uuid[])
group by call_id
