-- Agents and what distribution leaves: visits to queues, offers, conversations, recordings; tokens and webhooks.
--
-- Of a thing with a beginning and an end either may be missing (a lost journal, a killed controller): what is known
-- stands. What belongs to a call goes with the call; recordings do not, because their files have to be erased first.

alter table legs drop constraint legs_role_known;
alter table legs add constraint legs_role_known check (
    role in ('caller', 'extension', 'agent', 'supervisor', 'transfer'));
comment on column legs.role is
    'Whom the leg connects: caller, extension, agent, supervisor (listens, whispers or barges in) or transfer (a '
    'number the call was transferred to); null where its start was not seen.';

-- A supervisor who listens is nobody the caller was connected to.
create or replace view call_outcomes as
select
    c.call_id,
    c.started_at,
    c.called_number,
    c.caller_number,
    coalesce(nullif(c.end_language, ''), c.start_language) as language,
    c.disposition,
    c.ended_by,
    c.cause as caller_cause,
    d.cause as callee_cause,
    d.cause_text as callee_cause_text,
    d.number as dialled_number,
    d.ended_by as dialled_leg_ended_by,
    extract(epoch from c.ended_at - c.started_at)::numeric(12, 3) as duration_s,
    extract(epoch from c.ended_at - c.answered_at)::numeric(12, 3) as answered_s,
    extract(epoch from d.ended_at - d.answered_at)::numeric(12, 3) as talk_s
from calls c
left join lateral (
    select * from legs l
    where l.call_id = c.call_id and l.role not in ('caller', 'supervisor') and l.cause is not null
    order by l.started_at desc, l.leg_id desc
    limit 1
) d on true;

create or replace view cdr as
select
    c.started_at as calldate,
    left(case when c.caller_name = '' then c.caller_number
              else '"' || replace(c.caller_name, '"', '') || '" <' || c.caller_number || '>' end, 80)::varchar(80) as clid,
    left(c.caller_number, 80)::varchar(80) as src,
    left(c.called_number, 80)::varchar(80) as dst,
    left(c.flow, 80)::varchar(80) as dcontext,
    left(coalesce(a.channel_name, c.channel_id, ''), 80)::varchar(80) as channel,
    left(coalesce(b.channel_name, ''), 80)::varchar(80) as dstchannel,
    (case when b.leg_id is not null then 'Dial' when c.driver = 'agi' then 'AGI' else 'Stasis' end)::varchar(80)
        as lastapp,
    left(coalesce(b.number, c.flow), 80)::varchar(80) as lastdata,
    floor(extract(epoch from c.ended_at - c.started_at))::bigint as duration,
    coalesce(floor(extract(epoch from c.ended_at - c.answered_at)), 0)::bigint as billsec,
    (case when c.answered_at is not null then 'ANSWERED'
          when c.cause = 17 then 'BUSY'
          when c.disposition = 'failed' then 'FAILED'
          else 'NO ANSWER' end)::varchar(45) as disposition,
    3::bigint as amaflags,
    left(c.tariff_class, 20)::varchar(20) as accountcode,
    left(coalesce(c.channel_id, c.call_id::text), 150)::varchar(150) as uniqueid,
    left(c.disposition, 255)::varchar(255) as userfield,
    left(coalesce(c.channel_id, c.call_id::text), 150)::varchar(150) as linkedid,
    0::bigint as sequence,
    ''::varchar(80) as peeraccount,
    c.call_id
from calls c
left join legs a on a.call_id = c.call_id and a.role = 'caller'
left join lateral (
    select * from legs l
    where l.call_id = c.call_id and l.role not in ('caller', 'supervisor')
    order by l.answered_at is null, l.started_at desc, l.leg_id
    limit 1
) b on true
where c.ended_at is not null;

-- Accounts --------------------------------------------------------------------------------------------------------

create table agents (
    agent      text primary key,
    name       text not null,
    extension  text not null,
    languages  text[] not null default '{}',
    supervisor boolean not null default false,
    enabled    boolean not null default true,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    constraint agents_extension_taken unique (extension) deferrable initially immediate,
    constraint agents_id_is_short check (agent ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    constraint agents_extension_can_be_dialled check (extension ~ '^[0-9a-z][0-9a-z_-]{0,39}$'),
    constraint agents_name_is_told check (name <> '' and length(name) <= 200)
);
comment on table agents is
    'Accounts of the agents. What an agent is doing now is derived from live channels and not kept here.';
comment on column agents.agent is 'The agent''s short name, chosen once and never changed; records name it for ever.';
comment on column agents.name is 'The name colleagues see.';
comment on column agents.extension is 'What colleagues dial; also user name and endpoint of the agent''s SIP device.';
comment on column agents.languages is 'Languages the agent speaks, as codes: fr, en.';
comment on column agents.supervisor is 'Whether the agent may listen, whisper and barge, and see the board.';
comment on column agents.enabled is 'Whether the agent may log in; the device of one who may not is taken out of Asterisk.';
comment on column agents.created_at is 'When the account was made.';
comment on column agents.changed_at is 'When anything of the account was changed last.';

create table agent_skills (
    agent text not null references agents on delete cascade,
    skill text not null,
    grade smallint not null,
    primary key (agent, skill),
    constraint agent_skills_grade_is_one_to_five check (grade between 1 and 5),
    constraint agent_skills_skill_is_named check (skill <> '')
);
comment on table agent_skills is 'What each agent can do, graded.';
comment on column agent_skills.agent is 'The agent.';
comment on column agent_skills.skill is 'The skill, as queues and flows name it.';
comment on column agent_skills.grade is 'How well, from 1 to 5.';

create table agent_queues (
    agent text not null references agents on delete cascade,
    queue text not null,
    rank  smallint not null,
    primary key (agent, queue),
    constraint agent_queues_rank_counts_from_one check (rank >= 1),
    constraint agent_queues_queue_is_named check (queue <> '')
);
comment on table agent_queues is 'Which queues each agent serves.';
comment on column agent_queues.agent is 'The agent.';
comment on column agent_queues.queue is 'The queue, as the centre''s files name it.';
comment on column agent_queues.rank is
    'Agents of rank 1 are offered first; those of a higher number only when none of a lower one fits.';
create index agent_queues_by_queue on agent_queues (queue, rank);

create table agent_secrets (
    agent      text primary key references agents on delete cascade,
    ha1        text not null,
    changed_at timestamptz not null default now(),
    constraint agent_secrets_ha1_is_md5 check (ha1 ~ '^[0-9a-f]{32}$')
);
comment on table agent_secrets is
    'What the agents'' devices log in with. Whoever reads this table can log in as any of them: grant it to nobody else.';
comment on column agent_secrets.agent is 'The agent.';
comment on column agent_secrets.ha1 is 'MD5 of user:realm:password (A1 of RFC 7616); the password itself is kept nowhere.';
comment on column agent_secrets.changed_at is 'When the password was made.';

create function agents_changed() returns trigger language plpgsql as $$
begin
    -- Equal notifications of one transaction arrive once: an import of a thousand agents wakes a controller once.
    notify rappel_agents;
    return null;
end
$$;
comment on function agents_changed() is 'Tells the controllers that listen that accounts have changed.';
create trigger agents_changed after insert or update or delete or truncate on agents
    for each statement execute function agents_changed();
create trigger agents_changed after insert or update or delete or truncate on agent_skills
    for each statement execute function agents_changed();
create trigger agents_changed after insert or update or delete or truncate on agent_queues
    for each statement execute function agents_changed();
create trigger agents_changed after insert or update or delete or truncate on agent_secrets
    for each statement execute function agents_changed();

-- What distribution leaves ----------------------------------------------------------------------------------------

create table agent_states (
    agent         text not null,
    since         timestamptz not null,
    state         text not null,
    presence      text not null,
    reason        text not null default '',
    planned_until timestamptz,
    queue         text not null default '',
    call_id       text not null default '',
    by            text not null default '',
    primary key (agent, since),
    constraint agent_states_state_known check (state in (
        'logged_out', 'unreachable', 'paused', 'free', 'offered', 'talking', 'wrap_up', 'busy')),
    constraint agent_states_presence_known check (presence in ('logged_out', 'ready', 'paused'))
);
comment on table agent_states is
    'Every change of an agent''s state. A state lasts until the agent''s next one: see agent_spans.';
comment on column agent_states.agent is 'The agent; the account may be gone since.';
comment on column agent_states.since is 'When the state began.';
comment on column agent_states.state is
    'logged_out, unreachable (no device is registered), paused, free, offered (a call rings), talking, wrap_up, or '
    'busy (the device is in a conversation that is not ours).';
comment on column agent_states.presence is 'What the agent means to do: logged_out, ready or paused.';
comment on column agent_states.reason is 'Of a pause: the agent''s word for it, or missed.';
comment on column agent_states.planned_until is 'When a pause or a wrap-up was to end by itself.';
comment on column agent_states.queue is 'The queue an offer, a conversation or a wrap-up belongs to.';
comment on column agent_states.call_id is 'The call it belongs to; empty for none.';
comment on column agent_states.by is 'Who did it: the agent, a supervisor, or rule.';
create index agent_states_by_time on agent_states (since);
create index agent_states_wrap_ups on agent_states (since) where state = 'wrap_up';

create view agent_spans as
select s.agent, s.since, n.since as until, s.state, s.presence, s.reason, s.planned_until, s.queue, s.call_id, s.by
from agent_states s
left join lateral (
    select since from agent_states n where n.agent = s.agent and n.since > s.since order by n.since limit 1
) n on true;
comment on view agent_spans is 'What each agent did from when to when.';
comment on column agent_spans.agent is 'The agent.';
comment on column agent_spans.since is 'When the state began.';
comment on column agent_spans.until is 'When the next one began; null for the last one known.';
comment on column agent_spans.state is 'The state; see agent_states.';
comment on column agent_spans.presence is 'What the agent meant to do.';
comment on column agent_spans.reason is 'Of a pause: why.';
comment on column agent_spans.planned_until is 'When a pause or a wrap-up was to end by itself.';
comment on column agent_spans.queue is 'The queue it belongs to.';
comment on column agent_spans.call_id is 'The call it belongs to; empty for none.';
comment on column agent_spans.by is 'Who did it.';

create table queue_visits (
    call_id           uuid not null references calls on delete cascade,
    visit             integer not null,
    queue             text,
    began_at          timestamptz,
    entered_at        timestamptz,
    priority          smallint not null default 0,
    needs             jsonb not null default '{}',
    position          integer not null default 0,
    estimate_s        double precision,
    from_agent        text not null default '',
    service_level_s   double precision,
    short_abandoned_s double precision,
    exited_at         timestamptz,
    exit              text,
    agent             text not null default '',
    primary key (call_id, visit),
    constraint queue_visits_counted_from_one check (visit >= 1),
    constraint queue_visits_exit_known check (exit in (
        'connected', 'abandoned', 'timeout', 'full', 'closed', 'no_agents', 'callback', 'message', 'moved', 'failed')),
    constraint queue_visits_entry_is_whole check (
        (began_at is null) = (queue is null) and (began_at is null) = (entered_at is null)),
    constraint queue_visits_exit_is_whole check ((exited_at is null) = (exit is null))
);
comment on table queue_visits is
    'One row per stay of a customer in the queues; an escalation or a transfer to a queue begins the next one.';
comment on column queue_visits.call_id is 'The call.';
comment on column queue_visits.visit is 'Number of the visit in the call, from 1.';
comment on column queue_visits.queue is 'The queue entered; null where the entry was not seen.';
comment on column queue_visits.began_at is 'When this wait began; null where the entry was not seen.';
comment on column queue_visits.entered_at is
    'Original entry time that decides the place; earlier than began_at when the customer had waited or talked before.';
comment on column queue_visits.priority is 'Priority the flow gave, added to the queue''s.';
comment on column queue_visits.needs is 'Skills this customer needed besides the queue''s: least grade by skill.';
comment on column queue_visits.position is 'Place in the queue at the entry, from 1; 0 when it was not told.';
comment on column queue_visits.estimate_s is 'How long the wait would take, as estimated at the entry; null: not known.';
comment on column queue_visits.from_agent is 'The agent who sent the customer here; empty for the flow.';
comment on column queue_visits.service_level_s is
    'Threshold of the service level at that time, seconds; null where it was not told (reports take 20).';
comment on column queue_visits.short_abandoned_s is
    'Below which wait an abandonment was short at that time, seconds; null where it was not told (reports take 5).';
comment on column queue_visits.exited_at is 'When the wait was over; null while it lasts, or where that was not seen.';
comment on column queue_visits.exit is
    'How: connected, abandoned (the customer left), timeout, full, closed, no_agents, callback (asked to be called '
    'back), message (left one), moved (to another queue), failed.';
comment on column queue_visits.agent is 'The agent the customer was connected to; empty for none.';
create index queue_visits_by_queue on queue_visits (queue, began_at);
create index queue_visits_by_time on queue_visits (began_at);
create index queue_visits_by_end on queue_visits (exited_at);
create index queue_visits_waiting on queue_visits (queue) where exited_at is null;

create table offers (
    call_id  uuid not null references calls on delete cascade,
    offer    integer not null,
    visit    integer,
    agent    text,
    queue    text not null default '',
    made_at  timestamptz,
    ended_at timestamptz,
    outcome  text,
    primary key (call_id, offer),
    constraint offers_counted_from_one check (offer >= 1 and visit >= 1),
    constraint offers_outcome_known check (outcome in (
        'connected', 'no_answer', 'busy', 'declined', 'unreachable', 'not_accepted', 'elsewhere', 'customer_left',
        'withdrawn', 'failed')),
    constraint offers_start_is_whole check (
        (made_at is null) = (agent is null) and (made_at is null) = (visit is null)),
    constraint offers_end_is_whole check ((ended_at is null) = (outcome is null))
);
comment on table offers is 'One row per ring of one agent.';
comment on column offers.call_id is 'The call offered.';
comment on column offers.offer is 'Number of the offer in the call, from 1.';
comment on column offers.visit is 'The visit it belongs to; null where the start of the offer was not seen.';
comment on column offers.agent is 'Whose phone rang; null where the start of the offer was not seen.';
comment on column offers.queue is 'The queue it was made for.';
comment on column offers.made_at is 'When the phone was about to ring.';
comment on column offers.ended_at is 'When it was over; null while it rings.';
comment on column offers.outcome is
    'connected, no_answer, busy, declined, unreachable, not_accepted (answered without the accept key), elsewhere '
    '(somebody else was first), customer_left, withdrawn, failed.';
create index offers_by_agent on offers (agent, made_at);
create index offers_by_time on offers (made_at);

create table talks (
    call_id    uuid not null references calls on delete cascade,
    talk       integer not null,
    visit      integer not null default 0,
    agent      text,
    queue      text not null default '',
    started_at timestamptz,
    ended_at   timestamptz,
    ended_by   text,
    hold_s     double precision not null default 0,
    how        text,
    primary key (call_id, talk),
    constraint talks_counted_from_one check (talk >= 1 and visit >= 0),
    constraint talks_ended_by_known check (ended_by in ('caller', 'callee', 'flow', 'system')),
    constraint talks_how_known check (how in (
        'hangup', 'transfer_blind', 'transfer_attended', 'escalated', 'parked', 'failed', 'lost')),
    constraint talks_hold_is_a_time check (hold_s >= 0),
    constraint talks_start_is_whole check ((started_at is null) = (agent is null)),
    constraint talks_end_is_whole check (
        (ended_at is null) = (ended_by is null) and (ended_at is null) = (how is null))
);
comment on table talks is 'One row per conversation of an agent with a customer.';
comment on column talks.call_id is 'The call.';
comment on column talks.talk is 'Number of the conversation in the call, from 1.';
comment on column talks.visit is 'The visit to a queue that led to it; 0 for none.';
comment on column talks.agent is 'The agent; null where the start was not seen.';
comment on column talks.queue is 'The queue.';
comment on column talks.started_at is 'When agent and customer heard each other.';
comment on column talks.ended_at is 'When the agent was out of it; null while it lasts.';
comment on column talks.ended_by is 'Who ended it: caller, callee (the agent), flow or system.';
comment on column talks.hold_s is 'Seconds the customer was on hold in it.';
comment on column talks.how is
    'hangup, transfer_blind, transfer_attended, escalated, parked, failed; lost where the end was not seen: such a '
    'talk ends when the agent''s next one begins.';
create unique index talks_one_open_an_agent on talks (agent) where ended_at is null;
create index talks_by_agent on talks (agent, started_at);
create index talks_by_queue on talks (queue, started_at);
create index talks_by_time on talks (started_at);
create index talks_by_end on talks (ended_at);

create table talk_events (
    call_id uuid not null references calls on delete cascade,
    seq     integer not null,
    at      timestamptz not null,
    kind    text not null,
    agent   text not null default '',
    detail  jsonb not null default '{}',
    primary key (call_id, seq),
    constraint talk_events_counted_from_one check (seq >= 1),
    constraint talk_events_kind_is_a_word check (kind ~ '^[a-z][a-z_]*$')
);
comment on table talk_events is 'What was done in conversations: hold, consultation, transfer, supervision …';
comment on column talk_events.call_id is 'The call.';
comment on column talk_events.seq is 'Number of the event in the call, from 1.';
comment on column talk_events.at is 'When.';
comment on column talk_events.kind is
    'hold, unhold, consult, consult_ended, three_way, transfer_blind, transfer_attended, park, unpark, escalate, '
    'listen, whisper, barge, supervision_ended, record_paused, record_resumed.';
comment on column talk_events.agent is 'Who did it.';
comment on column talk_events.detail is 'More, by kind, as JSON.';

create table dispositions (
    call_id uuid not null references calls on delete cascade,
    agent   text not null,
    at      timestamptz not null,
    code    text not null,
    note    text not null default '',
    primary key (call_id, agent)
);
comment on table dispositions is 'What agents said became of a call; the last word of each agent.';
comment on column dispositions.call_id is 'The call.';
comment on column dispositions.agent is 'Who said it.';
comment on column dispositions.at is 'When.';
comment on column dispositions.code is 'One of the codes of the queue.';
comment on column dispositions.note is 'In the agent''s words.';
create index dispositions_by_code on dispositions (code, at);

create table recordings (
    recording_id text primary key,
    call_id      uuid,
    kind         text,
    kept_at      timestamptz,
    queue        text not null default '',
    path         text,
    sha256       bytea,
    bytes        bigint,
    duration_s   double precision,
    keep_until   timestamptz,
    agent        text not null default '',
    caller       text not null default '',
    erased_at    timestamptz,
    erased_by    text,
    constraint recordings_kind_known check (kind in ('conversation', 'message')),
    constraint recordings_sha256_is_whole check (length(sha256) = 32),
    constraint recordings_size_is_a_size check (bytes >= 0 and duration_s >= 0),
    constraint recordings_path_stays_inside check (path not like '/%' and '/' || path || '/' not like '%/../%'),
    constraint recordings_start_is_whole check (
        num_nulls(kind, kept_at, path, sha256, bytes, duration_s, keep_until) in (0, 7)),
    constraint recordings_erasure_is_whole check ((erased_at is null) = (erased_by is null))
);
comment on table recordings is
    'Recordings in the store: conversations on announced queues, and voice messages. The row outlives the file.';
comment on column recordings.recording_id is 'Id of the recording.';
comment on column recordings.call_id is 'The call; its own row may be gone since.';
comment on column recordings.kind is 'conversation or message; null where only the erasure was seen.';
comment on column recordings.kept_at is 'When it was in the store.';
comment on column recordings.queue is 'The queue of the conversation, or whose mailbox the message is in.';
comment on column recordings.path is 'The file, relative to the folder of recordings.';
comment on column recordings.sha256 is 'Checksum of the file.';
comment on column recordings.bytes is 'Size of the file.';
comment on column recordings.duration_s is 'How long it lasts, seconds.';
comment on column recordings.keep_until is 'When its file is to be erased.';
comment on column recordings.agent is 'The agent who talks in it; empty for a message.';
comment on column recordings.caller is 'The caller''s number.';
comment on column recordings.erased_at is 'When the file was erased; null while it is there.';
comment on column recordings.erased_by is 'Who erased it: rule, or whoever asked.';
create index recordings_due on recordings (keep_until) where erased_at is null;
create index recordings_kept on recordings (kind, kept_at) where erased_at is null;
create index recordings_by_call on recordings (call_id);
create index recordings_by_caller on recordings (caller) where caller <> '';

create table messages (
    recording_id text primary key references recordings on delete cascade,
    heard_at     timestamptz,
    heard_by     text,
    constraint messages_heard_is_whole check ((heard_at is null) = (heard_by is null))
);
comment on table messages is 'Voice messages of the queues'' mailboxes: new until somebody has heard them.';
comment on column messages.recording_id is 'The recording.';
comment on column messages.heard_at is 'When it was first heard; null while it is new.';
comment on column messages.heard_by is 'By whom.';
create index messages_new on messages (recording_id) where heard_at is null;

create table recording_access (
    access_id    bigint generated always as identity primary key,
    recording_id text not null references recordings on delete cascade,
    at           timestamptz not null default now(),
    by           text not null,
    how          text not null,
    constraint recording_access_how_known check (how in ('listened', 'downloaded')),
    constraint recording_access_by_somebody check (by <> '')
);
comment on table recording_access is 'Who listened to which recording, and when.';
comment on column recording_access.access_id is 'Number of the access.';
comment on column recording_access.recording_id is 'The recording.';
comment on column recording_access.at is 'When.';
comment on column recording_access.by is 'Who: an agent, or a token of the API.';
comment on column recording_access.how is 'listened (by phone) or downloaded.';
create index recording_access_by_recording on recording_access (recording_id, at);

create table erasures (
    number_hash bytea not null,
    erased_at   timestamptz not null default now(),
    by          text not null,
    calls       integer not null,
    primary key (number_hash, erased_at),
    constraint erasures_hash_is_whole check (length(number_hash) = 32)
);
comment on table erasures is
    'Numbers whose owner asked to be erased: a keyed hash only, enough to recognise the number when it is asked for.';
comment on column erasures.number_hash is 'HMAC-SHA-256 of the number under the installation''s own key.';
comment on column erasures.erased_at is 'When.';
comment on column erasures.by is 'Who did it.';
comment on column erasures.calls is 'From how many calls the number was taken out.';

-- API ---------------------------------------------------------------------------------------------------------------

create table api_tokens (
    token_id     text primary key default left(replace(gen_random_uuid()::text, '-', ''), 12),
    name         text not null,
    sha256       bytea not null,
    scopes       text[] not null,
    agent        text references agents on delete cascade,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_tokens_known_once unique (sha256),
    constraint api_tokens_sha256_is_whole check (length(sha256) = 32),
    constraint api_tokens_name_is_told check (name <> '' and length(name) <= 200)
);
comment on table api_tokens is 'Who may use the API, and for what.';
comment on column api_tokens.token_id is 'Public id of the token, shown in lists.';
comment on column api_tokens.name is 'What it is for; told in the record of who did what.';
comment on column api_tokens.sha256 is
    'SHA-256 of the token: 256 random bits cannot be guessed from it; the token itself is kept nowhere.';
comment on column api_tokens.scopes is 'What it allows.';
comment on column api_tokens.agent is 'The agent it acts for alone; null: it is nobody''s. It goes with the account.';
comment on column api_tokens.created_at is 'When it was made.';
comment on column api_tokens.expires_at is 'From when on it is void; null: never.';
comment on column api_tokens.last_used_at is 'When it was used last, to about a minute.';
comment on column api_tokens.revoked_at is 'When it was revoked; null while it is valid.';
create index api_tokens_by_agent on api_tokens (agent) where agent is not null;

create table webhooks (
    webhook_id text primary key default left(replace(gen_random_uuid()::text, '-', ''), 12),
    url        text not null,
    secret     text not null,
    kinds      text[] not null,
    queue      text not null default '',
    enabled    boolean not null default true,
    sequence   bigint not null default 0,
    created_at timestamptz not null default now(),
    problem    text not null default '',
    constraint webhooks_url_is_http check (url ~ '^https?://[^[:space:]]+$' and length(url) <= 2000),
    constraint webhooks_secret_is_long check (length(secret) >= 32),
    constraint webhooks_want_something check (cardinality(kinds) >= 1)
);
comment on table webhooks is 'Where events are sent.';
comment on column webhooks.webhook_id is 'Id of the webhook.';
comment on column webhooks.url is 'Address the events are posted to.';
comment on column webhooks.secret is
    'Key of the signature; the receiver has it too, so it cannot be hashed. Grant this table to nobody else.';
comment on column webhooks.kinds is 'Names of events, talk.* for all that begin so, or *.';
comment on column webhooks.queue is 'Only events of this queue; empty: of all, and those of no queue.';
comment on column webhooks.enabled is 'Whether events are noted for it and sent.';
comment on column webhooks.sequence is 'Sequence number of its last event: grows by one for each, so that a gap shows.';
comment on column webhooks.created_at is 'When it was made.';
comment on column webhooks.problem is 'Why the last attempt failed; empty when it did not.';

create table webhook_deliveries (
    delivery_id bigint generated always as identity primary key,
    webhook_id  text not null references webhooks on delete cascade,
    sequence    bigint not null,
    event_id    text not null,
    kind        text not null,
    call_id     text not null default '',
    body        text not null,
    created_at  timestamptz not null default now(),
    status      text not null default 'pending',
    attempts    integer not null default 0,
    next_try_at timestamptz not null default now(),
    ended_at    timestamptz,
    error       text not null default '',
    constraint webhook_deliveries_sequence_once unique (webhook_id, sequence),
    constraint webhook_deliveries_event_once unique (webhook_id, event_id),
    constraint webhook_deliveries_status_known check (status in ('pending', 'delivered', 'given_up')),
    constraint webhook_deliveries_end_is_whole check ((status = 'pending') = (ended_at is null)),
    constraint webhook_deliveries_attempts_counted check (attempts >= 0)
);
comment on table webhook_deliveries is
    'Events on their way to webhooks, written in one transaction with the record, and how they arrived.';
comment on column webhook_deliveries.delivery_id is 'Number of the delivery.';
comment on column webhook_deliveries.webhook_id is 'The webhook.';
comment on column webhook_deliveries.sequence is 'Number of the event for this webhook, from 1, without gaps.';
comment on column webhook_deliveries.event_id is 'Id of the event, the same for all webhooks and attempts.';
comment on column webhook_deliveries.kind is 'Kind of the event.';
comment on column webhook_deliveries.call_id is 'The call it is about; empty for none.';
comment on column webhook_deliveries.body is 'What is posted, byte for byte: the signature is over this.';
comment on column webhook_deliveries.created_at is 'When it was noted.';
comment on column webhook_deliveries.status is 'pending, delivered, or given_up after the last attempt.';
comment on column webhook_deliveries.attempts is 'How often it was tried.';
comment on column webhook_deliveries.next_try_at is
    'When it is due; while somebody tries it, when another may take it over.';
comment on column webhook_deliveries.ended_at is 'When it was delivered or given up.';
comment on column webhook_deliveries.error is 'What was wrong with the last attempt.';
create index webhook_deliveries_due on webhook_deliveries (next_try_at) where status = 'pending';
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where status <> 'pending';
create index webhook_deliveries_by_call on webhook_deliveries (call_id) where call_id <> '';
