-- The newest call one of whose channels has this id. $1: Asterisk's unique id of the channel.
select c.call_id::text
from calls c
where c.channel_id = $1 or c.call_id in (select l.call_id from legs l where l.channel_id = $1)
order by c.started_at desc
limit 1
