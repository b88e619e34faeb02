-- End an attempt and put its request where it goes on; one transaction. Nothing when it had ended before.
-- $1: attempt id; $2: outcome; $3: Q.850 cause; $4: when; $5: whether it was a try; $6: the request's state;
-- $7: due at, $8: entered at, $9: expires at, null for as before; $10: reason; $11: whether that state is final.
with attempt as (
    update callback_attempts
    set state = 'ended', outcome = $2, cause = $3, ended_at = $4
    where attempt_id = $1 and state <> 'ended'
    returning request_id, fence
)
update callback_requests r
set state = $6, outcome = $2, tries = tries + $5::boolean::integer,
    due_at = coalesce($7, due_at), entered_at = coalesce($8, entered_at), expires_at = coalesce($9, expires_at),
    reason = $10, ended_at = case when $11::boolean then $4::timestamptz end
from attempt a
where r.request_id = a.request_id and r.fence = a.fence and r.state = 'dialling'
returning r.*
