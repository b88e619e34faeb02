-- What a batch tells of queues, agents and recordings, merged by the rules of controller/cdr/visits.py.
-- $1: a JSON object of row lists: calls, visits, offers, talks, events, dispositions, states, recordings; each key
-- once. As in batch.sql, all parts see the tables as they were before and no two touch the same row.
with
-- calls of which nothing else is known yet
seen_calls as (
    insert into calls as c (call_id, started_at)
    select r.* from json_to_recordset($1::json -> 'calls') as r (call_id uuid, started_at timestamptz)
    on conflict (call_id) do update set started_at = excluded.started_at
    where c.channel_id is null and excluded.started_at < c.started_at
),
-- visits: queue is null where the batch does not hold the entry
merged_visits as (
    insert into queue_visits as v (
        call_id, visit, queue, began_at, entered_at, priority, needs, position, estimate_s, from_agent,
        service_level_s, short_abandoned_s, exited_at, exit, agent)
    select r.* from json_to_recordset($1::json -> 'visits') as r (
        call_id uuid, visit integer, queue text, began_at timestamptz, entered_at timestamptz, priority smallint,
        needs jsonb, position integer, estimate_s double precision, from_agent text,
        service_level_s double precision, short_abandoned_s double precision, exited_at timestamptz, exit text,
        agent text)
    on conflict (call_id, visit) do update set
        queue = coalesce(v.queue, excluded.queue),
        began_at = coalesce(v.began_at, excluded.began_at),
        entered_at = coalesce(v.entered_at, excluded.entered_at),
        priority = case when v.queue is null then excluded.priority else v.priority end,
        needs = case when v.queue is null then excluded.needs else v.needs end,
        position = case when v.queue is null then excluded.position else v.position end,
        estimate_s = case when v.queue is null then excluded.estimate_s else v.estimate_s end,
        from_agent = case when v.queue is null then excluded.from_agent else v.from_agent end,
        service_level_s = case when v.queue is null then excluded.service_level_s else v.service_level_s end,
        short_abandoned_s = case when v.queue is null then excluded.short_abandoned_s else v.short_abandoned_s end,
        agent = case when v.exit is null then excluded.agent else v.agent end,
        exited_at = coalesce(v.exited_at, excluded.exited_at),
        exit = coalesce(v.exit, excluded.exit)
    where v.queue is null and excluded.queue is not null or v.exit is null and excluded.exit is not null
),
-- offers: agent is null where the batch does not hold the start
merged_offers as (
    insert into offers as o (call_id, offer, visit, agent, queue, made_at, ended_at, outcome)
    select r.* from json_to_recordset($1::json -> 'offers') as r (
        call_id uuid, offer integer, visit integer, agent text, queue text, made_at timestamptz,
        ended_at timestamptz, outcome text)
    on conflict (call_id, offer) do update set
        visit = coalesce(o.visit, excluded.visit),
        queue = case when o.agent is null then excluded.queue else o.queue end,
        agent = coalesce(o.agent, excluded.agent),
        made_at = coalesce(o.made_at, excluded.made_at),
        ended_at = coalesce(o.ended_at, excluded.ended_at),
        outcome = coalesce(o.outcome, excluded.outcome)
    where o.agent is null and excluded.agent is not null or o.outcome is null and excluded.outcome is not null
),
-- conversations: agent is null where the batch does not hold the start; one whose end is not known is lost when the
-- agent has begun another, here or before
told_talks as (
    select r.*, coalesce(t.agent, r.agent) as of_agent, coalesce(t.started_at, r.started_at) as since
    from json_to_recordset($1::json -> 'talks') as r (
        call_id uuid, talk integer, visit integer, agent text, queue text, started_at timestamptz,
        ended_at timestamptz, ended_by text, hold_s double precision, how text)
    left join talks t on t.call_id = r.call_id and t.talk = r.talk
),
whole_talks as (
    select r.call_id, r.talk, r.visit, r.agent, r.queue, r.started_at,
           coalesce(r.ended_at, n.at) as ended_at,
           case when r.ended_at is not null then r.ended_by when n.at is not null then 'system' end as ended_by,
           r.hold_s,
           case when r.ended_at is not null then r.how when n.at is not null then 'lost' end as how
    from told_talks r
    left join lateral (
        select min(m.at) as at
        from (
            select b.since as at from told_talks b
            where b.of_agent = r.of_agent and (b.since, b.call_id, b.talk) > (r.since, r.call_id, r.talk)
            union all
            (select t.started_at from talks t
             where t.agent = r.of_agent and (t.started_at, t.call_id, t.talk) > (r.since, r.call_id, r.talk)
             order by t.started_at limit 1)
        ) m
    ) n on r.ended_at is null
),
merged_talks as (
    insert into talks as t (call_id, talk, visit, agent, queue, started_at, ended_at, ended_by, hold_s, how)
    select call_id, talk, visit, agent, queue, started_at, ended_at, ended_by, hold_s, how
    from whole_talks order by call_id, talk
    on conflict (call_id, talk) do update set
        visit = case when t.agent is null then excluded.visit else t.visit end,
        queue = case when t.agent is null then excluded.queue else t.queue end,
        started_at = coalesce(t.started_at, excluded.started_at),
        agent = coalesce(t.agent, excluded.agent),
        -- the first end stands, but 'lost' yields to an end that somebody saw
        ended_at = case when t.how is null or t.how = 'lost' and excluded.how <> 'lost'
                        then excluded.ended_at else t.ended_at end,
        ended_by = case when t.how is null or t.how = 'lost' and excluded.how <> 'lost'
                        then excluded.ended_by else t.ended_by end,
        hold_s = case when t.how is null or t.how = 'lost' and excluded.how <> 'lost'
                      then excluded.hold_s else t.hold_s end,
        how = case when t.how is null or t.how = 'lost' and excluded.how <> 'lost'
                   then excluded.how else t.how end
    where t.agent is null and excluded.agent is not null
       or excluded.how is not null and (t.how is null or t.how = 'lost' and excluded.how <> 'lost')
),
-- events, states of agents: the last report stands
merged_events as (
    insert into talk_events as e (call_id, seq, at, kind, agent, detail)
    select r.* from json_to_recordset($1::json -> 'events') as r (
        call_id uuid, seq integer, at timestamptz, kind text, agent text, detail jsonb)
    on conflict (call_id, seq) do update set
        at = excluded.at, kind = excluded.kind, agent = excluded.agent, detail = excluded.detail
    where (e.at, e.kind, e.agent, e.detail)
        is distinct from (excluded.at, excluded.kind, excluded.agent, excluded.detail)
),
merged_states as (
    insert into agent_states as s (agent, since, state, presence, reason, planned_until, queue, call_id, by)
    select r.* from json_to_recordset($1::json -> 'states') as r (
        agent text, since timestamptz, state text, presence text, reason text, planned_until timestamptz, queue text,
        call_id text, by text)
    on conflict (agent, since) do update set
        state = excluded.state, presence = excluded.presence, reason = excluded.reason,
        planned_until = excluded.planned_until, queue = excluded.queue, call_id = excluded.call_id, by = excluded.by
    where (s.state, s.presence, s.reason, s.planned_until, s.queue, s.call_id, s.by)
        is distinct from (excluded.state, excluded.presence, excluded.reason, excluded.planned_until,
                          excluded.queue, excluded.call_id, excluded.by)
),
-- dispositions: the last word by its time
merged_dispositions as (
    insert into dispositions as d (call_id, agent, at, code, note)
    select r.* from json_to_recordset($1::json -> 'dispositions') as r (
        call_id uuid, agent text, at timestamptz, code text, note text)
    on conflict (call_id, agent) do update set at = excluded.at, code = excluded.code, note = excluded.note
    where excluded.at >= d.at and (d.at, d.code, d.note) is distinct from (excluded.at, excluded.code, excluded.note)
),
-- recordings: kind is null where the batch holds only the erasure
merged_recordings as (
    insert into recordings as k (
        recording_id, call_id, kind, kept_at, queue, path, sha256, bytes, duration_s, keep_until, agent, caller,
        erased_at, erased_by)
    select r.recording_id, r.call_id, r.kind, r.kept_at, r.queue, r.path, decode(r.sha256, 'hex'), r.bytes,
           r.duration_s, r.keep_until, r.agent, r.caller, r.erased_at, r.erased_by
    from json_to_recordset($1::json -> 'recordings') as r (
        recording_id text, call_id uuid, kind text, kept_at timestamptz, queue text, path text, sha256 text,
        bytes bigint, duration_s double precision, keep_until timestamptz, agent text, caller text,
        erased_at timestamptz, erased_by text)
    on conflict (recording_id) do update set
        call_id = case when k.kind is null then excluded.call_id else k.call_id end,
        queue = case when k.kind is null then excluded.queue else k.queue end,
        agent = case when k.kind is null then excluded.agent else k.agent end,
        caller = case when k.kind is null then excluded.caller else k.caller end,
        kept_at = coalesce(k.kept_at, excluded.kept_at),
        path = coalesce(k.path, excluded.path),
        sha256 = coalesce(k.sha256, excluded.sha256),
        bytes = coalesce(k.bytes, excluded.bytes),
        duration_s = coalesce(k.duration_s, excluded.duration_s),
        keep_until = coalesce(k.keep_until, excluded.keep_until),
        kind = coalesce(k.kind, excluded.kind),
        erased_by = coalesce(k.erased_by, excluded.erased_by),
        erased_at = coalesce(k.erased_at, excluded.erased_at)
    where k.kind is null and excluded.kind is not null or k.erased_at is null and excluded.erased_at is not null
)
-- a message is in its mailbox, new, as soon as it is kept; references are checked at the end
insert into messages (recording_id)
select r.recording_id
from json_to_recordset($1::json -> 'recordings') as r (recording_id text, kind text)
where r.kind = 'message'
on conflict (recording_id) do nothing
