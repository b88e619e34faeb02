-- $1: hash; $2: number; $3: purpose, empty for all; $4: when; $5: source.
insert into opt_outs (number_hash, number, kind, purpose, at, source) values ($1, $2, 'opt_out', $3, $4, $5)
on conflict (number_hash, purpose) where kind = 'opt_out' and ended_at is null
do update set at = greatest(opt_outs.at, excluded.at), number = excluded.number, source = excluded.source
