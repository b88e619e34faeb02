"""The embedded stack: gets and runs Asterisk and Postgres on one machine, without root and without Docker."""
