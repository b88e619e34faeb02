-- Empty the events about calls; that there was one stays, so that no gap shows. $1: call ids.
update webhook_deliveries set body = jsonb_set(body::jsonb, '{data}', '{}')::text where call_id = any($1::text[])
