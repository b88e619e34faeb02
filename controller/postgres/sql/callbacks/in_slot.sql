-- How many open requests but one have a slot. $1: queue; $2: the slot's beginning; $3: the request that does not count.
select count(*)::integer from callback_requests
where queue = $1 and slot_at = $2 and state in ('scheduled', 'waiting', 'dialling') and request_id <> $3
