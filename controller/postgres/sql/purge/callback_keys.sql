-- Keys of requests that stand for nothing since $1. $2: how many at most.
with old as (
    select key from callback_keys where expires_at < $1 order by expires_at limit $2
),
deleted as (delete from callback_keys k using old where k.key = old.key returning k.key)
select count(*) from deleted
