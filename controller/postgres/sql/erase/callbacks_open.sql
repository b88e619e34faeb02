-- Cancel the call-backs of these numbers that nobody is dialling; the ids of those that are being dialled come back.
-- $1: numbers; $2: why.
with cancelled as (
    update callback_requests set state = 'cancelled', ended_at = now(), reason = $2
    where number = any($1::text[]) and state in ('scheduled', 'waiting')
)
select request_id from callback_requests where number = any($1::text[]) and state = 'dialling' order by request_id
