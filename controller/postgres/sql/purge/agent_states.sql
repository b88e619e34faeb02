-- States of agents that were over before $1: the one an agent was in at that moment stays. $2: how many at most.
with old as (
    select s.agent, s.since from agent_states s
    where s.since < $1
      and exists (select from agent_states n where n.agent = s.agent and n.since > s.since and n.since <= $1)
    order by s.since
    limit $2
),
deleted as (
    delete from agent_states s using old where s.agent = old.agent and s.since = old.since returning s.agent
)
select count(*) from deleted
