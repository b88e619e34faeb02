-- Figures of called numbers. $1 from; $2 to; $3 interval; $4 zone; $5: of one alone, empty for all; $6: how many rows at most.
select * from number_figures($1, $2, $3, $4) where $5::text = '' or called_number = $5 limit $6
