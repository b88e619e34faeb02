"""The shared rig: real Asterisk, Postgres and SIPp for tests, all on loopback, all without root."""
