-- Recordings whose files are to be erased, oldest first. $1: kept until before this time; $2: how many at most.
select recording_id, path
from recordings
where erased_at is null and keep_until < $1
order by keep_until
limit $2
