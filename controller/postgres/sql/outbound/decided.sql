-- Write a decision down. An attempt that was allowed before stays as it was: its reservation stands once.
insert into outbound_calls (
    at, attempt_id, request_id, agent, number, country, kind, purpose, caller_id, allowed, code, message, rule,
    not_before, currency, per_min, connection, step_s, least_s, reserved, dialled)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $10)
on conflict (attempt_id) where attempt_id is not null do update
set dialled = true, ended_at = null, talk_s = null, cost = null, at = excluded.at
where not outbound_calls.dialled
