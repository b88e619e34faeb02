-- What each queue has done: visits that ended at $1 or later. $2: thresholds that count, a JSON object of
-- [service_level_s, short_abandoned_s] by queue; others count as they were recorded.
select v.queue,
       count(*) as offered,
       count(*) filter (where v.exit = 'connected') as answered,
       count(*) filter (where v.exit = 'abandoned') as abandoned,
       count(*) filter (where v.exit = 'abandoned' and w.wait_s < w.short_s) as short_abandoned,
       count(*) filter (where v.exit = 'connected' and w.wait_s <= w.level_s) as in_level
from queue_visits v,
lateral (
    select extract(epoch from v.exited_at - v.began_at) as wait_s,
           coalesce(($2::json -> v.queue ->> 0)::float8, v.service_level_s, 20) as level_s,
           coalesce(($2::json -> v.queue ->> 1)::float8, v.short_abandoned_s, 5) as short_s
) w
where v.exited_at >= $1 and v.queue is not null and v.exit not in ('full', 'closed', 'moved')
group by v.queue
order by v.queue collate "C"
