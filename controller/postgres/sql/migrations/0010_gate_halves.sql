-- A call outside passes the dialplan's gate as Local/<attempt>@rappel-outbound, of which Asterisk keeps two records: ;2 is
-- the half that dials, ;1 the half that is the call as soon as somebody answers. So ;2 never is a call of ours, and ;1
-- only of those that were answered. Neither is missing in our record when the attempt is in our books. A dial of which
-- our books know nothing is told, and so is an answer without a call.

create function gate_half(uniqueid text, channel text) returns table (attempt_id uuid, half text)
language sql immutable parallel safe
begin atomic
    select f.parts[1]::uuid, coalesce(f.parts[2], '1')
    from (select regexp_match(uniqueid, '^([0-9a-f]{32})(?:;([12]))?$') as parts) f
    where f.parts is not null and channel like 'Local/%@rappel-outbound-%';
end;
comment on function gate_half(text, text) is
    'The attempt that a channel of the dialplan''s gate belongs to, and which half of it: 1 (the call), 2 (the dial). '
    'No row: it is no such channel.';

create or replace function ledger_disagreements(from_time timestamptz, to_time timestamptz, tolerance_s integer default 2)
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
      and not exists (select from legs l where l.channel_id = a.uniqueid)
      and not exists (
          select from gate_half(a.uniqueid, a.channel) g
          where (g.half = '2' or a.disposition <> 'ANSWERED')
            and (exists (select from callback_attempts t where t.attempt_id = g.attempt_id)
                 or exists (select from outbound_calls o where o.attempt_id = g.attempt_id)));
end;
