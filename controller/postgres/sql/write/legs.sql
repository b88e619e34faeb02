-- What a batch tells of legs, one array per column; role null where the batch does not hold the leg's start.
insert into legs as l (
    call_id, leg_id, started_at, answered_at, ended_at, channel_id, channel_name, role, number, cause, cause_text,
    ended_by)
select * from unnest(
    $1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::smallint[], $11::text[], $12::text[])
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
