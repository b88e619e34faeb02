-- One reservation at a time in the whole centre: two at once would each see the room that only one of them may have.
select pg_advisory_xact_lock(90210470001)
