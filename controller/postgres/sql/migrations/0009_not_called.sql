-- What the dialplan's gate held back was no call. It is told after Asterisk has taken the attempt, so that the attempt has
-- a time at which it was dialled; its outcome says that no telephone was called. Formulas: docs/callbacks.md.

create function nobody_was_called(outcome text) returns boolean language sql immutable parallel safe
return coalesce(outcome in ('blocked', 'no_agent'), false);
comment on function nobody_was_called(text) is
    'Whether an attempt that ended like this called nobody: NOT_DIALLED of controller/callback/model.py. Not of an '
    'attempt that goes on.';

create or replace view callback_outcomes as
select
    r.request_id,
    r.queue,
    r.source,
    r."when",
    r.purpose,
    r.page,
    r.campaign,
    r.medium,
    r.created_at,
    coalesce(r.slot_at, r.created_at) as wanted_at,
    r.promised_at,
    a.first_dialled_at,
    a.connected_at,
    r.ended_at,
    r.state,
    r.outcome,
    a.dials,
    a.talk_s,
    greatest(0, extract(epoch from a.first_dialled_at - coalesce(r.slot_at, r.created_at)))::double precision as wait_s,
    greatest(0, extract(epoch from a.connected_at - coalesce(r.slot_at, r.created_at)))::double precision
        as talk_wait_s,
    case when r.promised_at is null then null
         when a.first_dialled_at <= r.promised_at then 'kept'
         when a.first_dialled_at is not null then 'late'
         when r.state in ('cancelled', 'refused') and r.ended_at <= r.promised_at then null
         when r.ended_at is not null or r.promised_at < now() then 'broken'
    end as promise,
    extract(epoch from a.first_dialled_at - r.promised_at)::double precision as after_promise_s
from callback_requests r
cross join lateral (
    select min(t.dialled_at) as first_dialled_at,
           min(t.connected_at) filter (where t.outcome = 'talked') as connected_at,
           count(t.dialled_at) as dials,
           coalesce(sum(greatest(0, extract(epoch from t.ended_at - t.connected_at)))
                    filter (where t.outcome = 'talked'), 0)::double precision as talk_s
    from callback_attempts t
    where t.request_id = r.request_id and not nobody_was_called(t.outcome)
) a;
comment on column callback_outcomes.first_dialled_at is
    'When the customer''s telephone was first called; what the gate held back called nobody.';

create or replace function callback_figures(
    from_time timestamptz, to_time timestamptz, span interval default '1 day', zone text default 'UTC')
returns table (
    queue text, starts_at timestamptz, ends_at timestamptz,
    requests bigint, open bigint, done bigint, failed bigint, refused bigint, cancelled bigint, expired bigint,
    called bigint, wait_s double precision, longest_wait_s double precision,
    promised bigint, promises_kept bigint, promises_late bigint, promises_broken bigint,
    attempts bigint, talked bigint, busy bigint, no_answer bigint, unreachable bigint, voicemail bigint,
    rejected bigint, failed_calls bigint, left_before bigint, lost bigint, blocked bigint, no_agent bigint,
    other_outcomes bigint, talk_s double precision, cost double precision,
    reach double precision, kept_rate double precision, mean_wait_s double precision,
    answer_rate double precision, calls_each double precision, cost_each double precision)
language sql stable
begin atomic
    with intervals as materialized (
        select row_number() over (order by i.starts_at)::integer as n, i.starts_at, i.ends_at
        from figure_intervals(from_time, to_time, span, zone) i
    ),
    starts as materialized (select array_agg(i.starts_at order by i.n) as at from intervals i),
    asked as materialized (
        select o.*, width_bucket(o.created_at, s.at) as n
        from callback_outcomes o, starts s
        where o.created_at >= from_time and o.created_at < to_time
    ),
    attempted as (
        select a.queue, a.n,
               count(*) filter (where t.dialled_at is not null and not nobody_was_called(t.outcome)) as attempts,
               count(*) filter (where t.outcome = 'talked') as talked,
               count(*) filter (where t.outcome = 'busy') as busy,
               count(*) filter (where t.outcome = 'no_answer') as no_answer,
               count(*) filter (where t.outcome = 'unreachable') as unreachable,
               count(*) filter (where t.outcome = 'voicemail') as voicemail,
               count(*) filter (where t.outcome = 'refused') as rejected,
               count(*) filter (where t.outcome = 'failed') as failed_calls,
               count(*) filter (where t.outcome = 'left') as left_before,
               count(*) filter (where t.outcome = 'lost') as lost,
               count(*) filter (where t.outcome = 'blocked') as blocked,
               count(*) filter (where t.outcome = 'no_agent') as no_agent,
               count(*) filter (where t.outcome in ('cancelled', 'declined', 'rescheduled')) as other_outcomes,
               count(*) filter (where t.answered_at is not null) as answered
        from asked a join callback_attempts t on t.request_id = a.request_id
        group by a.queue, a.n
    ),
    paid as (
        select a.queue, a.n, sum(c.cost) as cost
        from asked a join outbound_costs c on c.request_id = a.request_id
        group by a.queue, a.n
    ),
    sums as (
        select a.queue, i.starts_at, i.ends_at,
               count(*) as requests,
               count(*) filter (where a.state in ('scheduled', 'waiting', 'dialling')) as open,
               count(*) filter (where a.state = 'done') as done,
               count(*) filter (where a.state = 'failed') as failed,
               count(*) filter (where a.state = 'refused') as refused,
               count(*) filter (where a.state = 'cancelled') as cancelled,
               count(*) filter (where a.state = 'expired') as expired,
               count(a.first_dialled_at) as called,
               coalesce(sum(a.wait_s), 0) as wait_s,
               coalesce(max(a.wait_s), 0) as longest_wait_s,
               count(a.promised_at) as promised,
               count(*) filter (where a.promise = 'kept') as promises_kept,
               count(*) filter (where a.promise = 'late') as promises_late,
               count(*) filter (where a.promise = 'broken') as promises_broken,
               coalesce(sum(a.talk_s), 0) as talk_s,
               a.n
        from asked a
        join intervals i on i.n = a.n
        group by a.queue, a.n, i.starts_at, i.ends_at
    )
    select s.queue, s.starts_at, s.ends_at, s.requests, s.open, s.done, s.failed, s.refused, s.cancelled, s.expired,
           s.called, s.wait_s, s.longest_wait_s, s.promised, s.promises_kept, s.promises_late, s.promises_broken,
           coalesce(t.attempts, 0), coalesce(t.talked, 0), coalesce(t.busy, 0), coalesce(t.no_answer, 0),
           coalesce(t.unreachable, 0), coalesce(t.voicemail, 0), coalesce(t.rejected, 0),
           coalesce(t.failed_calls, 0), coalesce(t.left_before, 0), coalesce(t.lost, 0), coalesce(t.blocked, 0),
           coalesce(t.no_agent, 0), coalesce(t.other_outcomes, 0), s.talk_s, coalesce(p.cost, 0),
           s.done::double precision / nullif(s.done + s.failed + s.refused + s.expired, 0),
           s.promises_kept::double precision / nullif(s.promises_kept + s.promises_late + s.promises_broken, 0),
           s.wait_s / nullif(s.called, 0),
           t.answered::double precision / nullif(t.attempts, 0),
           t.attempts::double precision / nullif(s.called, 0),
           coalesce(p.cost, 0) / nullif(s.done, 0)
    from sums s
    left join attempted t on t.queue = s.queue and t.n = s.n
    left join paid p on p.queue = s.queue and p.n = s.n
    order by s.queue collate "C", s.starts_at;
end;

create or replace view outbound_costs as
select
    o.outbound_id,
    o.attempt_id,
    o.at,
    o.request_id,
    o.agent,
    o.number,
    o.country,
    o.kind,
    o.purpose,
    o.caller_id,
    o.currency,
    coalesce(r.source, case when o.agent <> '' then 'agent' else 'api' end) as source,
    coalesce(r.campaign, '') as campaign,
    coalesce(r.queue, '') as queue,
    t.settled,
    t.talk_s,
    case when t.settled
         then coalesce(o.cost, tariff_cost(t.talk_s, o.per_min, o.connection, o.step_s, o.least_s))
         else greatest(o.reserved, tariff_cost(t.talk_s, o.per_min, o.connection, o.step_s, o.least_s))
    end as cost
from outbound_calls o
left join calls c on c.call_id = o.attempt_id
left join callback_attempts a on a.attempt_id = o.attempt_id
left join callback_requests r on r.request_id = o.request_id
cross join lateral (
    select
        o.ended_at is not null or c.ended_at is not null as settled,
        coalesce(o.talk_s, greatest(0, extract(epoch from coalesce(c.ended_at, now()) - c.started_at)), 0
        )::double precision as talk_s
) t
where o.dialled and not nobody_was_called(a.outcome);
