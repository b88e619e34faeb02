-- How many open requests have which slot. $1: queue; $2: from; $3: to before.
select slot_at, count(*)::integer from callback_requests
where queue = $1 and slot_at >= $2 and slot_at < $3 and state in ('scheduled', 'waiting', 'dialling')
group by slot_at
order by slot_at
