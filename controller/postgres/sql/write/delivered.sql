-- A delivery was taken by the receiver. $1: its number.
with d as (
    update webhook_deliveries set status = 'delivered', ended_at = now(), error = ''
    where delivery_id = $1 and status = 'pending'
    returning webhook_id
)
update webhooks w set problem = '' from d where w.webhook_id = d.webhook_id and w.problem <> ''
