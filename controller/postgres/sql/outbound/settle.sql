-- Settle calls whose end the record has seen and nobody told. Under the lock; rows that somebody settles are left.
with ended as (
    select o.outbound_id, c.ended_at, greatest(0, extract(epoch from c.ended_at - c.started_at))::double precision as talk_s
    from outbound_calls o join calls c on c.call_id = o.attempt_id
    where o.allowed and o.ended_at is null and c.ended_at is not null
    order by o.outbound_id limit 200
    for update of o skip locked
)
update outbound_calls o
set ended_at = e.ended_at, talk_s = e.talk_s,
    cost = tariff_cost(e.talk_s, o.per_min, o.connection, o.step_s, o.least_s)
from ended e where e.outbound_id = o.outbound_id
