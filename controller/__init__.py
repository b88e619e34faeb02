"""Rappel: a web call centre on Asterisk. `controller.app` wires it; docs/architecture.md shows the way of a call."""
