-- Somebody listens to a recording whose file is there; a message is not new any more. $1: its id; $2: who; $3: how.
with heard as (
    update messages set heard_at = now(), heard_by = $2 where recording_id = $1 and heard_at is null
)
insert into recording_access (recording_id, by, how)
select recording_id, $2, $3 from recordings where recording_id = $1 and kind is not null and erased_at is null
returning access_id
