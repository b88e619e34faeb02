-- What calls to the company's own numbers cost it. $1: from; $2: until; $3: JSON, tariff class → per_min, connection,
-- step_s, least_s. Calls of a class that is not there cost nothing, and are told apart (priced).
select c.called_number, c.tariff_class, t.per_min is not null as priced, count(*)::integer as calls,
       coalesce(sum(d.talk_s), 0)::double precision as talk_s,
       coalesce(sum(tariff_cost(d.talk_s, t.per_min, t.connection, t.step_s, t.least_s)), 0)::double precision as cost
from calls c
left join jsonb_to_recordset($3::jsonb)
    as t(tariff_class text, per_min float8, connection float8, step_s float8, least_s float8)
    on t.tariff_class = c.tariff_class
cross join lateral (
    select greatest(0, extract(epoch from c.ended_at - c.answered_at))::double precision as talk_s
) d
where c.started_at >= $1 and c.started_at < $2 and c.answered_at is not null and c.ended_at is not null
  and not exists (select from outbound_calls o where o.attempt_id = c.call_id)
group by 1, 2, 3 order by 1, 2
