-- Give a request other values; it is locked. $1: its whole row as JSON.
update callback_requests r
set queue = n.queue, number = n.number, "when" = n."when", purpose = n.purpose, language = n.language, zone = n.zone,
    entered_at = n.entered_at, due_at = n.due_at, promised_at = n.promised_at, expires_at = n.expires_at,
    slot_at = n.slot_at, slot_s = n.slot_s, first = n.first, agent = n.agent, priority = n.priority, needs = n.needs,
    customer_name = n.customer_name, customer_reference = n.customer_reference,
    customer_reason = n.customer_reason, customer_data = n.customer_data,
    consent_text = n.consent_text, consent_version = n.consent_version, consent_at = n.consent_at,
    consent_ip = n.consent_ip, consent_call_id = n.consent_call_id, state = n.state, reason = n.reason
from json_populate_record(null::callback_requests, $1::json) n
where r.request_id = n.request_id
returning r.*
