-- One voice message whose file is there. $1: its id.
select r.recording_id, r.queue, r.kept_at, coalesce(r.caller, '') as caller, r.path, m.heard_at is null as new
from recordings r left join messages m using (recording_id)
where r.recording_id = $1 and r.kind = 'message' and r.erased_at is null
