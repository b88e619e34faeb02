-- Refusals, newest first. $1: since; $2: how many at most.
select at, purpose, number, code, message, rule, not_before from outbound_calls
where not allowed and at >= $1 order by at desc, outbound_id desc limit $2
