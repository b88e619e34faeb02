-- Note how far an attempt has come. $1: attempt id; $2: state; $3: when; $4: cost, null when it is not told.
-- News may come late or not at all: a time that is known stays, and a state implies those before it, but the ringing.
update callback_attempts
set state = case when array_position(array['claimed', 'dialled', 'ringing', 'answered', 'connected'], $2::text)
                      > array_position(array['claimed', 'dialled', 'ringing', 'answered', 'connected'], state)
                 then $2 else state end,
    dialled_at = coalesce(dialled_at, case when $2 <> 'claimed' then $3::timestamptz end),
    ringing_at = coalesce(ringing_at, case when $2 = 'ringing' then $3 end),
    answered_at = coalesce(answered_at, case when $2 in ('answered', 'connected') then $3 end),
    connected_at = coalesce(connected_at, case when $2 = 'connected' then $3 end),
    cost = coalesce($4::double precision, cost)
where attempt_id = $1 and state <> 'ended'
