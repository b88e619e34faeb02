-- Take a number off the list, and end the silence after a refusal. $1: hash; $2: purpose, empty: the entry for all
-- purposes; $3: by whom; $4: when; $5: number.
update opt_outs set ended_at = $4, ended_by = $3
where (number_hash = $1 or number = $5) and purpose = $2 and ended_at is null
returning kind
