-- Take the right to dial, or keep it; no row when another one has it. $1: node; $2: token that is held, 0 for none;
-- $3: seconds; $4: token that a process held which is known to have ended, and whose successor this is, 0 for none.
insert into callback_lease as l (node, token, until)
values ($1, 1, clock_timestamp() + make_interval(secs => $3))
on conflict (only_row) do update
set node = $1, until = excluded.until, token = case when l.token = $2 and $2 > 0 then l.token else l.token + 1 end
where l.token = $2 and $2 > 0 or l.token = $4 and $4 > 0 or l.until <= clock_timestamp()
returning token
