"""Who may be called from here, when, why, how often and at what cost; pure. `controller.calls.outbound` asks it."""
