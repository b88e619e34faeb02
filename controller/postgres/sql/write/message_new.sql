-- A message counts as new again; who listened stays in the log of accesses. $1: its id.
update messages m set heard_at = null, heard_by = null
from recordings r
where m.recording_id = $1 and r.recording_id = m.recording_id and r.erased_at is null
returning m.recording_id
