-- The last state of every call that has not ended, on any node.
select v.call_id::text, v.saved_at, v.channel_id, v.driver, v.release, v.node, v.state
from live_calls v join calls c using (call_id)
where c.ended_at is null
order by v.call_id
