-- How many voice messages each queue holds, erased ones aside.
select r.queue, count(*) filter (where m.heard_at is null) as new, count(m.heard_at) as heard
from messages m join recordings r using (recording_id)
where r.erased_at is null
group by r.queue
