"""Whether somebody can answer a call from a page, read off a queue as boards see it."""

from __future__ import annotations

from controller.calls.callback.desk import Availability
from controller.calls.desk import Desk, QueueView

NOW_WITHIN_S = 120.0
"""A longer wait is better spent elsewhere: the page offers to call back."""


def of_queue(desk: Desk, queue: str) -> Availability | None:
    """Return how `queue` is for calls from pages; None: no such queue."""
    view = next((view for view in desk.queues() if view.queue == queue), None)
    return None if view is None else _availability(view)


def _availability(view: QueueView) -> Availability:
    staffed = view.agents_logged_in > 0
    soon = view.estimate_s is not None and view.estimate_s <= NOW_WITHIN_S
    return Availability(
        queue=view.queue,
        open=view.open,
        staffed=staffed,
        free_agents=view.agents_free,
        waiting=view.waiting,
        estimate_s=view.estimate_s,
        now=view.open and staffed and (soon or view.agents_free > view.waiting),
        opens_at=None,
    )
