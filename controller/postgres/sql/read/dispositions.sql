-- What agents said became of one call, in that order. $1: its id.
select call_id::text, agent, at, code, note
from dispositions
where call_id = $1::uuid
order by at, agent collate "C"
