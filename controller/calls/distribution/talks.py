"""Conversations: those in progress, and by which queue who talked with whom lately. Bounded."""

from __future__ import annotations

from datetime import datetime

from controller.acd.model import AgentId
from controller.calls.desk import TalkView
from controller.calls.distribution.matcher import Deliver
from controller.calls.distribution.recent import RecentTalks

_REMEMBERED = 5000


class Talks:
    """The conversations of one controller."""

    def __init__(self) -> None:
        self.running: dict[str, tuple[TalkView, Deliver]] = {}
        """By call, oldest first."""
        self.recent = RecentTalks()
        self._queues: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self.running)

    def note(self, view: TalkView | None, call_id: str, deliver: Deliver, now: datetime) -> None:
        """A conversation is as `view` says; None: it is over."""
        before = self.running.get(call_id)
        if before is not None and (view is None or view.agent != before[0].agent):
            old = before[0]
            self.recent.remember(old.number, old.queue, old.agent, now)
        if view is None:
            self.running.pop(call_id, None)
            return
        self.running[call_id] = (view, deliver)
        self._queues[call_id, view.agent] = view.queue
        while len(self._queues) > _REMEMBERED:
            del self._queues[next(iter(self._queues))]

    def queue_of(self, call_id: str, agent: AgentId) -> str | None:
        """Return the queue by which the agent talked in a call; None if that was not lately."""
        return self._queues.get((call_id, agent))
