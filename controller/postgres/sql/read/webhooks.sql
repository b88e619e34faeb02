-- All webhooks, oldest first.
select webhook_id, url, kinds, queue, enabled, created_at, problem from webhooks order by created_at, webhook_id
