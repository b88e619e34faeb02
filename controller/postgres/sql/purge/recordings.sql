-- Rows of recordings whose file was erased before $1, with who had listened. $2: how many at most.
with old as (
    select recording_id from recordings where erased_at < $1 order by erased_at limit $2
),
deleted as (delete from recordings r using old where r.recording_id = old.recording_id returning r.recording_id)
select count(*) from deleted
