-- An attempt failed. $1: number of the delivery; $2: why; $3: when to try again, null to give up.
with d as (
    update webhook_deliveries
    set status = case when $3::timestamptz is null then 'given_up' else 'pending' end,
        ended_at = case when $3::timestamptz is null then now() end,
        next_try_at = coalesce($3::timestamptz, next_try_at),
        error = $2
    where delivery_id = $1 and status = 'pending'
    returning webhook_id
)
update webhooks w set problem = $2 from d where w.webhook_id = d.webhook_id
