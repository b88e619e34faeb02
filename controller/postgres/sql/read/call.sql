-- One call. $1: its id.
select c.call_id::text, c.started_at, c.answered_at, c.ended_at, c.channel_id, c.called_number, c.caller_number,
       c.caller_name, c.flow, c.release, c.start_language, c.end_language, c.driver, c.node, c.tariff_class,
       c.disposition, c.ended_by, c.cause, c.reason, o.callee_cause, c.visitor
from calls c join call_outcomes o using (call_id)
where c.call_id = $1::uuid
