-- What the record knows of an attempt: of its call, and of Asterisk's own record of the dial. $1: attempt id, as uuid;
-- $2: the same as the id of its channel.
select c.call_id is not null as began, c.ended_at is not null as ended, coalesce(c.ended_at, d.received_at) as at,
       coalesce(c.cause, 0)::integer as cause,
       exists (select from queue_visits v where v.call_id = $1) as queued,
       exists (select from talks t where t.call_id = $1) as talked,
       coalesce(d.disposition, '') as status
from (values (1)) as one
left join calls c on c.call_id = $1
left join lateral (
    select a.received_at, a.fields ->> 'Disposition' as disposition
    from asterisk_cdr a
    where a.uniqueid in ($2, $2 || ';1', $2 || ';2')
    order by (a.fields ->> 'Disposition' = 'ANSWERED') desc, a.received_at
    limit 1
) d on true
