-- Settle calls whose end the record has seen and nobody told, and those of which it knows nothing although the longest
-- call would be over: nobody answered them. Under the lock; rows that somebody settles are left.
with ended as (
    select o.outbound_id, coalesce(c.ended_at, o.at) as ended_at,
           coalesce(greatest(0, extract(epoch from c.ended_at - c.started_at)), 0)::double precision as talk_s
    from outbound_calls o left join calls c on c.call_id = o.attempt_id
    where o.allowed and o.ended_at is null
      and (c.ended_at is not null or c.call_id is null and o.at < now() - interval '5 hours')
    order by o.outbound_id limit 200
    for update of o skip locked
)
update outbound_calls o
set ended_at = e.ended_at, talk_s = e.talk_s,
    cost = tariff_cost(e.talk_s, o.per_min, o.connection, o.step_s, o.least_s)
from ended e where e.outbound_id = o.outbound_id
