-- Steps that calls have left, one array per column. A step reported again replaces what was told of it before.
insert into call_steps as s (call_id, seq, flow, step, type, entered_at, left_at, exit, digits, detail)
select * from unnest(
    $1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::text[], $9::text[], $10::jsonb[])
on conflict (call_id, seq) do update set
    flow = excluded.flow, step = excluded.step, type = excluded.type, entered_at = excluded.entered_at,
    left_at = excluded.left_at, exit = excluded.exit, digits = excluded.digits, detail = excluded.detail
where (s.flow, s.step, s.type, s.entered_at, s.left_at, s.exit, s.digits, s.detail) is distinct from
      (excluded.flow, excluded.step, excluded.type, excluded.entered_at, excluded.left_at, excluded.exit,
       excluded.digits, excluded.detail)
