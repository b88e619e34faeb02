-- The list, newest first. $1: hash of the number asked for, or null for all; $2: how many at most; $3: the number.
select number, purpose, kind, at, source from opt_outs
where ended_at is null and ($1::bytea is null or number_hash = $1 or number = $3)
order by at desc, opt_out_id desc limit $2
