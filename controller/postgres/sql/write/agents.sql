-- Create or change accounts of agents, each as a whole. $1: a JSON list of accounts, each agent once.
-- A row that is as it should be is left alone, so that changed_at says when something changed.
with
told as (
    select r.agent, r.name, r.extension, r.supervisor, r.enabled, r.skills, r.queues,
           array(select l from json_array_elements_text(r.languages) with ordinality as e (l, n) order by n) as languages
    from json_to_recordset($1::json) as r (
        agent text, name text, extension text, supervisor boolean, enabled boolean, skills json, queues json,
        languages json)
),
told_skills as (
    select t.agent, s.key as skill, s.value::smallint as grade from told t, json_each_text(t.skills) as s
),
told_queues as (
    select t.agent, q.key as queue, q.value::smallint as rank from told t, json_each_text(t.queues) as q
),
changed_skills as (
    select agent from (
        (select agent, skill, grade from told_skills
         except select agent, skill, grade from agent_skills)
        union all
        (select agent, skill, grade from agent_skills where agent in (select agent from told)
         except select agent, skill, grade from told_skills)
    ) s
),
changed_queues as (
    select agent from (
        (select agent, queue, rank from told_queues
         except select agent, queue, rank from agent_queues)
        union all
        (select agent, queue, rank from agent_queues where agent in (select agent from told)
         except select agent, queue, rank from told_queues)
    ) q
),
put_skills as (
    insert into agent_skills as s (agent, skill, grade)
    select agent, skill, grade from told_skills
    on conflict (agent, skill) do update set grade = excluded.grade where s.grade <> excluded.grade
),
dropped_skills as (
    delete from agent_skills s
    where s.agent in (select agent from told)
      and not exists (select from told_skills t where t.agent = s.agent and t.skill = s.skill)
),
put_queues as (
    insert into agent_queues as q (agent, queue, rank)
    select agent, queue, rank from told_queues
    on conflict (agent, queue) do update set rank = excluded.rank where q.rank <> excluded.rank
),
dropped_queues as (
    delete from agent_queues q
    where q.agent in (select agent from told)
      and not exists (select from told_queues t where t.agent = q.agent and t.queue = q.queue)
)
insert into agents as a (agent, name, extension, languages, supervisor, enabled)
select agent, name, extension, languages, supervisor, enabled from told order by agent
on conflict (agent) do update set
    name = excluded.name, extension = excluded.extension, languages = excluded.languages,
    supervisor = excluded.supervisor, enabled = excluded.enabled, changed_at = now()
where (a.name, a.extension, a.languages, a.supervisor, a.enabled)
        is distinct from (excluded.name, excluded.extension, excluded.languages, excluded.supervisor, excluded.enabled)
   or a.agent in (select agent from changed_skills union all select agent from changed_queues)
