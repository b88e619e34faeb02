-- One reservation at a time in the whole centre: two at once would each see the room that only one of them may have.
-- A controller that freezes while it holds the lock loses it, and its reservation, after two seconds.
set local idle_in_transaction_session_timeout = '2s';
set local lock_timeout = '4s';
select pg_advisory_xact_lock(90210470001)
