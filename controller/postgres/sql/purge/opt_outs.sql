-- Entries that were taken off the list before $1, and refusals that nothing follows from any more. An opt-out that
-- holds is kept for ever. $2: how many at most.
with old as (
    select opt_out_id from opt_outs
    where ended_at < $1 or kind = 'refusal' and at < least($1, now() - interval '62 days')
    limit $2
),
deleted as (delete from opt_outs o using old where o.opt_out_id = old.opt_out_id returning o.opt_out_id)
select count(*) from deleted
