-- Calls outside: who does not want to be called, what was decided about every call, and what was spent.
-- What the rules are: docs/outbound.md.

create table opt_outs (
    opt_out_id  bigint generated always as identity primary key,
    number_hash bytea not null,
    number      text,
    kind        text not null default 'opt_out',
    purpose     text not null default '',
    at          timestamptz not null,
    source      text not null,
    ended_at    timestamptz,
    ended_by    text,
    constraint opt_outs_hash_is_whole check (length(number_hash) = 32),
    constraint opt_outs_kind_known check (kind in ('opt_out', 'refusal')),
    constraint opt_outs_purpose_known check (purpose in ('', 'requested', 'service', 'prospecting', 'internal')),
    constraint opt_outs_end_is_whole check ((ended_at is null) = (ended_by is null))
);
comment on table opt_outs is 'Who does not want to be called. The hash stays when the number is erased.';
comment on column opt_outs.opt_out_id is 'Number of the entry.';
comment on column opt_outs.number_hash is 'HMAC-SHA-256 of the number (E.164) under the installation''s own key.';
comment on column opt_outs.number is 'The number, E.164; null once it was erased.';
comment on column opt_outs.kind is 'opt_out: until it is taken off the list. refusal: said in a conversation; silence for a time.';
comment on column opt_outs.purpose is 'Which calls; empty: all but those the person asks for later.';
comment on column opt_outs.at is 'When it was said; of an opt-out that was said again, the last time.';
comment on column opt_outs.source is 'Where: cli, web, agent:claire.d, flow:rappel …';
comment on column opt_outs.ended_at is 'When it was taken off the list; null while it holds.';
comment on column opt_outs.ended_by is 'Who took it off.';
create unique index opt_outs_one_holds on opt_outs (number_hash, purpose) where kind = 'opt_out' and ended_at is null;
create index opt_outs_by_hash on opt_outs (number_hash, kind, at);
create index opt_outs_by_time on opt_outs (at);
create index opt_outs_by_number on opt_outs (number) where number is not null;

create function tariff_cost(
    talk_s double precision, per_min double precision, connection double precision, step_s double precision,
    least_s double precision
) returns double precision language sql immutable parallel safe
return case
    when talk_s is null or talk_s <= 0 then 0
    else round((connection + per_min * ceil(greatest(talk_s, least_s) / step_s) * step_s / 60)::numeric, 6)::double precision
end;
comment on function tariff_cost(double precision, double precision, double precision, double precision, double precision) is
    'What a call of talk_s seconds costs: Tariff.cost of controller/numbering/tariffs.py.';

create table outbound_calls (
    outbound_id bigint generated always as identity primary key,
    at          timestamptz not null,
    attempt_id  uuid,
    request_id  uuid,
    agent       text not null default '',
    number      text not null default '',
    country     text not null default '',
    kind        text not null default '',
    purpose     text not null,
    caller_id   text not null default '',
    allowed     boolean not null,
    code        text not null default '',
    message     text not null default '',
    rule        text not null default '',
    not_before  timestamptz,
    currency    text not null default '',
    per_min     double precision not null default 0,
    connection  double precision not null default 0,
    step_s      double precision not null default 1,
    least_s     double precision not null default 0,
    reserved    double precision not null default 0,
    dialled     boolean not null default false,
    ended_at    timestamptz,
    talk_s      double precision,
    cost        double precision,
    constraint outbound_calls_purpose_known check (
        purpose in ('requested', 'service', 'prospecting', 'internal')),
    constraint outbound_calls_number_is_e164 check (number = '' or number ~ '^\+[1-9][0-9]{6,14}$'),
    constraint outbound_calls_refusal_has_a_code check (allowed = (code = '')),
    constraint outbound_calls_allowed_has_an_attempt check (allowed = (attempt_id is not null)),
    constraint outbound_calls_dialled_was_allowed check (allowed or not dialled),
    constraint outbound_calls_costs_are_costs check (
        reserved >= 0 and cost >= 0 and talk_s >= 0 and per_min >= 0 and connection >= 0 and step_s > 0 and least_s >= 0),
    constraint outbound_calls_end_is_whole check (
        (ended_at is null) = (talk_s is null) and (ended_at is null) = (cost is null))
);
comment on table outbound_calls is 'What the gate decided: one row per call that was allowed, and one per refusal.';
comment on column outbound_calls.outbound_id is 'Number of the decision.';
comment on column outbound_calls.at is 'When it was decided.';
comment on column outbound_calls.attempt_id is 'Id of the attempt and of its call; null for a refusal.';
comment on column outbound_calls.request_id is 'The call-back request it was for; null for none. Its row may be gone.';
comment on column outbound_calls.agent is 'The agent who asked for the call; empty: none.';
comment on column outbound_calls.number is 'Whom it was to call, E.164; empty where it could not be read, or was erased.';
comment on column outbound_calls.country is 'Country of the number, ISO 3166; empty for none.';
comment on column outbound_calls.kind is 'Kind of the number: fixed, mobile, premium …';
comment on column outbound_calls.purpose is 'requested, service, prospecting or internal.';
comment on column outbound_calls.caller_id is 'The number of ours that was shown.';
comment on column outbound_calls.allowed is 'Whether the call was allowed.';
comment on column outbound_calls.code is 'Why not: see docs/outbound.md; empty when it was.';
comment on column outbound_calls.message is 'Why not, in words.';
comment on column outbound_calls.rule is 'The rule that said no, with its source.';
comment on column outbound_calls.not_before is 'When it may be asked for again; null where that is not known.';
comment on column outbound_calls.currency is 'Currency of the amounts.';
comment on column outbound_calls.per_min is 'Price of a minute when it was decided.';
comment on column outbound_calls.connection is 'Price of the connection.';
comment on column outbound_calls.step_s is 'Seconds that are paid together.';
comment on column outbound_calls.least_s is 'Seconds that are paid at least.';
comment on column outbound_calls.reserved is 'What it was expected to cost: counts until it is known what it has.';
comment on column outbound_calls.dialled is 'Whether it was (or may have been) dialled; false again when Asterisk did not take it.';
comment on column outbound_calls.ended_at is 'When its cost was known; null before.';
comment on column outbound_calls.talk_s is 'How long it lasted from the answer, seconds; 0: nobody answered.';
comment on column outbound_calls.cost is 'What it has cost.';
create unique index outbound_calls_one_an_attempt on outbound_calls (attempt_id) where attempt_id is not null;
create index outbound_calls_by_number on outbound_calls (number, at) where dialled;
create index outbound_calls_by_time on outbound_calls (at);
create index outbound_calls_open on outbound_calls (at) where allowed and ended_at is null;
create index outbound_calls_by_request on outbound_calls (request_id) where request_id is not null;

create table outbound_spent (
    minute timestamptz primary key,
    spent  double precision not null default 0,
    calls  integer not null default 0
);
comment on table outbound_spent is
    'What calls outside have cost by the minute they were allowed in, so that a ceiling is a sum of few rows. Kept by a '
    'trigger; a call that is not settled counts what it has reserved.';
comment on column outbound_spent.minute is 'Beginning of the minute.';
comment on column outbound_spent.spent is 'What the calls of this minute cost.';
comment on column outbound_spent.calls is 'How many were dialled.';

create function outbound_spend() returns trigger language plpgsql as $$
declare
    more double precision := 0;
    dials integer := 0;
begin
    if tg_op <> 'INSERT' and old.dialled then
        more := - coalesce(old.cost, old.reserved);
        dials := -1;
    end if;
    if new.dialled then
        more := more + coalesce(new.cost, new.reserved);
        dials := dials + 1;
    end if;
    if more <> 0 or dials <> 0 then
        insert into outbound_spent as s (minute, spent, calls) values (date_trunc('minute', new.at), more, dials)
        on conflict (minute) do update set spent = s.spent + excluded.spent, calls = s.calls + excluded.calls;
    end if;
    return null;
end;
$$;
comment on function outbound_spend() is 'Keeps outbound_spent in step with outbound_calls.';
create trigger outbound_calls_spend after insert or update of dialled, cost, reserved on outbound_calls
    for each row execute function outbound_spend();

-- Reports -----------------------------------------------------------------------------------------------------------

create view outbound_costs as
select
    o.outbound_id,
    o.attempt_id,
    o.at,
    o.request_id,
    o.agent,
    o.number,
    o.country,
    o.kind,
    o.purpose,
    o.caller_id,
    o.currency,
    coalesce(r.source, case when o.agent <> '' then 'agent' else 'api' end) as source,
    coalesce(r.campaign, '') as campaign,
    coalesce(r.queue, '') as queue,
    t.settled,
    t.talk_s,
    case when t.settled
         then coalesce(o.cost, tariff_cost(t.talk_s, o.per_min, o.connection, o.step_s, o.least_s))
         else greatest(o.reserved, tariff_cost(t.talk_s, o.per_min, o.connection, o.step_s, o.least_s))
    end as cost
from outbound_calls o
left join calls c on c.call_id = o.attempt_id
left join callback_requests r on r.request_id = o.request_id
cross join lateral (
    select
        o.ended_at is not null or c.ended_at is not null as settled,
        coalesce(o.talk_s, greatest(0, extract(epoch from coalesce(c.ended_at, now()) - c.started_at)), 0
        )::double precision as talk_s
) t
where o.dialled;
comment on view outbound_costs is
    'What each call outside has cost, from the record of its call where nobody settled it; while it runs, what it has '
    'reserved or has cost up to now, whichever is more.';
comment on column outbound_costs.outbound_id is 'Number of the decision.';
comment on column outbound_costs.attempt_id is 'Id of the attempt and of its call.';
comment on column outbound_costs.at is 'When it was allowed.';
comment on column outbound_costs.request_id is 'The call-back request it was for.';
comment on column outbound_costs.agent is 'The agent who asked for it.';
comment on column outbound_costs.number is 'Whom it called.';
comment on column outbound_costs.country is 'Country of the number.';
comment on column outbound_costs.kind is 'Kind of the number.';
comment on column outbound_costs.purpose is 'Why it was made.';
comment on column outbound_costs.caller_id is 'The number of ours that was shown.';
comment on column outbound_costs.currency is 'Currency of the cost.';
comment on column outbound_costs.source is 'Where the request came from: web, svi, queue, api or agent.';
comment on column outbound_costs.campaign is 'The campaign that had brought the visitor.';
comment on column outbound_costs.queue is 'The queue whose agents called.';
comment on column outbound_costs.settled is 'Whether the cost is final.';
comment on column outbound_costs.talk_s is 'How long it lasted from the answer, seconds.';
comment on column outbound_costs.cost is 'What it has cost, or may.';

create view outbound_days as
select
    date_trunc('day', at at time zone 'UTC')::date as day,
    caller_id, country, kind, purpose, source, campaign, queue, currency,
    count(*)::integer as calls,
    (count(*) filter (where talk_s > 0))::integer as answered,
    coalesce(sum(talk_s), 0)::double precision as talk_s,
    coalesce(sum(cost), 0)::double precision as cost
from outbound_costs
group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
comment on view outbound_days is 'Calls outside and their cost by day (UTC), number shown, destination, purpose and source.';
comment on column outbound_days.day is 'The day, UTC.';
comment on column outbound_days.caller_id is 'The number of ours that was shown.';
comment on column outbound_days.country is 'Country of the numbers called.';
comment on column outbound_days.kind is 'Kind of the numbers called.';
comment on column outbound_days.purpose is 'Why they were called.';
comment on column outbound_days.source is 'Where the requests came from.';
comment on column outbound_days.campaign is 'The campaign.';
comment on column outbound_days.queue is 'The queue whose agents called.';
comment on column outbound_days.currency is 'Currency of the cost.';
comment on column outbound_days.calls is 'Calls that were dialled.';
comment on column outbound_days.answered is 'Those that were answered.';
comment on column outbound_days.talk_s is 'Seconds from their answers to their ends.';
comment on column outbound_days.cost is 'What they have cost.';
