-- The voice messages of some queues, as they are heard one after another: new ones first, those that wait longest
-- before others; then heard ones, newest first. $1: queues; $2: how many at most.
select r.recording_id, r.queue, r.kept_at, coalesce(r.caller, '') as caller, r.path, m.heard_at is null as new
from recordings r left join messages m using (recording_id)
where r.queue = any($1::text[]) and r.kind = 'message' and r.erased_at is null
order by m.heard_at is not null, case when m.heard_at is null then r.kept_at end, r.kept_at desc, r.recording_id
limit $2
