-- Secrets of the devices of all agents who may log in, by id.
select s.agent, s.ha1 from agent_secrets s join agents a using (agent) where a.enabled order by s.agent collate "C"
