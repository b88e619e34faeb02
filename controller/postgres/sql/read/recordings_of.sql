-- The recordings of one call, oldest first. $1: its id.
select r.recording_id, r.call_id::text as call_id, r.kind, r.kept_at, r.queue, r.path, r.sha256, r.bytes, r.duration_s,
       r.keep_until, r.agent, r.caller, r.erased_at, r.erased_by, m.heard_at, m.heard_by
from recordings r left join messages m using (recording_id)
where r.call_id = $1::uuid and r.kind is not null
order by r.kept_at, r.recording_id
