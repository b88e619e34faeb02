-- Let one after the other book a slot, until the transaction ends. $1: queue; $2: the slot's beginning.
select pg_advisory_xact_lock(hashtextextended('rappel slot ' || $1::text || ' ' || extract(epoch from $2::timestamptz), 0))
