-- When a number was erased. $1: its hash.
select erased_at from erasures where number_hash = $1 order by erased_at
