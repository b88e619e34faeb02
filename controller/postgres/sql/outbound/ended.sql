-- What a call has cost, once. $1: attempt; $2: when; $3: seconds from the answer; $4: cost. A later word that it lasted
-- longer wins over an earlier one.
update outbound_calls set ended_at = $2, talk_s = $3, cost = $4
where attempt_id = $1 and allowed and (ended_at is null or talk_s < $3)
