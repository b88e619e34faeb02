-- Deliveries that were done with before $1. $2: how many at most.
with old as (
    select delivery_id from webhook_deliveries where status <> 'pending' and ended_at < $1 order by ended_at limit $2
),
deleted as (delete from webhook_deliveries d using old where d.delivery_id = old.delivery_id returning d.delivery_id)
select count(*) from deleted
