"""Who gets whom: queues, agents, the waiting line and the matching. Pure: no clock, no I/O."""
