-- Asterisk's own records; the same one received twice stands once. $1 uniqueid, $2 fingerprint, $3 time, $4 fields.
insert into asterisk_cdr (uniqueid, fingerprint, received_at, fields)
select * from unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::jsonb[])
on conflict (uniqueid, fingerprint) do nothing
