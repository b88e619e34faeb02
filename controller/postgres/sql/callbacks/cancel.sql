-- Cancel a request that is scheduled or waiting. $1: id; $2: reason; $3: when.
update callback_requests set state = 'cancelled', ended_at = $3, reason = $2
where request_id = $1 and state in ('scheduled', 'waiting')
returning *
