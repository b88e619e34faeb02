-- Figures of call-backs. The formulas are published in docs/callbacks.md; a change here is a change there.
--
-- A request counts whole in the interval in which it was asked for, with everything that came of it later.

create view callback_outcomes as
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
    where t.request_id = r.request_id
) a;
comment on view callback_outcomes is 'What came of each request to be called, for figures.';
comment on column callback_outcomes.request_id is 'The request.';
comment on column callback_outcomes.queue is 'The queue whose agents call.';
comment on column callback_outcomes.source is 'Where it came from: web, svi, queue, api, agent.';
comment on column callback_outcomes."when" is 'When the customer wanted to be called: now, asap, slot.';
comment on column callback_outcomes.purpose is 'Why the customer was called.';
comment on column callback_outcomes.page is 'The page on which it was asked for.';
comment on column callback_outcomes.campaign is 'The campaign that had brought the visitor.';
comment on column callback_outcomes.medium is 'How it had.';
comment on column callback_outcomes.created_at is 'When it was asked for.';
comment on column callback_outcomes.wanted_at is 'From when on the customer waited: the slot, else when it was asked for.';
comment on column callback_outcomes.promised_at is 'Until when the customer was told to be called.';
comment on column callback_outcomes.first_dialled_at is 'When the customer''s telephone was first called.';
comment on column callback_outcomes.connected_at is 'When customer and agent talked.';
comment on column callback_outcomes.ended_at is 'When it was over; null while it is open.';
comment on column callback_outcomes.state is 'Its state; see callback_requests.';
comment on column callback_outcomes.outcome is 'Outcome of its last attempt; see callback_attempts.';
comment on column callback_outcomes.dials is 'How often the customer''s telephone was called.';
comment on column callback_outcomes.talk_s is 'Seconds customer and agent talked.';
comment on column callback_outcomes.wait_s is 'From wanted_at to the first call, seconds; null while there was none.';
comment on column callback_outcomes.talk_wait_s is 'From wanted_at to the talk, seconds; null while there was none.';
comment on column callback_outcomes.promise is
    'kept (first called in time), late (called later), broken (not called, and the time is over); null where nothing was '
    'promised, the time is not over yet, or it was cancelled or refused before.';
comment on column callback_outcomes.after_promise_s is 'From the promise to the first call, seconds; below 0: before it.';

create function callback_figures(
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
               count(*) filter (where t.dialled_at is not null) as attempts,
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
comment on function callback_figures(timestamptz, timestamptz, interval, text) is
    'Figures of call-backs by queue and interval in which they were asked for. Formulas: docs/callbacks.md.';

create function callback_conversion(from_time timestamptz, to_time timestamptz)
returns table (
    queue text, source text, campaign text, medium text, page text,
    requests bigint, open bigint, cancelled bigint, called bigint, talked bigint, talk_s double precision,
    dispositions jsonb, cost double precision, conversion double precision, cost_each double precision)
language sql stable
begin atomic
    with asked as materialized (
        select o.*, split_part(split_part(o.page, '?', 1), '#', 1) as plain_page
        from callback_outcomes o
        where o.created_at >= from_time and o.created_at < to_time
    ),
    disposed as (
        select a.request_id, d.code
        from asked a
        join callback_attempts t on t.request_id = a.request_id and t.outcome = 'talked'
        join dispositions d on d.call_id = t.attempt_id
    ),
    codes as (
        select c.queue, c.source, c.campaign, c.medium, c.plain_page, jsonb_object_agg(c.code, c.calls) as dispositions
        from (select a.queue, a.source, a.campaign, a.medium, a.plain_page, d.code,
                     count(distinct d.request_id) as calls
              from asked a join disposed d on d.request_id = a.request_id
              group by a.queue, a.source, a.campaign, a.medium, a.plain_page, d.code) c
        group by c.queue, c.source, c.campaign, c.medium, c.plain_page
    ),
    paid as (
        select a.request_id, sum(c.cost) as cost
        from asked a join outbound_costs c on c.request_id = a.request_id
        group by a.request_id
    ),
    sums as (
        select a.queue, a.source, a.campaign, a.medium, a.plain_page,
               count(*) as requests,
               count(*) filter (where a.state in ('scheduled', 'waiting', 'dialling')) as open,
               count(*) filter (where a.state = 'cancelled') as cancelled,
               count(a.first_dialled_at) as called,
               count(*) filter (where a.state = 'done') as talked,
               coalesce(sum(a.talk_s), 0) as talk_s,
               coalesce(sum(p.cost), 0) as cost
        from asked a left join paid p on p.request_id = a.request_id
        group by a.queue, a.source, a.campaign, a.medium, a.plain_page
    )
    select s.queue, s.source, s.campaign, s.medium, s.plain_page, s.requests, s.open, s.cancelled, s.called, s.talked,
           s.talk_s, coalesce(c.dispositions, '{}'), s.cost,
           s.talked::double precision / nullif(s.requests - s.open, 0),
           s.cost / nullif(s.talked, 0)
    from sums s
    left join codes c on c.queue = s.queue and c.source = s.source and c.campaign = s.campaign
                     and c.medium = s.medium and c.plain_page = s.plain_page
    order by s.queue collate "C", s.requests desc, s.source, s.campaign, s.medium, s.plain_page;
end;
comment on function callback_conversion(timestamptz, timestamptz) is
    'What became of requests by where they came from: queue, source, campaign, medium and page (without what follows '
    'a ?). Formulas: docs/callbacks.md.';

-- Lists of those that are open, however many are over.
create index callback_requests_open on callback_requests (created_at, request_id)
    where state in ('scheduled', 'waiting', 'dialling');
