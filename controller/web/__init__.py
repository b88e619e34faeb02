"""The controller's HTTP side: status page, health, metrics, and the client of `http` steps."""
