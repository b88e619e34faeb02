-- Asterisk's own records; the same one received twice stands once. $1: a JSON list of rows.
insert into asterisk_cdr (uniqueid, fingerprint, received_at, fields)
select r.uniqueid, decode(r.fingerprint, 'base64'), r.received_at, r.fields
from json_to_recordset($1::json) as r (uniqueid text, fingerprint text, received_at timestamptz, fields jsonb)
on conflict (uniqueid, fingerprint) do nothing
