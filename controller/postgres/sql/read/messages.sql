-- A queue's voice messages: new ones first, newest first. $1: queue; $2: how many at most.
select r.recording_id, r.call_id::text as call_id, r.kind, r.kept_at, r.queue, r.path, r.sha256, r.bytes, r.duration_s,
       r.keep_until, r.agent, r.caller, r.erased_at, r.erased_by, m.heard_at, m.heard_by
from recordings r left join messages m using (recording_id)
where r.queue = $1 and r.kind = 'message' and r.erased_at is null
order by m.heard_at is not null, r.kept_at desc, r.recording_id
limit $2
