-- Take deliveries that are due, for a time: nobody else gets them before it is over. $1: how many at most; $2: seconds.
with due as (
    select d.delivery_id
    from webhook_deliveries d
    where d.status = 'pending' and d.next_try_at <= now()
      and exists (select from webhooks w where w.webhook_id = d.webhook_id and w.enabled)
    order by d.next_try_at, d.delivery_id
    limit $1
    for update skip locked
),
taken as (
    update webhook_deliveries d
    set attempts = d.attempts + 1, next_try_at = now() + make_interval(secs => $2)
    from due
    where d.delivery_id = due.delivery_id
    returning d.delivery_id, d.webhook_id, d.event_id, d.body, d.attempts
)
select t.delivery_id, w.url, w.secret, t.event_id, t.body, t.attempts
from taken t join webhooks w using (webhook_id)
order by t.delivery_id
