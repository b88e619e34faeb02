-- Call-backs: who asked to be called, every dial that was made for them, and which controller may dial.
-- What the states mean and which follow each other: docs/callbacks.md. Here they are enforced, so that no mistake of
-- a controller, nor a statement by hand, dials somebody twice or loses them.

create function callback_state_may_follow(was text, becomes text) returns boolean language sql immutable parallel safe
return case was
    when 'scheduled' then becomes in ('scheduled', 'waiting', 'cancelled', 'expired', 'refused')
    when 'waiting' then becomes in ('waiting', 'scheduled', 'dialling', 'cancelled', 'expired', 'refused')
    when 'dialling' then
        becomes in ('dialling', 'scheduled', 'waiting', 'done', 'failed', 'refused', 'cancelled', 'expired')
    else becomes = was end;
comment on function callback_state_may_follow(text, text) is
    'Whether a request may go from one state to the other; the table of controller/callback/transitions.py.';

create table callback_requests (
    request_id         uuid primary key,
    queue              text not null,
    number             text not null,
    "when"             text not null,
    source             text not null,
    purpose            text not null,
    language           text not null,
    zone               text not null,
    created_at         timestamptz not null,
    entered_at         timestamptz not null,
    due_at             timestamptz not null,
    promised_at        timestamptz,
    expires_at         timestamptz not null,
    slot_at            timestamptz,
    slot_s             double precision not null default 0,
    first              text not null,
    agent              text,
    priority           smallint not null default 0,
    needs              jsonb not null default '{}',
    customer_name      text not null default '',
    customer_reference text not null default '',
    customer_reason    text not null default '',
    customer_data      jsonb not null default '{}',
    page               text not null default '',
    campaign           text not null default '',
    medium             text not null default '',
    referrer           text not null default '',
    consent_text       text,
    consent_version    text,
    consent_at         timestamptz,
    consent_ip         text,
    consent_call_id    text,
    call_id            text not null default '',
    state              text not null,
    fence              bigint not null default 0,
    tries              smallint not null default 0,
    outcome            text,
    ended_at           timestamptz,
    reason             text not null default '',
    erased_at          timestamptz,
    constraint callback_requests_queue_is_named check (queue <> ''),
    constraint callback_requests_number_is_e164 check (
        number ~ '^\+[1-9][0-9]{1,14}$' or number = '' and erased_at is not null),
    constraint callback_requests_when_known check ("when" in ('now', 'asap', 'slot')),
    constraint callback_requests_source_known check (source in ('web', 'svi', 'queue', 'api', 'agent')),
    constraint callback_requests_purpose_known check (
        purpose in ('requested', 'service', 'prospecting', 'internal')),
    constraint callback_requests_first_known check (first in ('customer', 'agent')),
    constraint callback_requests_state_known check (state in (
        'scheduled', 'waiting', 'dialling', 'done', 'failed', 'refused', 'cancelled', 'expired')),
    constraint callback_requests_outcome_known check (outcome in (
        'talked', 'busy', 'no_answer', 'unreachable', 'voicemail', 'refused', 'failed', 'blocked', 'no_agent', 'left',
        'cancelled', 'declined', 'rescheduled', 'lost')),
    constraint callback_requests_slot_is_whole check (("when" = 'slot') = (slot_at is not null)),
    constraint callback_requests_consent_is_whole check (
        (consent_text is null) = (consent_version is null) and (consent_text is null) = (consent_at is null)
        and (consent_text is null) = (consent_ip is null) and (consent_text is null) = (consent_call_id is null)),
    constraint callback_requests_end_is_whole check (
        (state in ('scheduled', 'waiting', 'dialling')) = (ended_at is null)),
    constraint callback_requests_nobody_again_after_a_talk check (outcome <> 'talked' or state = 'done'),
    constraint callback_requests_done_is_talked check (state <> 'done' or outcome is not distinct from 'talked'),
    constraint callback_requests_counts_from_zero check (fence >= 0 and tries >= 0 and tries <= fence),
    constraint callback_requests_erased_when_over check (erased_at is null or ended_at is not null)
);
comment on table callback_requests is 'One row per wish to be called. Times are never compared by a constraint: clocks jump.';
comment on column callback_requests.request_id is 'Id of the request; also the name of its place in the waiting line.';
comment on column callback_requests.queue is 'The queue whose agents call.';
comment on column callback_requests.number is 'The customer''s number, E.164 with plus sign; empty once it was erased.';
comment on column callback_requests."when" is
    'When the customer wants to be called: now, asap (as soon as an agent frees) or slot (from slot_at on).';
comment on column callback_requests.source is 'Where it came from: web, svi, queue (key pressed while waiting), api, agent.';
comment on column callback_requests.purpose is
    'Why the customer is called: requested, service, prospecting or internal; decides which rules apply.';
comment on column callback_requests.language is 'The customer''s language.';
comment on column callback_requests.zone is 'The customer''s IANA time zone: slots are told in it.';
comment on column callback_requests.created_at is 'When it was asked for.';
comment on column callback_requests.entered_at is
    'The original entry time, which is the place in the line; of a slot, its beginning.';
comment on column callback_requests.due_at is 'Not to be called before: a slot, or the next try.';
comment on column callback_requests.promised_at is 'Until when the customer was told to be called; null: nothing was told.';
comment on column callback_requests.expires_at is 'When it is given up.';
comment on column callback_requests.slot_at is 'Beginning of the booked slot.';
comment on column callback_requests.slot_s is 'Length of the slot, seconds.';
comment on column callback_requests.first is 'Who is called first: customer or agent.';
comment on column callback_requests.agent is 'The agent who shall call, when it shall be a certain one.';
comment on column callback_requests.priority is 'Added to the queue''s priority.';
comment on column callback_requests.needs is 'Least grade by skill that the customer needs besides the queue''s, as JSON.';
comment on column callback_requests.customer_name is 'What the customer gave as a name. Anybody may write anything.';
comment on column callback_requests.customer_reference is 'The customer''s contract, order or case, as they wrote it.';
comment on column callback_requests.customer_reason is 'Why the customer wants to talk, in their words.';
comment on column callback_requests.customer_data is 'What else the form asked for, texts by name, as JSON.';
comment on column callback_requests.page is 'The page on which it was asked for.';
comment on column callback_requests.campaign is 'The campaign that had brought the visitor.';
comment on column callback_requests.medium is 'How it had: mail, banner, search …';
comment on column callback_requests.referrer is 'The page before.';
comment on column callback_requests.consent_text is 'What was shown or said when the customer agreed to be called.';
comment on column callback_requests.consent_version is 'Which version of that text.';
comment on column callback_requests.consent_at is 'When the customer agreed.';
comment on column callback_requests.consent_ip is 'From which IP address; empty by telephone, and once it was erased.';
comment on column callback_requests.consent_call_id is 'In which call, for requests by telephone.';
comment on column callback_requests.call_id is 'The call in which it was asked for; empty for none.';
comment on column callback_requests.state is
    'scheduled (not before due_at), waiting (has its place in the line), dialling (an attempt is not over); and final: '
    'done (customer and agent talked), failed (no tries left), refused (the rules never allow it), cancelled, expired.';
comment on column callback_requests.fence is 'Number of the last claim: an attempt of an older one does nothing any more.';
comment on column callback_requests.tries is 'Ended attempts in which the customer''s telephone was called.';
comment on column callback_requests.outcome is 'Outcome of the last attempt that ended; see callback_attempts.';
comment on column callback_requests.ended_at is 'When it came to its final state.';
comment on column callback_requests.reason is 'Why it ended or waits, in words.';
comment on column callback_requests.erased_at is 'When number and customer were erased from it.';

-- One open request of a number for a queue, whatever the web form, the SVI and the API do at the same time.
create unique index callback_requests_one_open on callback_requests (number, queue)
    where state in ('scheduled', 'waiting', 'dialling');
-- The line: elders by entry, the others by priority and entry (controller/acd/line.py).
create index callback_requests_elders on callback_requests (queue, entered_at, request_id) where state = 'waiting';
create index callback_requests_line on callback_requests (queue, priority desc, entered_at, request_id)
    where state = 'waiting';
create index callback_requests_due on callback_requests (due_at) where state = 'scheduled';
create index callback_requests_expiring on callback_requests (expires_at) where state in ('scheduled', 'waiting');
create index callback_requests_booked on callback_requests (queue, slot_at)
    where slot_at is not null and state in ('scheduled', 'waiting', 'dialling');
create index callback_requests_by_number on callback_requests (number, created_at);
create index callback_requests_by_time on callback_requests (created_at, request_id);
create index callback_requests_by_end on callback_requests (ended_at) where ended_at is not null;

create function callback_request_refused() returns trigger language plpgsql as $$
begin
    raise exception using
        errcode = 'integrity_constraint_violation',
        constraint = 'callback_requests_go_forward',
        message = format('a call-back cannot go from %s (claim %s) to %s (claim %s)',
                         old.state, old.fence, new.state, new.fence);
end;
$$;
comment on function callback_request_refused() is 'Refuses a change of a request that would let it go back.';
create trigger callback_requests_go_forward before update of state, fence on callback_requests
    for each row when (
        not callback_state_may_follow(old.state, new.state)
        or new.fence <> old.fence + (case when new.state = 'dialling' and old.state = 'waiting' then 1 else 0 end))
    execute function callback_request_refused();

create table callback_attempts (
    attempt_id   uuid primary key,
    request_id   uuid not null references callback_requests on delete cascade,
    fence        bigint not null,
    token        bigint not null,
    number       text not null,
    caller_id    text not null,
    agent        text not null,
    node         text not null,
    claimed_at   timestamptz not null,
    state        text not null,
    dialled_at   timestamptz,
    ringing_at   timestamptz,
    answered_at  timestamptz,
    connected_at timestamptz,
    ended_at     timestamptz,
    outcome      text,
    cause        smallint not null default 0,
    cost         double precision not null default 0,
    constraint callback_attempts_one_a_claim unique (request_id, fence),
    constraint callback_attempts_state_known check (
        state in ('claimed', 'dialled', 'ringing', 'answered', 'connected', 'ended')),
    constraint callback_attempts_outcome_known check (outcome in (
        'talked', 'busy', 'no_answer', 'unreachable', 'voicemail', 'refused', 'failed', 'blocked', 'no_agent', 'left',
        'cancelled', 'declined', 'rescheduled', 'lost')),
    constraint callback_attempts_cause_is_q850 check (cause between 0 and 127),
    constraint callback_attempts_end_is_whole check (
        (state = 'ended') = (ended_at is not null) and (state = 'ended') = (outcome is not null)),
    constraint callback_attempts_fence_counts_from_one check (fence >= 1)
);
comment on table callback_attempts is 'One row per dial for a request, written before it is dialled.';
comment on column callback_attempts.attempt_id is 'Id of the attempt, of the customer''s channel and of the call.';
comment on column callback_attempts.request_id is 'The request it is made for.';
comment on column callback_attempts.fence is 'Which claim of the request this is, from 1.';
comment on column callback_attempts.token is 'The right to dial under which it was claimed; see callback_lease.';
comment on column callback_attempts.number is 'The number that is dialled; empty once it was erased.';
comment on column callback_attempts.caller_id is 'The number that is shown to the customer.';
comment on column callback_attempts.agent is 'The agent who is reserved for it.';
comment on column callback_attempts.node is 'The controller that claimed it.';
comment on column callback_attempts.claimed_at is 'When.';
comment on column callback_attempts.state is
    'claimed (written down, perhaps not dialled), dialled (Asterisk has taken it), ringing, answered, connected '
    '(talks with an agent), ended. It never goes back.';
comment on column callback_attempts.dialled_at is 'When Asterisk had taken it.';
comment on column callback_attempts.ringing_at is 'When the telephone rang; null when that was not told.';
comment on column callback_attempts.answered_at is 'When somebody, or a machine, answered.';
comment on column callback_attempts.connected_at is 'When customer and agent talked.';
comment on column callback_attempts.ended_at is 'When it was over.';
comment on column callback_attempts.outcome is
    'talked, busy, no_answer, unreachable, voicemail (a machine, or nobody pressed the key), refused (rejected), failed, '
    'blocked (the rules, now; not dialled), no_agent (not dialled), left (accepted, and hung up before an agent was '
    'there), cancelled, declined (wants no call any more), rescheduled, lost (nobody saw how it ended).';
comment on column callback_attempts.cause is 'Q.850 cause of the customer''s channel; 0 when unknown.';
comment on column callback_attempts.cost is 'What it cost, in the centre''s currency, as far as it was told.';

create unique index callback_attempts_one_live on callback_attempts (request_id) where state <> 'ended';
create index callback_attempts_in_flight on callback_attempts (claimed_at) where state <> 'ended';

create function callback_attempt_refused() returns trigger language plpgsql as $$
begin
    raise exception using
        errcode = 'integrity_constraint_violation',
        constraint = 'callback_attempts_go_forward',
        message = format('an attempt cannot go from %s to %s', old.state, new.state);
end;
$$;
comment on function callback_attempt_refused() is 'Refuses a change of an attempt that would let it go back.';
create trigger callback_attempts_go_forward before update of state on callback_attempts
    for each row when (
        old.state = 'ended'
        or array_position(array['claimed', 'dialled', 'ringing', 'answered', 'connected', 'ended'], new.state)
           < array_position(array['claimed', 'dialled', 'ringing', 'answered', 'connected', 'ended'], old.state))
    execute function callback_attempt_refused();

create table callback_keys (
    key        text primary key,
    request_id uuid not null references callback_requests on delete cascade,
    own        boolean not null,
    expires_at timestamptz not null,
    constraint callback_keys_are_short check (length(key) between 1 and 300)
);
comment on table callback_keys is 'Keys under which requests were sent: the same key again brings the same request back.';
comment on column callback_keys.key is 'The key, with whose it is.';
comment on column callback_keys.request_id is 'The request it stands for.';
comment on column callback_keys.own is
    'Whether that request was made under it; false: somebody had asked for the number before, perhaps somebody else.';
comment on column callback_keys.expires_at is 'From when on it stands for nothing.';
create index callback_keys_by_request on callback_keys (request_id);
create index callback_keys_by_expiry on callback_keys (expires_at);

create table callback_lease (
    only_row boolean primary key default true,
    node     text not null,
    token    bigint not null,
    until    timestamptz not null,
    constraint callback_lease_is_one check (only_row)
);
comment on table callback_lease is 'The one right to dial call-backs: a claim without it is refused.';
comment on column callback_lease.only_row is 'Always true: there is one row.';
comment on column callback_lease.node is 'The controller that has it; empty when it was given back.';
comment on column callback_lease.token is 'Grows with every new holder.';
comment on column callback_lease.until is 'By this database''s clock: until when it is held without being renewed.';
insert into callback_lease (node, token, until) values ('', 0, '-infinity');
