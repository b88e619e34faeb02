-- The valid token with this digest; that it was used is noted once a minute. $1: SHA-256.
with
found as (
    select t.token_id, t.name, t.scopes, t.agent, t.expires_at, t.last_used_at
    from api_tokens t left join agents a using (agent)
    where t.sha256 = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
      and (t.agent is null or a.enabled)
),
noted as (
    update api_tokens t set last_used_at = now()
    from found f
    where t.token_id = f.token_id and (f.last_used_at is null or f.last_used_at < now() - interval '1 minute')
)
select token_id, name, scopes, agent, expires_at, last_used_at from found
