-- What the gate must know. $1: number; $2: its hash; $3: purpose; $4: now; $5: attempt that does not count itself, or
-- null. Calls that run on beyond what they have reserved count what they cost up to now.
with
own as (
    select date_trunc('minute', at) as minute, number, coalesce(cost, reserved) as spent
    from outbound_calls where attempt_id = $5::uuid and dialled
),
spent as (
    select minute, spent, calls from outbound_spent where minute > date_trunc('minute', $4::timestamptz - interval '24 hours')
    union all
    select minute, -spent, -1 from own where minute > date_trunc('minute', $4::timestamptz - interval '24 hours')
),
overrun as (
    select o.at, o.number,
           greatest(0, tariff_cost(extract(epoch from $4::timestamptz - c.started_at)::double precision,
                                   o.per_min, o.connection, o.step_s, o.least_s) - o.reserved) as more
    from outbound_calls o join calls c on c.call_id = o.attempt_id
    where o.allowed and o.dialled and o.ended_at is null and c.ended_at is null and o.at > $4::timestamptz - interval '24 hours'
),
hour as (
    select coalesce(sum(spent), 0) + (select coalesce(sum(more), 0) from overrun where at > $4::timestamptz - interval '1 hour') as spent,
           min(minute) filter (where calls > 0) + interval '61 minutes' as frees_at
    from spent where minute >= date_trunc('minute', $4::timestamptz - interval '1 hour')
),
day as (
    select coalesce(sum(spent), 0) + (select coalesce(sum(more), 0) from overrun) as spent,
           min(minute) filter (where calls > 0) + interval '1441 minutes' as frees_at
    from spent
),
mine as (
    select coalesce(sum(coalesce(cost, reserved)), 0)
           + (select coalesce(sum(more), 0) from overrun where number = $1) as spent,
           count(*)::integer as calls,
           min(at) + interval '24 hours' as frees_at
    from outbound_calls
    where number = $1 and dialled and at > $4::timestamptz - interval '24 hours' and attempt_id is distinct from $5::uuid
),
said as (
    select coalesce(bool_or(kind = 'opt_out' and purpose = $3), false) as opted_out,
           max(at) filter (where kind = 'opt_out' and purpose = '') as silent_since,
           greatest(
               max(at) filter (where kind = 'refusal' and purpose = $3),
               -- They said so on the telephone, to a call-back.
               (select max(ended_at) from callback_requests
                where number = $1 and purpose = $3 and outcome = 'declined'
                  and created_at > $4::timestamptz - interval '124 days')
           ) as refused_at
    from opt_outs where (number_hash = $2 or number = $1) and ended_at is null
)
select
    said.opted_out,
    coalesce((
        select array_agg(at order by at desc) from (
            select at from outbound_calls
            where number = $1 and dialled and purpose = $3 and at > $4::timestamptz - interval '62 days'
              and attempt_id is distinct from $5::uuid
            order by at desc limit 200
        ) r
    ), '{}') as recent,
    said.refused_at,
    greatest(0, hour.spent)::double precision as spent_hour,
    greatest(0, day.spent)::double precision as spent_day,
    greatest(0, mine.spent)::double precision as spent_number_day,
    said.silent_since,
    mine.calls as calls_number_day,
    hour.frees_at as hour_frees_at,
    day.frees_at as day_frees_at,
    mine.frees_at as number_frees_at
from hour, day, mine, said
