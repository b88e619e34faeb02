-- The first of each queue's line, in its order: those who have waited long by their entry, then the others by priority
-- and entry. Only their ids and which version of the row it is; due.sql has the rest.
-- $1: who entered before has waited long; $2: how many of a queue; $3: now, for those who have expired.
with recursive queues(queue) as (
    -- Each queue once, by a step in the index from one to the next.
    (select r.queue from callback_requests r where r.state = 'waiting' order by r.queue limit 1)
    union all
    select (select r.queue from callback_requests r
            where r.state = 'waiting' and r.queue > q.queue order by r.queue limit 1)
    from queues q where q.queue is not null
)
select l.request_id, l.version from queues q
cross join lateral (
    -- The second part is not even begun when the first one fills the limit.
    (select 1000000 as priority, r.entered_at, r.request_id, r.xmin as version from callback_requests r
     where r.state = 'waiting' and r.queue = q.queue and r.entered_at <= $1 and r.expires_at > $3
     order by r.entered_at, r.request_id
     limit $2)
    union all
    (select r.priority, r.entered_at, r.request_id, r.xmin from callback_requests r
     where r.state = 'waiting' and r.queue = q.queue and r.entered_at > $1 and r.expires_at > $3
     order by r.priority desc, r.entered_at, r.request_id
     limit $2)
    limit $2
) l
where q.queue is not null
order by q.queue collate "C", l.priority desc, l.entered_at, l.request_id
