-- The last state of running calls, one array per column. An ended call gets none; a state from another node
-- replaces this one only when it is newer.
insert into live_calls as v (call_id, channel_id, driver, release, node, state, saved_at)
select n.*
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::timestamptz[])
     as n (call_id, channel_id, driver, release, node, state, saved_at)
where not exists (select from calls c where c.call_id = n.call_id and c.ended_at is not null)
on conflict (call_id) do update set
    channel_id = excluded.channel_id, driver = excluded.driver, release = excluded.release, node = excluded.node,
    state = excluded.state, saved_at = excluded.saved_at
where v.node = excluded.node or v.saved_at < excluded.saved_at
