-- A new webhook. $1: address; $2: kinds; $3: queue or empty; $4: secret.
insert into webhooks (url, kinds, queue, secret) values ($1, $2, $3, $4)
returning webhook_id, url, kinds, queue, enabled, created_at, problem
