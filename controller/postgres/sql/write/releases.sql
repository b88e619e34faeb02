-- A version of the centre came into force; the first time stands. $1 release, $2 sources, $3 first_seen.
insert into releases (release, sources, first_seen)
select * from unnest($1::text[], $2::jsonb[], $3::timestamptz[])
on conflict (release) do nothing
