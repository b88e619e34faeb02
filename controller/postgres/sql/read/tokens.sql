-- The tokens that are not revoked, newest first.
select token_id, name, scopes, agent, expires_at, last_used_at
from api_tokens
where revoked_at is null
order by created_at desc, token_id
