-- When the next scheduled request falls due.
select min(due_at) from callback_requests where state = 'scheduled'
