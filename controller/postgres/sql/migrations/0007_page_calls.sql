-- Calls from web pages: which site, where the visitor came from, what they said of themselves.

alter table calls add column visitor jsonb;
alter table calls add constraint calls_visitor_object check (jsonb_typeof(visitor) = 'object');
comment on column calls.visitor is
    'Of a call from a web page, else null: site, origin (page, campaign, medium, referrer), customer (name, reference, '
    'reason, data), consent. All but the site is what the visitor said: data, never trusted.';
create index calls_from_pages on calls (started_at) where visitor is not null;

create view page_calls as
select
    c.call_id,
    c.started_at,
    c.visitor ->> 'site' as site,
    coalesce(c.visitor #>> '{origin,campaign}', '') as campaign,
    coalesce(c.visitor #>> '{origin,medium}', '') as medium,
    coalesce(c.visitor #>> '{origin,page}', '') as page,
    coalesce(c.visitor #>> '{origin,referrer}', '') as referrer,
    exists (select from talks t where t.call_id = c.call_id) as talked,
    extract(epoch from c.ended_at - c.started_at)::double precision as duration_s
from calls c
where c.visitor is not null;
comment on view page_calls is 'Calls from web pages, for conversion by source.';
comment on column page_calls.call_id is 'The call.';
comment on column page_calls.started_at is 'When it began.';
comment on column page_calls.site is 'The site of centre.yaml whose page it came from.';
comment on column page_calls.campaign is 'What the page named as the campaign; empty for none.';
comment on column page_calls.medium is 'What the page named as the medium; empty for none.';
comment on column page_calls.page is 'The page, without its query.';
comment on column page_calls.referrer is 'The site the visitor came to the page from.';
comment on column page_calls.talked is 'The visitor has talked with an agent.';
comment on column page_calls.duration_s is 'How long the call lasted; null while it runs.';
