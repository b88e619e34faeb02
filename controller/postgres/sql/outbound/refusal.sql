-- $1: hash; $2: number; $3: purpose; $4: when; $5: source.
insert into opt_outs (number_hash, number, kind, purpose, at, source) values ($1, $2, 'refusal', $3, $4, $5)
