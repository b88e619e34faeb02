-- Calls that we made: to whom, and for which request.

alter table calls add column direction text not null default 'inbound';
alter table calls add column request_id uuid;
alter table calls add constraint calls_direction_known check (direction in ('inbound', 'outbound'));
comment on column calls.direction is
    'inbound: a customer called us. outbound: we called the customer; caller_number is the customer''s all the same, '
    'called_number the one of ours that was shown.';
comment on column calls.request_id is 'The call-back request that an outbound call was made for.';
comment on column calls.caller_number is
    'The customer''s number: what the caller showed, empty when withheld; of an outbound call, whom we called.';
comment on column calls.called_number is
    'The company''s number that was called; of an outbound call, the one that was shown.';
create index calls_by_request on calls (request_id) where request_id is not null;

create or replace view cdr as
select
    c.started_at as calldate,
    left(case when c.direction = 'outbound' then c.called_number
              when c.caller_name = '' then c.caller_number
              else '"' || replace(c.caller_name, '"', '') || '" <' || c.caller_number || '>' end, 80)::varchar(80) as clid,
    left(case when c.direction = 'outbound' then c.called_number else c.caller_number end, 80)::varchar(80) as src,
    left(case when c.direction = 'outbound' then c.caller_number else c.called_number end, 80)::varchar(80) as dst,
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
comment on column cdr.src is 'Who called: the customer, or our number of a call that we made.';
comment on column cdr.dst is 'What was called: our number, or the customer''s of a call that we made.';
