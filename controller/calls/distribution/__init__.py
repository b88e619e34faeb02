"""The asyncio shell around `controller.acd`: who waits, who is free, who is offered what, and who is told."""
