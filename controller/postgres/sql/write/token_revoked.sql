-- End a token. $1: its id.
update api_tokens set revoked_at = now() where token_id = $1 and revoked_at is null returning token_id
