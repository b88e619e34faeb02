"""The journal: entries of the record, durable on this machine first, in Postgres soon after."""
