-- Calls outside and their cost by day of a zone. $1: from; $2: until; $3: IANA zone.
select (at at time zone $3)::date as day, caller_id, source, campaign, country, kind, purpose, currency,
       count(*)::integer as calls, (count(*) filter (where talk_s > 0))::integer as answered,
       coalesce(sum(talk_s), 0)::double precision as talk_s, coalesce(sum(cost), 0)::double precision as cost
from outbound_costs where at >= $1 and at < $2
group by 1, 2, 3, 4, 5, 6, 7, 8 order by 1, 2, 3, 4, 5, 6, 7, 8
