-- What a batch tells of calls, merged into the table by the rules of controller/cdr/fold.py.
-- $1 call_id … one array per column; channel_id null where the batch does not hold the call's start.
insert into calls as c (
    call_id, started_at, answered_at, ended_at, channel_id, called_number, caller_number, caller_name, flow,
    release, start_language, end_language, driver, node, tariff_class, disposition, ended_by, cause, reason)
select * from unnest(
    $1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[], $18::smallint[], $19::text[])
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
