-- Figures of call-backs. $1 from; $2 to; $3 interval; $4 zone; $5: of one queue, empty for all; $6: how many at most.
select * from callback_figures($1, $2, $3, $4) where $5::text = '' or queue = $5 limit $6
