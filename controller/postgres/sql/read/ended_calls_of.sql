-- Calls with these numbers that have ended, locked. $1: numbers.
select c.call_id::text from calls c
where c.ended_at is not null
  and (c.caller_number = any($1::text[])
       or c.call_id in (select l.call_id from legs l where l.number = any($1::text[]) and l.role <> 'caller'))
order by c.call_id
for no key update
