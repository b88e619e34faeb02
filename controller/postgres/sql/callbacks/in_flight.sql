-- The attempts that are not over, oldest first.
select * from callback_attempts where state <> 'ended' order by claimed_at, attempt_id
