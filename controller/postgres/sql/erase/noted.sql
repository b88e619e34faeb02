-- Note that numbers were erased. $1: their hashes; $2: by whom; $3: from how many calls.
insert into erasures (number_hash, by, calls) select h, $2, $3 from unnest($1::bytea[]) as h
