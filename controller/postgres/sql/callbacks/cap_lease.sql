-- A right that lasts longer than any may was taken before the database's clock was set back: its time counts from now,
-- else nobody would dial until the clock is where it was. $1: the most seconds that a right lasts.
update callback_lease set until = clock_timestamp() + make_interval(secs => $1)
where until > clock_timestamp() + make_interval(secs => $1)
returning token
