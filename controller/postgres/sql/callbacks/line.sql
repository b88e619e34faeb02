-- The first of each queue's line, in its order: those who have waited long by their entry, then the others by priority
-- and entry. $1: who entered before has waited long; $2: how many of a queue; $3: now, for those who have expired.
with recursive queues(queue) as (
    -- Each queue once, by a step in the index from one to the next.
    (select r.queue from callback_requests r where r.state = 'waiting' order by r.queue limit 1)
    union all
    select (select r.queue from callback_requests r
            where r.state = 'waiting' and r.queue > q.queue order by r.queue limit 1)
    from queues q where q.queue is not null
)
select l.* from queues q
cross join lateral (
    (select r.* from callback_requests r
     where r.state = 'waiting' and r.queue = q.queue and r.entered_at <= $1 and r.expires_at > $3
     order by r.entered_at, r.request_id
     limit $2)
    union all
    (select r.* from callback_requests r
     where r.state = 'waiting' and r.queue = q.queue and r.entered_at > $1 and r.expires_at > $3
     order by r.priority desc, r.entered_at, r.request_id
     limit $2)
    limit $2
) l
where q.queue is not null
order by l.queue collate "C", (case when l.entered_at <= $1 then 1000000 else l.priority end) desc, l.entered_at, l.request_id
