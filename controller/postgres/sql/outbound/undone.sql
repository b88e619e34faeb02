-- Nothing was dialled: neither its cost nor the call counts. $1: attempt; $2: when.
update outbound_calls set dialled = false, ended_at = $2, talk_s = 0, cost = 0 where attempt_id = $1 and allowed
