"""A call's stay in the queues: waiting, being offered to agents, talking with one."""
