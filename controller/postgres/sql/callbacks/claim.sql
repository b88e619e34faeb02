-- Write an attempt and make its request dialling, if it waits and the right to dial holds; one transaction.
-- $1: attempt id; $2: request id; $3: caller id; $4: agent; $5: node; $6: when; $7: token of the right to dial.
-- The right's row stays locked until the commit: another holder comes before the claim, and it fails, or after it.
-- A claim whose fate was unknown may be sent again: it finds the attempt it had written.
with
lease as (
    select from callback_lease where token = $7 and until > clock_timestamp() for share
),
request as (
    update callback_requests set state = 'dialling', fence = fence + 1
    where request_id = $2 and state = 'waiting' and expires_at > $6 and exists (select from lease)
    returning request_id, fence, number
),
attempt as (
    insert into callback_attempts (
        attempt_id, request_id, fence, token, number, caller_id, agent, node, claimed_at, state)
    select $1, request_id, fence, $7, number, $3, $4, $5, $6, 'claimed' from request
    returning *
)
select * from attempt
union all
select * from callback_attempts
where attempt_id = $1 and request_id = $2 and token = $7 and state = 'claimed' and exists (select from lease)
