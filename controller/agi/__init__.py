"""FastAGI: `agi://host/flow` runs a flow over a connection that Asterisk opens per call."""
