-- The last talk of each number in each queue. $1: those that ended at this time or later; $2: how many at most.
select number, queue, agent, ended_at
from (
    select distinct on (c.caller_number, t.queue) c.caller_number as number, t.queue, t.agent, t.ended_at
    from talks t join calls c using (call_id)
    where t.ended_at >= $1 and t.agent is not null and c.caller_number <> ''
    order by c.caller_number, t.queue, t.ended_at desc
) l
order by ended_at desc
limit $2
