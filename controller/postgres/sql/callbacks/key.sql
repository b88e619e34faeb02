-- Let a key stand for a request, unless it stands for one. $1: the key; $2: request id; $3: made under it; $4: seconds.
insert into callback_keys as k (key, request_id, own, expires_at)
values ($1, $2, $3, now() + make_interval(secs => $4))
on conflict (key) do update
set request_id = excluded.request_id, own = excluded.own, expires_at = excluded.expires_at
where k.expires_at <= now()
returning k.key
