-- Requests, newest first. $1: states, none for all; $2: queue, '' for all; $3: number, '' for all; $4: asked for since,
-- null for ever; $5: how many at most; $6: the one after which they come, null from the newest on.
select r.* from callback_requests r
where (cardinality($1::text[]) = 0 or r.state = any($1::text[]))
  and ($2::text = '' or r.queue = $2)
  and ($3::text = '' or r.number = $3)
  and ($4::timestamptz is null or r.created_at >= $4)
  and ($6::uuid is null or (r.created_at, r.request_id) < (
        select a.created_at, a.request_id from callback_requests a where a.request_id = $6))
order by r.created_at desc, r.request_id desc
limit $5
