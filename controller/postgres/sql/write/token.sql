-- A new token. $1: SHA-256; $2: name; $3: scopes; $4: agent or null; $5: when it expires or null.
insert into api_tokens (sha256, name, scopes, agent, expires_at) values ($1, $2, $3, $4, $5)
returning token_id, name, scopes, agent, expires_at, last_used_at
