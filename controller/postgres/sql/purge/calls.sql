-- Calls that ended before $1, with all that belongs to them; not one with a recording whose file is there.
-- $2: how many at most.
with old as (
    select c.call_id from calls c
    where c.started_at < $1
      and (c.ended_at < $1 or c.ended_at is null and not exists (select from live_calls v where v.call_id = c.call_id))
      and not exists (select from recordings r where r.call_id = c.call_id and r.erased_at is null)
    order by c.started_at
    limit $2
),
deleted as (delete from calls c using old where c.call_id = old.call_id returning c.call_id)
select count(*) from deleted
