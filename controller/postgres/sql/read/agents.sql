-- All accounts of agents, by id.
select a.agent, a.name, a.extension, a.languages, a.supervisor, a.enabled,
       (select coalesce(json_object_agg(s.skill, s.grade order by s.skill), '{}') from agent_skills s
        where s.agent = a.agent)::text as skills,
       (select coalesce(json_object_agg(q.queue, q.rank order by q.queue), '{}') from agent_queues q
        where q.agent = a.agent)::text as queues
from agents a
order by a.agent collate "C"
