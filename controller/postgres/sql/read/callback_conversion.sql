-- What became of requests by where they came from. $1 from; $2 to; $3: of one queue, empty for all; $4: how many at most.
select * from callback_conversion($1, $2) where $3::text = '' or queue = $3 limit $4
