"""AMI as an observer: CDRs, security and registration events, and actions that only read."""
