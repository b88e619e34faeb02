-- Recordings of calls or numbers whose files are there. $1: call ids; $2: numbers.
select recording_id, path from recordings
where erased_at is null and kind is not null and (call_id = any($1::uuid[]) or caller <> '' and caller = any($2::text[]))
order by recording_id
