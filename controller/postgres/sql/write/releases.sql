-- Versions of the centre that came into force; the first time stands. $1: a JSON list of rows.
insert into releases (release, sources, first_seen)
select r.* from json_to_recordset($1::json) as r (release text, sources jsonb, first_seen timestamptz)
on conflict (release) do nothing
