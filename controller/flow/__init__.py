"""The flow language, pure: read, check, compile, run. No I/O, no clock, no random."""
