-- The request that a key stands for, and whether it was made under it. $1: the key.
select r.*, k.own from callback_keys k join callback_requests r using (request_id)
where k.key = $1 and k.expires_at > now()
