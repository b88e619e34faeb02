-- Where our ledger and Asterisk's do not agree. $1 from, $2 to: calls that began in between; $3 tolerance, seconds.
select call_id::text, uniqueid, finding, ours, asterisks
from ledger_disagreements($1, $2, $3)
order by uniqueid, finding
