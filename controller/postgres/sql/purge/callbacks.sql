-- Call-backs that were over before $1, with their attempts and keys. $2: how many at most.
with old as (
    select request_id from callback_requests where ended_at < $1 order by ended_at limit $2
),
deleted as (delete from callback_requests r using old where r.request_id = old.request_id returning r.request_id)
select count(*) from deleted
