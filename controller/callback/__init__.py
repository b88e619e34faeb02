"""Call-backs: requests, their states, slots, and when to try again; pure. Done by `controller.calls.callback`."""
