-- Take numbers out of call-backs that are over, with all that their customers said of themselves. $1: numbers.
-- The proof of consent stays without the address; page and campaign stay for the figures, but not what follows a ?.
with
r as (
    update callback_requests
    set number = '', erased_at = now(), customer_name = '', customer_reference = '', customer_reason = '',
        customer_data = '{}', referrer = '', page = split_part(split_part(page, '?', 1), '#', 1), reason = '',
        consent_ip = case when consent_ip is null then null else '' end
    where number = any($1::text[]) and ended_at is not null
    returning request_id
),
d as (
    update webhook_deliveries set body = jsonb_set(body::jsonb, '{data}', '{}')::text
    where kind like 'callback%'
      and (body::jsonb #>> '{data,request_id}') in (select replace(request_id::text, '-', '') from r)
),
k as (
    delete from callback_keys where request_id in (select request_id from r)
),
a as (
    update callback_attempts set number = '' where request_id in (select request_id from r)
)
select request_id from r
