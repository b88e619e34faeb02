-- Recordings whose files are to be erased, those first that were to go first. $1: the time now; $2: how many at most;
-- $3, $4: conversations and messages kept before this time go, whatever their rule says; null: none.
select recording_id, path
from (
    (select recording_id, path, keep_until as due from recordings
     where erased_at is null and keep_until < $1 order by keep_until limit $2)
    union
    (select recording_id, path, keep_until from recordings
     where erased_at is null and kind = 'conversation' and kept_at < $3 order by kept_at limit $2)
    union
    (select recording_id, path, keep_until from recordings
     where erased_at is null and kind = 'message' and kept_at < $4 order by kept_at limit $2)
) e
order by due, recording_id
limit $2
