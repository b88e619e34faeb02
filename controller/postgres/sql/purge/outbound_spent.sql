-- Sums of minutes before $1, but for the days that ceilings look back. $2: how many at most.
with old as (
    select minute from outbound_spent where minute < least($1, now() - interval '3 days') order by minute limit $2
),
deleted as (delete from outbound_spent s using old where s.minute = old.minute returning s.minute)
select count(*) from deleted
