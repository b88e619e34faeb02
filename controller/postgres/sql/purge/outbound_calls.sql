-- Decisions before $1, but for the 62 days that the rules look back. $2: how many at most.
with old as (
    select outbound_id from outbound_calls where at < least($1, now() - interval '62 days') order by at limit $2
),
deleted as (delete from outbound_calls o using old where o.outbound_id = old.outbound_id returning o.outbound_id)
select count(*) from deleted
