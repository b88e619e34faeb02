-- Write a request down, unless it, or an open one of its number for its queue, is there. $1: its row as JSON.
insert into callback_requests select * from json_populate_record(null::callback_requests, $1::json)
on conflict do nothing
returning *
