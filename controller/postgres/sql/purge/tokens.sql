-- Tokens that were revoked or had expired before $1. $2: how many at most.
with old as (select token_id from api_tokens where revoked_at < $1 or expires_at < $1 limit $2),
deleted as (delete from api_tokens t using old where t.token_id = old.token_id returning t.token_id)
select count(*) from deleted
