-- Asterisk's own records from before $1. $2: how many at most.
with old as (
    select uniqueid, fingerprint from asterisk_cdr where received_at < $1 order by received_at limit $2
),
deleted as (
    delete from asterisk_cdr a using old
    where a.uniqueid = old.uniqueid and a.fingerprint = old.fingerprint
    returning a.uniqueid
)
select count(*) from deleted
