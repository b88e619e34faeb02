-- Note events for the webhooks that want them; one noted before is left alone. To be run once they are locked and
-- what happened is stored: an entry that does not name its queue has that of its visit, offer or conversation.
-- $1: a JSON list of events in their order: event_id, kind, at, call_id, agent, queue, about (visit, offer or talk),
-- number, data.
with
told as (
    select distinct on (r.event_id) r.*
    from rows from (json_to_recordset($1::json) as (
        event_id text, kind text, at text, call_id text, agent text, queue text, about text, number integer,
        data json)) with ordinality as r (event_id, kind, at, call_id, agent, queue, about, number, data, place)
    order by r.event_id, r.place
),
events as (
    select t.event_id, t.kind, t.at, t.call_id, t.agent, t.data, t.place,
           coalesce(
               nullif(t.queue, ''),
               case t.about
                   when 'visit' then (select v.queue from queue_visits v
                                      where v.call_id = t.call_id::uuid and v.visit = t.number)
                   when 'offer' then (select o.queue from offers o
                                      where o.call_id = t.call_id::uuid and o.offer = t.number)
                   when 'talk' then (select k.queue from talks k
                                     where k.call_id = t.call_id::uuid and k.talk = t.number)
                   when 'call' then (select k.queue from talks k
                                     where k.call_id = t.call_id::uuid order by k.talk desc limit 1)
               end,
               '') as queue
    from told t
),
wanted as (
    select w.webhook_id, e.*, w.sequence + row_number() over (partition by w.webhook_id order by e.place) as sequence
    from events e
    join webhooks w on w.enabled
        and (w.queue = '' or w.queue = e.queue)
        and (e.kind = any(w.kinds) or '*' = any(w.kinds) or split_part(e.kind, '.', 1) || '.*' = any(w.kinds))
    where not exists (
        select from webhook_deliveries d where d.webhook_id = w.webhook_id and d.event_id = e.event_id)
),
noted as (
    insert into webhook_deliveries (webhook_id, sequence, event_id, kind, call_id, body)
    select webhook_id, sequence, event_id, kind, call_id,
           json_build_object('seq', sequence, 'id', event_id, 'at', at, 'kind', kind, 'queue', queue, 'agent', agent,
                             'call_id', call_id, 'data', data)::text
    from wanted
    order by webhook_id, sequence
    returning webhook_id
)
update webhooks w set sequence = w.sequence + n.count
from (select webhook_id, count(*) as count from noted group by webhook_id) n
where w.webhook_id = n.webhook_id
