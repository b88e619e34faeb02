"""Who talked with whom last: what stickiness goes by. Bounded; the oldest talks are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from controller.acd.model import AgentId
from controller.ports import LastTalk

MAX_REMEMBERED = 50_000


class RecentTalks:
    """The last talk of each number in each queue."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._talks: OrderedDict[tuple[str, str], tuple[AgentId, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._talks)

    def remember(self, number: str, queue: str, agent: AgentId, at: datetime) -> None:
        """Note that `number` talked with `agent` in `queue` until `at`. An anonymous number is not remembered."""
        if not number:
            return
        key = number, queue
        known = self._talks.get(key)
        if known is not None and known[1] > at:
            return
        self._talks[key] = agent, at
        self._talks.move_to_end(key)
        while len(self._talks) > self._limit:
            self._talks.popitem(last=False)

    def load(self, talks: Iterable[LastTalk]) -> None:
        """Add talks of the record, in any order; what is known to be newer stays."""
        for talk in sorted(talks, key=lambda each: each.ended_at):
            self.remember(talk.number, talk.queue, AgentId(talk.agent), talk.ended_at)

    def last(self, number: str, queue: str, *, since: datetime) -> AgentId | None:
        """Return whom `number` talked with last in `queue`, if that was not before `since`."""
        known = self._talks.get((number, queue))
        return known[0] if known is not None and known[1] >= since else None
