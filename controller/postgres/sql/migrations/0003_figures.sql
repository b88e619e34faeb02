-- Figures for reports. The formulas are published in docs/figures.md; a change here is a change there.
--
-- Sums come first in each function and may be added up over rows; shares and means follow from them and may not.
-- What has a beginning counts in the interval it began in, whole; only the time an agent spends in a state is cut at
-- the borders of intervals.

create view visit_outcomes as
select
    v.call_id,
    v.visit,
    v.queue,
    c.called_number,
    v.began_at,
    w.exited_at,
    w.exit,
    v.agent,
    w.exit is not null and w.exit not in ('full', 'closed', 'moved') as offered,
    w.exit is not distinct from 'connected' as answered,
    w.exit is not distinct from 'connected' and w.wait_s <= coalesce(v.service_level_s, 20) as in_level,
    w.exit is not distinct from 'abandoned' as abandoned,
    w.exit is not distinct from 'abandoned' and w.wait_s < coalesce(v.short_abandoned_s, 5) as short_abandoned,
    w.wait_s,
    v.estimate_s
from queue_visits v
join calls c using (call_id)
cross join lateral (
    select coalesce(v.exit, case when c.ended_at is not null then 'failed' end) as exit,
           coalesce(v.exited_at, c.ended_at) as exited_at,
           greatest(0, extract(epoch from coalesce(v.exited_at, c.ended_at) - v.began_at))::double precision as wait_s
) w
where v.queue is not null;
comment on view visit_outcomes is
    'How each visit to a queue ended, for figures. One whose end nobody saw ended with its call, as failed.';
comment on column visit_outcomes.call_id is 'The call.';
comment on column visit_outcomes.visit is 'Number of the visit in the call.';
comment on column visit_outcomes.queue is 'The queue.';
comment on column visit_outcomes.called_number is 'The company''s number that was called.';
comment on column visit_outcomes.began_at is 'When the wait began.';
comment on column visit_outcomes.exited_at is 'When it was over; null while it lasts.';
comment on column visit_outcomes.exit is 'How; see queue_visits. Null while it lasts.';
comment on column visit_outcomes.agent is 'The agent the customer was connected to.';
comment on column visit_outcomes.offered is 'Whether it counts as offered: over, neither turned away nor moved on.';
comment on column visit_outcomes.answered is 'Whether an agent was reached.';
comment on column visit_outcomes.in_level is 'Whether that was within the queue''s threshold.';
comment on column visit_outcomes.abandoned is 'Whether the customer left.';
comment on column visit_outcomes.short_abandoned is 'Whether that was below the queue''s threshold.';
comment on column visit_outcomes.wait_s is 'How long it lasted, seconds.';
comment on column visit_outcomes.estimate_s is 'How long the wait would take, as estimated at its beginning.';

create view talk_outcomes as
select
    t.call_id,
    t.talk,
    t.visit,
    t.agent,
    t.queue,
    c.called_number,
    t.started_at,
    e.ended_at,
    t.how,
    t.how in ('transfer_blind', 'transfer_attended', 'escalated') as transferred,
    e.in_talk_s - least(t.hold_s, e.in_talk_s) as talk_s,
    least(t.hold_s, e.in_talk_s) as hold_s
from talks t
join calls c using (call_id)
cross join lateral (
    select coalesce(t.ended_at, c.ended_at) as ended_at,
           greatest(0, extract(epoch from coalesce(t.ended_at, c.ended_at) - t.started_at))::double precision as in_talk_s
) e
where t.agent is not null;
comment on view talk_outcomes is
    'What each conversation took, for figures. One whose end nobody saw ended with its call.';
comment on column talk_outcomes.call_id is 'The call.';
comment on column talk_outcomes.talk is 'Number of the conversation in the call.';
comment on column talk_outcomes.visit is 'The visit to a queue that led to it; 0 for none.';
comment on column talk_outcomes.agent is 'The agent.';
comment on column talk_outcomes.queue is 'The queue.';
comment on column talk_outcomes.called_number is 'The company''s number that was called.';
comment on column talk_outcomes.started_at is 'When it began.';
comment on column talk_outcomes.ended_at is 'When it ended; null while it lasts.';
comment on column talk_outcomes.how is 'How it ended; see talks.';
comment on column talk_outcomes.transferred is 'Whether the agent passed the customer on; null while it lasts.';
comment on column talk_outcomes.talk_s is 'Seconds of it, time on hold aside; null while it lasts.';
comment on column talk_outcomes.hold_s is 'Seconds on hold; null while it lasts.';

create view wrap_ups as
select s.agent, s.queue, s.call_id, s.since,
       greatest(0, extract(epoch from
           coalesce(s.until, least(now(), coalesce(s.planned_until, now()))) - s.since))::double precision as wrap_up_s
from agent_spans s
where s.state = 'wrap_up';
comment on view wrap_ups is 'The time of agents after conversations, for figures.';
comment on column wrap_ups.agent is 'The agent.';
comment on column wrap_ups.queue is 'The queue of the conversation.';
comment on column wrap_ups.call_id is 'Its call.';
comment on column wrap_ups.since is 'When it began; an extension begins a row of its own.';
comment on column wrap_ups.wrap_up_s is 'Seconds; so far, while it lasts.';

create function figure_intervals(from_time timestamptz, to_time timestamptz, span interval, zone text)
returns table (starts_at timestamptz, ends_at timestamptz)
language plpgsql stable as $$
declare
    seconds constant integer := extract(epoch from span);
begin
    if span not in ('15 minutes', '30 minutes', '60 minutes', '1 day') then
        raise exception 'figures come by 15, 30 or 60 minutes or by the day, not by %', span
            using errcode = 'invalid_parameter_value';
    end if;
    if to_time - from_time > 100000 * span then
        raise exception 'from % to % are more than 100,000 intervals of %: ask for less', from_time, to_time, span
            using errcode = 'invalid_parameter_value';
    end if;
    if span = '1 day' then
        return query
        with days as (
            select d::date as day
            from generate_series((from_time at time zone zone)::date::timestamp,
                                 (to_time at time zone zone)::date::timestamp, interval '1 day') d
        ),
        begun as (
            -- A day begins with the first moment that bears its date: midnight may come twice, or never.
            select (select min(m) from (select (day::timestamp at time zone zone) - n * interval '15 minutes' as m
                                        from generate_series(0, 12) n) e
                    where (m at time zone zone)::date = day) as at
            from days
        )
        select c.starts_at, c.ends_at
        from (select greatest(b.at, from_time) as starts_at, least(lead(b.at) over (order by b.at), to_time) as ends_at
              from begun b where b.at < to_time) c
        where c.ends_at > c.starts_at
        order by c.starts_at;
    else
        return query
        with moments as (
            -- All offsets in use are whole quarters of an hour.
            select m, m at time zone zone as local
            from generate_series(date_bin('15 minutes', from_time, 'epoch'), to_time, interval '15 minutes') m
        ),
        begun as (
            select distinct m - (extract(epoch from local - date_trunc('day', local))::integer % seconds)
                                * interval '1 second' as at
            from moments
        )
        select c.starts_at, c.ends_at
        from (select greatest(b.at, from_time) as starts_at, least(lead(b.at) over (order by b.at), to_time) as ends_at
              from begun b where b.at < to_time) c
        where c.ends_at > c.starts_at
        order by c.starts_at;
    end if;
end
$$;
comment on function figure_intervals(timestamptz, timestamptz, interval, text) is
    'The intervals of 15, 30 or 60 minutes or a day, by the clock of a time zone, that a span of time falls into; the '
    'first and the last are cut at its borders. On a night when the clock is set the day has 23 or 25 hours.';

create function queue_figures(
    from_time timestamptz, to_time timestamptz, span interval default '1 day', zone text default 'UTC')
returns table (
    queue text, starts_at timestamptz, ends_at timestamptz,
    entered bigint, waiting bigint, refused bigint, moved bigint, offered bigint, answered bigint, in_level bigint,
    abandoned bigint, short_abandoned bigint, timeouts bigint, no_agents bigint, callbacks bigint, messages bigint,
    failed bigint, answered_wait_s double precision, abandoned_wait_s double precision,
    longest_wait_s double precision, estimated bigint, estimate_error_sum_s double precision,
    estimate_missed_by_sum_s double precision, offers bigint, offers_missed bigint, talks bigint,
    talk_s double precision, hold_s double precision, wrap_up_s double precision, transferred bigint,
    service_level double precision, abandonment double precision, speed_of_answer_s double precision,
    handling_s double precision, transfer_rate double precision, offers_missed_rate double precision,
    estimate_error_s double precision, estimate_missed_by_s double precision, workload double precision)
language sql stable
begin atomic
    with intervals as materialized (
        select row_number() over (order by i.starts_at)::integer as n, i.starts_at, i.ends_at
        from figure_intervals(from_time, to_time, span, zone) i
    ),
    starts as materialized (select array_agg(i.starts_at order by i.n) as at from intervals i),
    visited as (
        select v.queue, width_bucket(v.began_at, s.at) as n,
               count(*) as entered,
               count(*) filter (where v.exit is null) as waiting,
               count(*) filter (where v.exit in ('full', 'closed')) as refused,
               count(*) filter (where v.exit = 'moved') as moved,
               count(*) filter (where v.offered) as offered,
               count(*) filter (where v.answered) as answered,
               count(*) filter (where v.in_level) as in_level,
               count(*) filter (where v.abandoned) as abandoned,
               count(*) filter (where v.short_abandoned) as short_abandoned,
               count(*) filter (where v.exit = 'timeout') as timeouts,
               count(*) filter (where v.exit = 'no_agents') as no_agents,
               count(*) filter (where v.exit = 'callback') as callbacks,
               count(*) filter (where v.exit = 'message') as messages,
               count(*) filter (where v.exit = 'failed') as failed,
               coalesce(sum(v.wait_s) filter (where v.answered), 0) as answered_wait_s,
               coalesce(sum(v.wait_s) filter (where v.abandoned), 0) as abandoned_wait_s,
               coalesce(max(v.wait_s) filter (where v.offered), 0) as longest_wait_s,
               count(*) filter (where v.answered and v.estimate_s is not null) as estimated,
               coalesce(sum(v.estimate_s - v.wait_s) filter (where v.answered), 0) as estimate_error_sum_s,
               coalesce(sum(abs(v.estimate_s - v.wait_s)) filter (where v.answered), 0) as estimate_missed_by_sum_s
        from visit_outcomes v, starts s
        where v.began_at >= from_time and v.began_at < to_time
        group by v.queue, width_bucket(v.began_at, s.at)
    ),
    offered_to as (
        select o.queue, width_bucket(o.made_at, s.at) as n,
               count(*) as offers,
               count(*) filter (where o.outcome in ('no_answer', 'declined', 'not_accepted', 'unreachable'))
                   as offers_missed
        from offers o, starts s
        where o.made_at >= from_time and o.made_at < to_time
        group by o.queue, width_bucket(o.made_at, s.at)
    ),
    talked as (
        select t.queue, width_bucket(t.started_at, s.at) as n,
               count(*) as talks,
               coalesce(sum(t.talk_s), 0) as talk_s, coalesce(sum(t.hold_s), 0) as hold_s,
               count(*) filter (where t.transferred) as transferred
        from talk_outcomes t, starts s
        where t.started_at >= from_time and t.started_at < to_time
        group by t.queue, width_bucket(t.started_at, s.at)
    ),
    wrapped as (
        select w.queue, width_bucket(w.since, s.at) as n, sum(w.wrap_up_s) as wrap_up_s
        from wrap_ups w, starts s
        where w.since >= from_time and w.since < to_time and w.queue <> ''
        group by w.queue, width_bucket(w.since, s.at)
    ),
    keys as (
        select v.queue, v.n from visited v
        union select o.queue, o.n from offered_to o
        union select t.queue, t.n from talked t
        union select w.queue, w.n from wrapped w
    ),
    sums as (
        select k.queue, i.starts_at, i.ends_at,
               coalesce(v.entered, 0) as entered, coalesce(v.waiting, 0) as waiting,
               coalesce(v.refused, 0) as refused, coalesce(v.moved, 0) as moved, coalesce(v.offered, 0) as offered,
               coalesce(v.answered, 0) as answered, coalesce(v.in_level, 0) as in_level,
               coalesce(v.abandoned, 0) as abandoned, coalesce(v.short_abandoned, 0) as short_abandoned,
               coalesce(v.timeouts, 0) as timeouts, coalesce(v.no_agents, 0) as no_agents,
               coalesce(v.callbacks, 0) as callbacks, coalesce(v.messages, 0) as messages,
               coalesce(v.failed, 0) as failed, coalesce(v.answered_wait_s, 0) as answered_wait_s,
               coalesce(v.abandoned_wait_s, 0) as abandoned_wait_s, coalesce(v.longest_wait_s, 0) as longest_wait_s,
               coalesce(v.estimated, 0) as estimated, coalesce(v.estimate_error_sum_s, 0) as estimate_error_sum_s,
               coalesce(v.estimate_missed_by_sum_s, 0) as estimate_missed_by_sum_s,
               coalesce(o.offers, 0) as offers, coalesce(o.offers_missed, 0) as offers_missed,
               coalesce(t.talks, 0) as talks, coalesce(t.talk_s, 0) as talk_s, coalesce(t.hold_s, 0) as hold_s,
               coalesce(w.wrap_up_s, 0) as wrap_up_s, coalesce(t.transferred, 0) as transferred
        from keys k
        join intervals i on i.n = k.n
        left join visited v on v.queue = k.queue and v.n = k.n
        left join offered_to o on o.queue = k.queue and o.n = k.n
        left join talked t on t.queue = k.queue and t.n = k.n
        left join wrapped w on w.queue = k.queue and w.n = k.n
    )
    select s.*,
           s.in_level::double precision / nullif(s.offered, 0),
           (s.abandoned - s.short_abandoned)::double precision / nullif(s.offered - s.short_abandoned, 0),
           s.answered_wait_s / nullif(s.answered, 0),
           (s.talk_s + s.hold_s + s.wrap_up_s) / nullif(s.talks, 0),
           s.transferred::double precision / nullif(s.talks, 0),
           s.offers_missed::double precision / nullif(s.offers, 0),
           s.estimate_error_sum_s / nullif(s.estimated, 0),
           s.estimate_missed_by_sum_s / nullif(s.estimated, 0),
           (s.talk_s + s.hold_s + s.wrap_up_s)
               / nullif(extract(epoch from s.ends_at - s.starts_at)::double precision, 0)
    from sums s
    order by s.queue collate "C", s.starts_at;
end;
comment on function queue_figures(timestamptz, timestamptz, interval, text) is
    'Figures by queue and interval of a span of time; no row where nothing happened. Formulas: docs/figures.md.';

create function agent_figures(
    from_time timestamptz, to_time timestamptz, span interval default '1 day', zone text default 'UTC')
returns table (
    agent text, starts_at timestamptz, ends_at timestamptz,
    logged_in_s double precision, free_s double precision, ringing_s double precision, talking_s double precision,
    wrapping_up_s double precision, paused_s double precision, unreachable_s double precision,
    busy_s double precision, offers bigint, offers_answered bigint, offers_missed bigint, talks bigint,
    talk_s double precision, hold_s double precision, wrap_up_s double precision, transferred bigint,
    occupancy double precision, handling_s double precision, transfer_rate double precision,
    offers_missed_rate double precision)
language sql stable
begin atomic
    with recursive
    intervals as materialized (
        select row_number() over (order by i.starts_at)::integer as n, i.starts_at, i.ends_at
        from figure_intervals(from_time, to_time, span, zone) i
    ),
    starts as materialized (select array_agg(i.starts_at order by i.n) as at from intervals i),
    known(agent) as (
        -- Each agent once, by a step in the index from one to the next.
        (select s.agent from agent_states s order by s.agent limit 1)
        union all
        select (select s.agent from agent_states s where s.agent > k.agent order by s.agent limit 1)
        from known k where k.agent is not null
    ),
    told as (
        -- What each agent was doing when the time began, and every change in it.
        select b.* from known k cross join lateral (
            select s.agent, s.since, s.state, s.planned_until from agent_states s
            where s.agent = k.agent and s.since < from_time
            order by s.since desc limit 1
        ) b
        union all
        select s.agent, s.since, s.state, s.planned_until from agent_states s
        where s.since >= from_time and s.since < to_time
    ),
    spans as (
        select t.agent, t.state, greatest(t.since, from_time) as since,
               least(to_time, coalesce(
                   lead(t.since) over (partition by t.agent order by t.since),
                   (select min(n.since) from agent_states n where n.agent = t.agent and n.since > t.since),
                   least(now(), coalesce(t.planned_until, now())))) as until
        from told t
    ),
    cut as (
        select p.agent, p.state, i.n,
               extract(epoch from least(p.until, i.ends_at) - greatest(p.since, i.starts_at))::double precision as s
        from spans p
        cross join starts a
        cross join lateral generate_series(width_bucket(p.since, a.at), width_bucket(p.until, a.at)) g (n)
        join intervals i on i.n = g.n
        where p.until > p.since and p.state <> 'logged_out'
    ),
    spent as (
        select c.agent, c.n,
               sum(c.s) as logged_in_s,
               coalesce(sum(c.s) filter (where c.state = 'free'), 0) as free_s,
               coalesce(sum(c.s) filter (where c.state = 'offered'), 0) as ringing_s,
               coalesce(sum(c.s) filter (where c.state = 'talking'), 0) as talking_s,
               coalesce(sum(c.s) filter (where c.state = 'wrap_up'), 0) as wrapping_up_s,
               coalesce(sum(c.s) filter (where c.state = 'paused'), 0) as paused_s,
               coalesce(sum(c.s) filter (where c.state = 'unreachable'), 0) as unreachable_s,
               coalesce(sum(c.s) filter (where c.state = 'busy'), 0) as busy_s
        from cut c
        where c.s > 0
        group by c.agent, c.n
    ),
    offered_to as (
        select o.agent, width_bucket(o.made_at, s.at) as n,
               count(*) as offers,
               count(*) filter (where o.outcome = 'connected') as offers_answered,
               count(*) filter (where o.outcome in ('no_answer', 'declined', 'not_accepted', 'unreachable'))
                   as offers_missed
        from offers o, starts s
        where o.made_at >= from_time and o.made_at < to_time
        group by o.agent, width_bucket(o.made_at, s.at)
    ),
    talked as (
        select t.agent, width_bucket(t.started_at, s.at) as n,
               count(*) as talks,
               coalesce(sum(t.talk_s), 0) as talk_s, coalesce(sum(t.hold_s), 0) as hold_s,
               count(*) filter (where t.transferred) as transferred
        from talk_outcomes t, starts s
        where t.started_at >= from_time and t.started_at < to_time
        group by t.agent, width_bucket(t.started_at, s.at)
    ),
    wrapped as (
        select w.agent, width_bucket(w.since, s.at) as n, sum(w.wrap_up_s) as wrap_up_s
        from wrap_ups w, starts s
        where w.since >= from_time and w.since < to_time
        group by w.agent, width_bucket(w.since, s.at)
    ),
    keys as (
        select p.agent, p.n from spent p
        union select o.agent, o.n from offered_to o
        union select t.agent, t.n from talked t
        union select w.agent, w.n from wrapped w
    ),
    sums as (
        select k.agent, i.starts_at, i.ends_at,
               coalesce(p.logged_in_s, 0) as logged_in_s, coalesce(p.free_s, 0) as free_s,
               coalesce(p.ringing_s, 0) as ringing_s, coalesce(p.talking_s, 0) as talking_s,
               coalesce(p.wrapping_up_s, 0) as wrapping_up_s, coalesce(p.paused_s, 0) as paused_s,
               coalesce(p.unreachable_s, 0) as unreachable_s, coalesce(p.busy_s, 0) as busy_s,
               coalesce(o.offers, 0) as offers, coalesce(o.offers_answered, 0) as offers_answered,
               coalesce(o.offers_missed, 0) as offers_missed, coalesce(t.talks, 0) as talks,
               coalesce(t.talk_s, 0) as talk_s, coalesce(t.hold_s, 0) as hold_s,
               coalesce(w.wrap_up_s, 0) as wrap_up_s, coalesce(t.transferred, 0) as transferred
        from keys k
        join intervals i on i.n = k.n
        left join spent p on p.agent = k.agent and p.n = k.n
        left join offered_to o on o.agent = k.agent and o.n = k.n
        left join talked t on t.agent = k.agent and t.n = k.n
        left join wrapped w on w.agent = k.agent and w.n = k.n
    )
    select s.*,
           (s.talking_s + s.wrapping_up_s) / nullif(s.talking_s + s.wrapping_up_s + s.free_s + s.ringing_s, 0),
           (s.talk_s + s.hold_s + s.wrap_up_s) / nullif(s.talks, 0),
           s.transferred::double precision / nullif(s.talks, 0),
           s.offers_missed::double precision / nullif(s.offers, 0)
    from sums s
    order by s.agent collate "C", s.starts_at;
end;
comment on function agent_figures(timestamptz, timestamptz, interval, text) is
    'Figures by agent and interval of a span of time; no row where nothing happened. Formulas: docs/figures.md.';

create function number_figures(
    from_time timestamptz, to_time timestamptz, span interval default '1 day', zone text default 'UTC')
returns table (
    called_number text, starts_at timestamptz, ends_at timestamptz,
    calls bigint, calls_answered bigint, calls_queued bigint, calls_talked bigint, calls_abandoned bigint,
    duration_s double precision, visits_offered bigint, visits_answered bigint, in_level bigint, abandoned bigint,
    short_abandoned bigint, answered_wait_s double precision, talks bigint, talk_s double precision,
    hold_s double precision, wrap_up_s double precision, transferred bigint,
    service_level double precision, abandonment double precision, speed_of_answer_s double precision,
    handling_s double precision, transfer_rate double precision)
language sql stable
begin atomic
    with intervals as materialized (
        select row_number() over (order by i.starts_at)::integer as n, i.starts_at, i.ends_at
        from figure_intervals(from_time, to_time, span, zone) i
    ),
    starts as materialized (select array_agg(i.starts_at order by i.n) as at from intervals i),
    called as (
        select c.call_id, c.called_number, width_bucket(c.started_at, s.at) as n, c.answered_at, c.disposition,
               greatest(0, extract(epoch from c.ended_at - c.started_at))::double precision as duration_s
        from calls c, starts s
        where c.started_at >= from_time and c.started_at < to_time
    ),
    visited as (
        select v.call_id,
               count(*) filter (where v.offered) as visits_offered,
               count(*) filter (where v.answered) as visits_answered,
               count(*) filter (where v.in_level) as in_level,
               count(*) filter (where v.abandoned) as abandoned,
               count(*) filter (where v.short_abandoned) as short_abandoned,
               coalesce(sum(v.wait_s) filter (where v.answered), 0) as answered_wait_s
        from visit_outcomes v
        where v.call_id in (select c.call_id from called c)
        group by v.call_id
    ),
    talked as (
        select t.call_id, count(*) as talks, coalesce(sum(t.talk_s), 0) as talk_s,
               coalesce(sum(t.hold_s), 0) as hold_s,
               count(*) filter (where t.transferred) as transferred
        from talk_outcomes t
        where t.call_id in (select c.call_id from called c)
        group by t.call_id
    ),
    wrapped as (
        -- No call lasts a day: what follows it began by then.
        select w.call_id, sum(w.wrap_up_s) as wrap_up_s
        from wrap_ups w
        where w.since >= from_time and w.since < to_time + interval '1 day'
        group by w.call_id
    ),
    sums as (
        select c.called_number, i.starts_at, i.ends_at,
               count(*) as calls,
               count(c.answered_at) as calls_answered,
               count(v.call_id) as calls_queued,
               count(t.call_id) as calls_talked,
               count(*) filter (where c.disposition = 'abandoned') as calls_abandoned,
               coalesce(sum(c.duration_s), 0) as duration_s,
               coalesce(sum(v.visits_offered), 0)::bigint as visits_offered,
               coalesce(sum(v.visits_answered), 0)::bigint as visits_answered,
               coalesce(sum(v.in_level), 0)::bigint as in_level,
               coalesce(sum(v.abandoned), 0)::bigint as abandoned,
               coalesce(sum(v.short_abandoned), 0)::bigint as short_abandoned,
               coalesce(sum(v.answered_wait_s), 0) as answered_wait_s,
               coalesce(sum(t.talks), 0)::bigint as talks,
               coalesce(sum(t.talk_s), 0) as talk_s,
               coalesce(sum(t.hold_s), 0) as hold_s,
               coalesce(sum(w.wrap_up_s), 0) as wrap_up_s,
               coalesce(sum(t.transferred), 0)::bigint as transferred
        from called c
        join intervals i on i.n = c.n
        left join visited v on v.call_id = c.call_id
        left join talked t on t.call_id = c.call_id
        left join wrapped w on w.call_id = c.call_id::text
        group by c.called_number, i.starts_at, i.ends_at
    )
    select s.*,
           s.in_level::double precision / nullif(s.visits_offered, 0),
           (s.abandoned - s.short_abandoned)::double precision / nullif(s.visits_offered - s.short_abandoned, 0),
           s.answered_wait_s / nullif(s.visits_answered, 0),
           (s.talk_s + s.hold_s + s.wrap_up_s) / nullif(s.talks, 0),
           s.transferred::double precision / nullif(s.talks, 0)
    from sums s
    order by s.called_number collate "C", s.starts_at;
end;
comment on function number_figures(timestamptz, timestamptz, interval, text) is
    'Figures by called number and interval of a span of time, counted where the call began; no row where nothing '
    'happened. Formulas: docs/figures.md.';
