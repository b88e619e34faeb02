-- What a batch of entries tells, merged into the tables in one statement, by the rules of controller/cdr/fold.py.
-- $1: a JSON object of row lists by table: calls, legs, steps, states, and void, a list of call ids.
-- One round trip and one transaction. All parts see the tables as they were before, whatever their order; none
-- touches a row that another touches, and references are checked at the end.
with
-- calls: channel_id is null where the batch does not hold the call's start
merged_calls as (
    insert into calls as c (
        call_id, started_at, answered_at, ended_at, channel_id, called_number, caller_number, caller_name, flow,
        release, start_language, end_language, driver, node, tariff_class, disposition, ended_by, cause, reason,
        direction, request_id, visitor)
    select r.* from json_to_recordset($1::json -> 'calls') as r (
        call_id uuid, started_at timestamptz, answered_at timestamptz, ended_at timestamptz, channel_id text,
        called_number text, caller_number text, caller_name text, flow text, release text, start_language text,
        end_language text, driver text, node text, tariff_class text, disposition text, ended_by text,
        cause smallint, reason text, direction text, request_id uuid, visitor jsonb)
    on conflict (call_id) do update set
        -- the start: the first one stands
        started_at = case when c.channel_id is not null then c.started_at
                          when excluded.channel_id is not null then excluded.started_at
                          else least(c.started_at, excluded.started_at) end,
        channel_id = coalesce(c.channel_id, excluded.channel_id),
        called_number = case when c.channel_id is null then excluded.called_number else c.called_number end,
        caller_number = case when c.channel_id is null then excluded.caller_number else c.caller_number end,
        caller_name = case when c.channel_id is null then excluded.caller_name else c.caller_name end,
        flow = case when c.channel_id is null then excluded.flow else c.flow end,
        release = case when c.channel_id is null then excluded.release else c.release end,
        start_language = case when c.channel_id is null then excluded.start_language else c.start_language end,
        driver = case when c.channel_id is null then excluded.driver else c.driver end,
        node = case when c.channel_id is null then excluded.node else c.node end,
        tariff_class = case when c.channel_id is null then excluded.tariff_class else c.tariff_class end,
        direction = case when c.channel_id is null then excluded.direction else c.direction end,
        request_id = case when c.channel_id is null then excluded.request_id else c.request_id end,
        visitor = case when c.channel_id is null then excluded.visitor else c.visitor end,
        answered_at = coalesce(c.answered_at, excluded.answered_at),
        -- the end: the first one stands, but 'lost' yields to an end that somebody saw
        ended_at = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                        then excluded.ended_at else c.ended_at end,
        end_language = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                            then excluded.end_language else c.end_language end,
        disposition = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                           then excluded.disposition else c.disposition end,
        ended_by = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                        then excluded.ended_by else c.ended_by end,
        cause = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                     then excluded.cause else c.cause end,
        reason = case when c.ended_at is null or (c.disposition = 'lost' and excluded.disposition <> 'lost')
                      then excluded.reason else c.reason end
    -- nothing to tell of a call that is known already (only its steps or its state are news): no new row version
    where excluded.answered_at is not null and c.answered_at is null
       or excluded.ended_at is not null and (c.ended_at is null or c.disposition = 'lost')
       or c.channel_id is null and (excluded.channel_id is not null or excluded.started_at < c.started_at)
),
-- legs: role is null where the batch does not hold the leg's start
merged_legs as (
    insert into legs as l (
        call_id, leg_id, started_at, answered_at, ended_at, channel_id, channel_name, role, number, cause, cause_text,
        ended_by)
    select r.* from json_to_recordset($1::json -> 'legs') as r (
        call_id uuid, leg_id text, started_at timestamptz, answered_at timestamptz, ended_at timestamptz,
        channel_id text, channel_name text, role text, number text, cause smallint, cause_text text, ended_by text)
    on conflict (call_id, leg_id) do update set
        started_at = coalesce(l.started_at, excluded.started_at),
        channel_id = case when l.role is null then excluded.channel_id else l.channel_id end,
        channel_name = case when l.role is null then excluded.channel_name else l.channel_name end,
        number = case when l.role is null then excluded.number else l.number end,
        role = coalesce(l.role, excluded.role),
        answered_at = coalesce(l.answered_at, excluded.answered_at),
        -- the first end stands, but an unknown cause (0) yields to a known one
        ended_at = case when l.ended_at is null or (l.cause = 0 and excluded.cause <> 0)
                        then excluded.ended_at else l.ended_at end,
        cause_text = case when l.ended_at is null or (l.cause = 0 and excluded.cause <> 0)
                          then excluded.cause_text else l.cause_text end,
        ended_by = case when l.ended_at is null or (l.cause = 0 and excluded.cause <> 0)
                        then excluded.ended_by else l.ended_by end,
        cause = case when l.ended_at is null or (l.cause = 0 and excluded.cause <> 0)
                     then excluded.cause else l.cause end
),
-- steps: one reported again replaces what was told of it before
merged_steps as (
    insert into call_steps as s (call_id, seq, flow, step, type, entered_at, left_at, exit, digits, detail)
    select r.* from json_to_recordset($1::json -> 'steps') as r (
        call_id uuid, seq integer, flow text, step text, type text, entered_at timestamptz, left_at timestamptz,
        exit text, digits text, detail jsonb)
    on conflict (call_id, seq) do update set
        flow = excluded.flow, step = excluded.step, type = excluded.type, entered_at = excluded.entered_at,
        left_at = excluded.left_at, exit = excluded.exit, digits = excluded.digits, detail = excluded.detail
    where (s.flow, s.step, s.type, s.entered_at, s.left_at, s.exit, s.digits, s.detail) is distinct from
          (excluded.flow, excluded.step, excluded.type, excluded.entered_at, excluded.left_at, excluded.exit,
           excluded.digits, excluded.detail)
),
-- void states: their call has ended, or nobody needs them any more
voided_states as (
    delete from live_calls
    where call_id in (select id::uuid from json_array_elements_text($1::json -> 'void') as v (id))
)
-- states: an ended call gets none; one from another node replaces what is there only when it is newer
insert into live_calls as v (call_id, channel_id, driver, release, node, state, saved_at)
select r.call_id, r.channel_id, r.driver, r.release, r.node, decode(r.state, 'base64'), r.saved_at
from json_to_recordset($1::json -> 'states') as r (
    call_id uuid, channel_id text, driver text, release text, node text, state text, saved_at timestamptz)
where not exists (select from calls c where c.call_id = r.call_id and c.ended_at is not null)
on conflict (call_id) do update set
    channel_id = excluded.channel_id, driver = excluded.driver, release = excluded.release, node = excluded.node,
    state = excluded.state, saved_at = excluded.saved_at
where v.node = excluded.node or v.saved_at < excluded.saved_at
