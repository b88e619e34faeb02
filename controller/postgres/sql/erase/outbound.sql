-- Take numbers out of decisions and of the list of those who are not called; there the hash stays. $1: numbers.
with d as (update outbound_calls set number = '' where number <> '' and number = any($1::text[]))
update opt_outs set number = null where number = any($1::text[])
