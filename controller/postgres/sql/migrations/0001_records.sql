-- The record of every call, the state of running ones, and the views that reports read.
--
-- Times are timestamptz. No constraint compares two times: clocks are set back now and then, and a record with
-- an odd time is worth more than none. An entry may arrive for a call whose start was never seen (a lost
-- journal, a full disk): such a call stands here with channel_id null, as far as it is known.

create table calls (
    call_id        uuid primary key,
    started_at     timestamptz not null,
    answered_at    timestamptz,
    ended_at       timestamptz,
    channel_id     text,
    called_number  text not null default '',
    caller_number  text not null default '',
    caller_name    text not null default '',
    flow           text not null default '',
    release        text not null default '',
    start_language text not null default '',
    end_language   text not null default '',
    driver         text not null default '',
    node           text not null default '',
    tariff_class   text not null default '',
    disposition    text,
    ended_by       text,
    cause          smallint,
    reason         text not null default '',
    constraint calls_disposition_known check (
        disposition in ('completed', 'talked', 'abandoned', 'limit', 'failed', 'lost')),
    constraint calls_ended_by_known check (ended_by in ('caller', 'callee', 'flow', 'system')),
    constraint calls_cause_is_q850 check (cause between 0 and 127),
    constraint calls_end_is_whole check (
        (ended_at is null) = (disposition is null)
        and (ended_at is null) = (ended_by is null)
        and (ended_at is null) = (cause is null))
);
comment on table calls is
    'One row per call: everything between one customer and us on one occasion.';
comment on column calls.call_id is 'Id of the call; a UUID that sorts by the time the call began.';
comment on column calls.started_at is
    'When the caller''s channel reached us; the earliest time known of the call where the start was not seen.';
comment on column calls.answered_at is 'When we answered; null if we never did.';
comment on column calls.ended_at is 'When the caller''s leg was gone; null while the call runs.';
comment on column calls.channel_id is
    'Asterisk''s unique id of the caller''s channel; null where the start of the call was not seen.';
comment on column calls.called_number is 'The company''s number that was called.';
comment on column calls.caller_number is 'The number the caller showed; empty when withheld.';
comment on column calls.caller_name is 'The name the caller''s network sent; anybody can set it, do not trust it.';
comment on column calls.flow is 'The flow the call entered first.';
comment on column calls.release is 'Content hash of the centre''s version that served the call; see releases.';
comment on column calls.start_language is 'Language at the start of the call.';
comment on column calls.end_language is 'Language the caller had at the end; empty when it was not told.';
comment on column calls.driver is 'How Asterisk was driven: ari or agi.';
comment on column calls.node is 'The controller that took the call first.';
comment on column calls.tariff_class is 'Tariff class of the called number when the call began.';
comment on column calls.disposition is
    'How the call ended for the business: completed (the flow came to its end), talked (a person was reached), '
    'abandoned (the caller left inside the SVI), limit (a step, time or attempt limit), failed (a fault of ours), '
    'lost (ended while no controller was there to see how). Null while the call runs.';
comment on column calls.ended_by is 'Who ended the call: caller, callee, flow (as written) or system.';
comment on column calls.cause is 'Q.850 cause of the caller''s leg; 0 when unknown. The callee''s: call_outcomes.';
comment on column calls.reason is 'Why, in words, where the disposition does not say enough.';

create index calls_by_start on calls (started_at);
create index calls_by_called_number on calls (called_number, started_at);
create index calls_by_caller_number on calls (caller_number, started_at);
create index calls_by_channel on calls (channel_id);
create index calls_running on calls (started_at) where ended_at is null;

create table legs (
    call_id      uuid not null references calls on delete cascade,
    leg_id       text not null,
    started_at   timestamptz,
    answered_at  timestamptz,
    ended_at     timestamptz,
    channel_id   text not null default '',
    channel_name text not null default '',
    role         text,
    number       text not null default '',
    cause        smallint,
    cause_text   text not null default '',
    ended_by     text,
    primary key (call_id, leg_id),
    constraint legs_role_known check (role in ('caller', 'extension')),
    constraint legs_ended_by_known check (ended_by in ('caller', 'callee', 'flow', 'system')),
    constraint legs_cause_is_q850 check (cause between 0 and 127),
    constraint legs_start_is_whole check ((started_at is null) = (role is null)),
    constraint legs_end_is_whole check (
        (ended_at is null) = (ended_by is null) and (ended_at is null) = (cause is null))
);
comment on table legs is 'One row per channel of a call, from ring to hang-up.';
comment on column legs.call_id is 'The call the leg belongs to.';
comment on column legs.leg_id is 'Id of the leg within the call.';
comment on column legs.started_at is 'When the channel existed; null where its start was not seen.';
comment on column legs.answered_at is 'When the far end answered; null if it never did.';
comment on column legs.ended_at is 'When the channel was gone; null while it lives.';
comment on column legs.channel_id is 'Asterisk''s unique id of the channel.';
comment on column legs.channel_name is 'Asterisk''s name of the channel, as in PJSIP/trunk-00000001.';
comment on column legs.role is 'Whom the leg connects: caller or extension; null where its start was not seen.';
comment on column legs.number is 'The number or extension at the far end.';
comment on column legs.cause is 'Q.850 cause of this leg as Asterisk reports it; 0 when unknown.';
comment on column legs.cause_text is 'The same in words.';
comment on column legs.ended_by is 'Who ended the leg: caller, callee, flow or system.';

create unique index legs_one_caller on legs (call_id) where role = 'caller';
create index legs_by_channel on legs (channel_id);
create index legs_by_number on legs (number, started_at) where role <> 'caller';

create table call_steps (
    call_id    uuid not null references calls on delete cascade,
    seq        integer not null,
    flow       text not null,
    step       text not null,
    type       text not null,
    entered_at timestamptz not null,
    left_at    timestamptz not null,
    exit       text not null,
    digits     text not null default '',
    detail     jsonb not null default '{}',
    primary key (call_id, seq),
    constraint call_steps_counted_from_one check (seq >= 1)
);
comment on table call_steps is 'One row per step of a flow that a call has left: its way through the SVI.';
comment on column call_steps.call_id is 'The call.';
comment on column call_steps.seq is 'Number of the step in the call, from 1.';
comment on column call_steps.flow is 'Flow the step belongs to.';
comment on column call_steps.step is 'Name of the step in the flow.';
comment on column call_steps.type is 'Type of the step: menu, collect, say, dial, http …';
comment on column call_steps.entered_at is 'When the call entered the step.';
comment on column call_steps.left_at is 'When the call left it.';
comment on column call_steps.exit is 'The exit it took.';
comment on column call_steps.digits is 'What the caller keyed in; masked where the flow marks it secret.';
comment on column call_steps.detail is 'More about the step, by type, as JSON.';

create index call_steps_by_step on call_steps (flow, step, entered_at);

create table live_calls (
    call_id    uuid primary key references calls on delete cascade,
    channel_id text not null,
    driver     text not null,
    release    text not null,
    node       text not null,
    state      bytea not null,
    saved_at   timestamptz not null,
    constraint live_calls_one_per_channel unique (node, channel_id)
);
comment on table live_calls is
    'Where each running call stands: enough for any controller to take it up. No row once a call has ended.';
comment on column live_calls.call_id is 'The running call.';
comment on column live_calls.channel_id is 'Asterisk''s unique id of the caller''s channel.';
comment on column live_calls.driver is 'How Asterisk is driven: ari or agi.';
comment on column live_calls.release is 'Content hash of the centre''s version the call is pinned to.';
comment on column live_calls.node is 'The controller that runs the call now.';
comment on column live_calls.state is 'State of the flow run as JSON, opaque to reports; never holds a secret entry.';
comment on column live_calls.saved_at is 'When this state was saved.';

create table releases (
    release    text primary key,
    sources    jsonb not null,
    first_seen timestamptz not null,
    constraint releases_sources_by_path check (jsonb_typeof(sources) = 'object')
);
comment on table releases is 'Every version of the centre that was ever in force, whole, so that old calls can be read.';
comment on column releases.release is 'Content hash of the version.';
comment on column releases.sources is 'Text of each file by its path.';
comment on column releases.first_seen is 'When a controller first put it in force.';

create table asterisk_cdr (
    uniqueid    text not null,
    fingerprint bytea not null,
    received_at timestamptz not null,
    fields      jsonb not null,
    channel     text generated always as (coalesce(fields->>'Channel', '')) stored,
    dstchannel  text generated always as (coalesce(fields->>'DestinationChannel', '')) stored,
    disposition text generated always as (coalesce(fields->>'Disposition', '')) stored,
    duration_s  integer generated always as (
        case when fields->>'Duration' ~ '^[0-9]{1,9}$' then (fields->>'Duration')::integer end) stored,
    billsec_s   integer generated always as (
        case when fields->>'BillableSeconds' ~ '^[0-9]{1,9}$' then (fields->>'BillableSeconds')::integer end) stored,
    primary key (uniqueid, fingerprint)
);
comment on table asterisk_cdr is
    'Call detail records as Asterisk itself wrote them, kept to compare with ours: ledger_disagreements().';
comment on column asterisk_cdr.uniqueid is 'Asterisk''s unique id of the channel the record is about.';
comment on column asterisk_cdr.fingerprint is 'SHA-256 of the fields: the same record received twice stands once.';
comment on column asterisk_cdr.received_at is 'When the controller received it, about when Asterisk wrote it.';
comment on column asterisk_cdr.fields is 'All fields of the record by the names of Asterisk''s Cdr event.';
comment on column asterisk_cdr.channel is 'Channel name of the calling side.';
comment on column asterisk_cdr.dstchannel is 'Channel name of the called side; empty when there is none.';
comment on column asterisk_cdr.disposition is 'ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION.';
comment on column asterisk_cdr.duration_s is 'Whole seconds from start to end.';
comment on column asterisk_cdr.billsec_s is 'Whole seconds from answer to end.';

create index asterisk_cdr_by_time on asterisk_cdr (received_at);

create view call_outcomes as
select
    c.call_id,
    c.started_at,
    c.called_number,
    c.caller_number,
    coalesce(nullif(c.end_language, ''), c.start_language) as language,
    c.disposition,
    c.ended_by,
    c.cause as caller_cause,
    d.cause as callee_cause,
    d.cause_text as callee_cause_text,
    d.number as dialled_number,
    d.ended_by as dialled_leg_ended_by,
    extract(epoch from c.ended_at - c.started_at)::numeric(12, 3) as duration_s,
    extract(epoch from c.ended_at - c.answered_at)::numeric(12, 3) as answered_s,
    extract(epoch from d.ended_at - d.answered_at)::numeric(12, 3) as talk_s
from calls c
left join lateral (
    select * from legs l
    where l.call_id = c.call_id and l.role <> 'caller' and l.cause is not null
    order by l.started_at desc, l.leg_id desc
    limit 1
) d on true;
comment on view call_outcomes is
    'How each call ended, with the Q.850 causes of both sides: the caller''s leg, and the last leg that was dialled.';
comment on column call_outcomes.call_id is 'The call.';
comment on column call_outcomes.started_at is 'When the caller''s channel reached us.';
comment on column call_outcomes.called_number is 'The company''s number that was called.';
comment on column call_outcomes.caller_number is 'The number the caller showed.';
comment on column call_outcomes.disposition is 'How the call ended for the business; null while it runs. See calls.';
comment on column call_outcomes.ended_by is 'Who ended the call.';
comment on column call_outcomes.callee_cause_text is 'The same in words.';
comment on column call_outcomes.dialled_leg_ended_by is 'Who ended the leg that was dialled last.';
comment on column call_outcomes.language is 'The caller''s language at the end, or at the start where no other is known.';
comment on column call_outcomes.caller_cause is 'Q.850 cause of the caller''s leg.';
comment on column call_outcomes.callee_cause is 'Q.850 cause of the last dialled leg; null when nobody was dialled.';
comment on column call_outcomes.dialled_number is 'Extension dialled last.';
comment on column call_outcomes.duration_s is 'Seconds from ring to end.';
comment on column call_outcomes.answered_s is 'Seconds from our answer to the end.';
comment on column call_outcomes.talk_s is 'Seconds from the dialled person''s answer to the end of that leg.';

create view cdr as
select
    c.started_at as calldate,
    left(case when c.caller_name = '' then c.caller_number
              else '"' || replace(c.caller_name, '"', '') || '" <' || c.caller_number || '>' end, 80)::varchar(80) as clid,
    left(c.caller_number, 80)::varchar(80) as src,
    left(c.called_number, 80)::varchar(80) as dst,
    left(c.flow, 80)::varchar(80) as dcontext,
    left(coalesce(a.channel_name, c.channel_id, ''), 80)::varchar(80) as channel,
    left(coalesce(b.channel_name, ''), 80)::varchar(80) as dstchannel,
    (case when b.leg_id is not null then 'Dial' when c.driver = 'agi' then 'AGI' else 'Stasis' end)::varchar(80)
        as lastapp,
    left(coalesce(b.number, c.flow), 80)::varchar(80) as lastdata,
    floor(extract(epoch from c.ended_at - c.started_at))::bigint as duration,
    coalesce(floor(extract(epoch from c.ended_at - c.answered_at)), 0)::bigint as billsec,
    (case when c.answered_at is not null then 'ANSWERED'
          when c.cause = 17 then 'BUSY'
          when c.disposition = 'failed' then 'FAILED'
          else 'NO ANSWER' end)::varchar(45) as disposition,
    3::bigint as amaflags,
    left(c.tariff_class, 20)::varchar(20) as accountcode,
    left(coalesce(c.channel_id, c.call_id::text), 150)::varchar(150) as uniqueid,
    left(c.disposition, 255)::varchar(255) as userfield,
    left(coalesce(c.channel_id, c.call_id::text), 150)::varchar(150) as linkedid,
    0::bigint as sequence,
    ''::varchar(80) as peeraccount,
    c.call_id
from calls c
left join legs a on a.call_id = c.call_id and a.role = 'caller'
left join lateral (
    select * from legs l
    where l.call_id = c.call_id and l.role <> 'caller'
    order by l.answered_at is null, l.started_at desc, l.leg_id
    limit 1
) b on true
where c.ended_at is not null;
comment on view cdr is
    'Ended calls under the column names and types of Asterisk''s own cdr table, one row per call, for reporting tools '
    'that read it. Asterisk writes a row per pair of channels; here sums over rows are sums over calls.';
comment on column cdr.calldate is 'When the call began.';
comment on column cdr.clid is 'Caller''s name and number.';
comment on column cdr.src is 'Caller''s number.';
comment on column cdr.dst is 'The company''s number that was called.';
comment on column cdr.dcontext is 'The flow the call entered first.';
comment on column cdr.channel is 'The caller''s channel.';
comment on column cdr.dstchannel is 'The channel of the person reached, else of the one dialled last; empty if none.';
comment on column cdr.lastapp is 'Dial when somebody was dialled, else Stasis or AGI.';
comment on column cdr.lastdata is 'The extension dialled, else the flow.';
comment on column cdr.duration is 'Whole seconds from start to end.';
comment on column cdr.billsec is 'Whole seconds from our answer to the end; 0 when we never answered.';
comment on column cdr.disposition is 'ANSWERED when we answered the caller, else BUSY, FAILED or NO ANSWER.';
comment on column cdr.amaflags is 'Always 3, documentation.';
comment on column cdr.accountcode is 'Tariff class of the called number.';
comment on column cdr.uniqueid is 'Asterisk''s unique id of the caller''s channel.';
comment on column cdr.userfield is 'Our disposition: completed, talked, abandoned, limit, failed, lost.';
comment on column cdr.linkedid is 'As uniqueid: one call is one row.';
comment on column cdr.sequence is 'Always 0: one call is one row.';
comment on column cdr.peeraccount is 'Always empty.';
comment on column cdr.call_id is 'The call, to join with the other tables; not a column of Asterisk''s.';

create function ledger_disagreements(from_time timestamptz, to_time timestamptz, tolerance_s integer default 2)
returns table (call_id uuid, uniqueid text, finding text, ours text, asterisks text)
language sql stable
begin atomic
    with ours as (
        select c.call_id, c.channel_id, c.started_at, c.answered_at, c.ended_at,
               -- Asterisk closes its record of a call that FastAGI dialled from at the end of that dial.
               c.driver = 'agi' and exists (
                   select from legs l where l.call_id = c.call_id and l.role <> 'caller') as may_be_longer
        from calls c
        where c.started_at >= from_time and c.started_at < to_time
          and c.ended_at is not null and c.channel_id is not null
    ),
    theirs as (
        -- One channel may have several records (one per person dialled): they begin and end with it as a whole.
        select a.uniqueid,
               -- A call that we answered is BUSY to Asterisk when the person it then dialled was.
               bool_or(a.disposition = 'ANSWERED' or coalesce(a.fields->>'AnswerTime', '') <> '') as answered,
               sum(a.duration_s) as duration_s
        from asterisk_cdr a
        where a.received_at >= from_time
        group by a.uniqueid
    )
    select o.call_id, o.channel_id, 'no record of Asterisk''s', 'ended ' || o.ended_at::text, null::text
    from ours o
    where not exists (select from theirs t where t.uniqueid = o.channel_id)
    union all
    select o.call_id, o.channel_id, 'answered or not',
           case when o.answered_at is null then 'not answered' else 'answered' end,
           case when t.answered then 'answered' else 'not answered' end
    from ours o join theirs t on t.uniqueid = o.channel_id
    where t.answered <> (o.answered_at is not null)
    union all
    select o.call_id, o.channel_id, 'duration',
           round(extract(epoch from o.ended_at - o.started_at))::text, t.duration_s::text
    from ours o join theirs t on t.uniqueid = o.channel_id
    where case when o.may_be_longer then t.duration_s - extract(epoch from o.ended_at - o.started_at)
               else abs(extract(epoch from o.ended_at - o.started_at) - t.duration_s) end > tolerance_s
    union all
    select null::uuid, a.uniqueid, 'no record of ours', null::text,
           a.channel || ' ' || a.disposition || ' ' || a.received_at::text
    from asterisk_cdr a
    where a.received_at >= from_time and a.received_at < to_time
      and not exists (select from calls c where c.channel_id = a.uniqueid)
      and not exists (select from legs l where l.channel_id = a.uniqueid);
end;
comment on function ledger_disagreements(timestamptz, timestamptz, integer) is
    'Where our calls that began in a span of time and Asterisk''s own records do not agree: one row per finding, none '
    'when the ledger agrees. Durations may differ by tolerance_s. Give a span that ended a few seconds ago: '
    'Asterisk''s record of a call arrives after the call.';
