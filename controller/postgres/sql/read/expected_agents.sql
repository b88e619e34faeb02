-- How many agents of a queue are at work in each hour of the week, by those who talked in it, and how long a call takes.
-- $1: queue; $2: since; $3: until; $4: zone. Weekday from 1 (Monday), hour of the day, agents on average, seconds.
with
past as (
    select agent, started_at at time zone $4 as at, extract(epoch from ended_at - started_at) as talk_s
    from talks
    where queue = $1 and started_at >= $2 and started_at < $3
),
weeks as (
    select greatest(1, ceil(extract(epoch from $3::timestamptz - min(started_at)) / 604800)) as n
    from talks where queue = $1 and started_at >= $2 and started_at < $3
)
select extract(isodow from p.at)::integer as weekday, extract(hour from p.at)::integer as hour,
       (count(distinct (p.agent, p.at::date)) / (select n from weeks))::double precision as agents,
       (select avg(talk_s) from past)::double precision as talk_s
from past p
group by 1, 2
