-- The calls that began last, newest first. $1: how many.
select c.call_id::text, c.started_at, c.answered_at, c.ended_at, c.channel_id, c.called_number, c.caller_number,
       c.caller_name, c.flow, c.release, c.start_language, c.end_language, c.driver, c.node, c.tariff_class,
       c.disposition, c.ended_by, c.cause, c.reason, o.callee_cause, c.visitor
from calls c join call_outcomes o using (call_id)
order by c.started_at desc, c.call_id desc
limit $1
