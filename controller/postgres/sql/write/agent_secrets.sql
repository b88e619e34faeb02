-- Secrets of agents' devices. $1: a JSON object of HA1 by agent.
insert into agent_secrets as s (agent, ha1)
select key, value from json_each_text($1::json) order by key
on conflict (agent) do update set ha1 = excluded.ha1, changed_at = now() where s.ha1 <> excluded.ha1
