-- Conversations whose end was not seen end, as lost, when the same agent's next one begins. To be run before that one
-- is inserted. $1: a JSON object with talks, as for distribution.sql.
with
begun as (
    -- the first start of a conversation stands
    select coalesce(t.agent, r.agent) as agent, coalesce(t.started_at, r.started_at) as started_at, r.call_id, r.talk
    from json_to_recordset($1::json -> 'talks') as r (agent text, started_at timestamptz, call_id uuid, talk integer)
    left join talks t on t.call_id = r.call_id and t.talk = r.talk
    where r.agent is not null
),
later as (
    select t.call_id, t.talk, min(b.started_at) as at
    from talks t
    join begun b on b.agent = t.agent
        and (b.started_at, b.call_id, b.talk) > (t.started_at, t.call_id, t.talk)
    where t.ended_at is null or t.how = 'lost'
    group by t.call_id, t.talk
)
update talks t set ended_at = l.at, ended_by = 'system', how = 'lost'
from later l
where t.call_id = l.call_id and t.talk = l.talk and (t.ended_at is null or t.ended_at > l.at)
