-- One controller at a time says who talks: two that write at once would each see the agent free. Until the commit.
select pg_advisory_xact_lock(hashtext('rappel talks'))
