"""The waiting line: one order for all who wait, and those who wait alike together.

**The order** (`order_key`). Who has waited `ELDER_S` goes before all who have not, earliest entry first, whatever the
priorities. Among the others the higher sum of priorities (queue's plus own) goes first, then the earlier *original*
entry, then the entry's id. Live callers and call-backs stand in this one order.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final, NamedTuple

from controller.acd.model import AgentId, Entry, EntryId, Queue
from controller.acd.skills import Demand, demand, reached, waits_in

ELDER_S: Final = 600.0
"""After so much waiting nobody who came later goes first: neither priority nor rank nor language counts any more."""

OrderKey = tuple[int, int, float, EntryId]
"""Elder or not, priority, entry time, id: sorts as the order goes."""


def order_key(entry: Entry, priority: int, elder: bool) -> OrderKey:
    """Return the place of an entry in the order, as a value that sorts; `priority` is the sum."""
    return (
        (0, 0, entry.entered_at.timestamp(), entry.entry)
        if elder
        else (1, -priority, entry.entered_at.timestamp(), entry.entry)
    )


class LaneKey(NamedTuple):
    """What those of one lane have in common: whatever decides who fits them, and their class in the order."""

    elder: bool
    priority: int
    """The sum; 0 for elders."""
    demands: tuple[Demand, ...]
    """One for each queue waited in, the own one first."""
    wishes: tuple[tuple[str, int], ...]
    """The customer's own needs: preferred, where they are no longer demanded."""
    language: str
    sticky: AgentId | None
    hold: bool
    """The time to be kept for the sticky agent is not over."""
    barred: frozenset[AgentId]


class Lane:
    """Those who wait alike, in order. Nobody in a lane can be served while the first of it cannot."""

    __slots__ = ("key", "order")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.order: list[tuple[float, EntryId]] = []


class Waiting:
    """One who waits."""

    __slots__ = ("again_at", "began", "entry", "key", "lane", "ringing", "wait_s")

    def __init__(self, entry: Entry, began: float, wait_s: float) -> None:
        self.entry = entry
        self.began = began
        """The original entry time on the monotonic clock."""
        self.wait_s = wait_s
        self.key: OrderKey | None = None
        self.lane: Lane | None = None
        """None while under offer."""
        self.ringing: dict[AgentId, str] = {}
        """Agents who are offered this one now, and through which queue."""
        self.again_at: dict[AgentId, float] = {}
        """Agents who did not take it, and when it may be offered to them again."""


class Line:
    """All who wait, by queue in their order and by lane."""

    def __init__(self) -> None:
        self.waiting: dict[EntryId, Waiting] = {}
        self._places: dict[str, list[OrderKey]] = {}
        self._lanes: dict[LaneKey, Lane] = {}
        self._in_queue: dict[str, dict[Lane, None]] = {}
        self._for_sticky: dict[AgentId, dict[Lane, None]] = {}
        self.fresh: dict[Lane, None] = {}
        """Lanes to which something new has come since the last match."""

    def place(self, waiting: Waiting, queues: dict[str, Queue], now: float) -> float | None:
        """Put one who waits where they belong now; return when that will change by time alone."""
        entry, began = waiting.entry, waiting.began
        home = queues[entry.queue]
        elder = reached(began, ELDER_S, now)
        waiting.again_at = {agent: at for agent, at in waiting.again_at.items() if at > now}
        key = order_key(entry, home.priority + entry.priority, elder)
        if waiting.key != key:
            self._leave_places(waiting)
            waiting.key = key
            insort(self._places.setdefault(entry.queue, []), key)
        self._leave_lane(waiting)
        if not waiting.ringing:
            self._join(waiting, self._lane_key(waiting, queues, now, elder))
        return self._next_change(waiting, queues, now)

    def remove(self, waiting: Waiting) -> None:
        """Let one go."""
        self._leave_lane(waiting)
        self._leave_places(waiting)
        del self.waiting[waiting.entry.entry]

    def hide(self, waiting: Waiting) -> None:
        """Take one who is under offer out of the matching; the place is kept."""
        self._leave_lane(waiting)

    def position(self, waiting: Waiting) -> int:
        """Return the place in the own queue, from 1."""
        key = waiting.key
        return 0 if key is None else bisect_left(self._places[waiting.entry.queue], key) + 1

    def count(self, queue: str) -> int:
        """Return how many wait in `queue` as their own."""
        return len(self._places.get(queue, ()))

    def ordered(self, queue: str) -> Iterator[Waiting]:
        """Yield who waits in `queue` as their own, first one first."""
        for key in self._places.get(queue, ()):
            yield self.waiting[key[3]]

    def lanes_of(self, queue: str) -> dict[Lane, None]:
        """Return the lanes that may be served through `queue`."""
        return self._in_queue.get(queue, {})

    def stir(self, agent: AgentId) -> None:
        """Look again at those who may have been held for `agent`."""
        self.fresh.update(self._for_sticky.get(agent, {}))

    def _lane_key(self, waiting: Waiting, queues: dict[str, Queue], now: float, elder: bool) -> LaneKey:
        entry, began = waiting.entry, waiting.began
        home = queues[entry.queue]
        return LaneKey(
            elder=elder,
            priority=0 if elder else home.priority + entry.priority,
            demands=tuple(demand(entry, queues[name], began, now) for name in waits_in(entry, queues, began, now)),
            wishes=tuple(sorted(entry.needs.items())),
            language=entry.language,
            sticky=entry.sticky,
            hold=entry.sticky is not None and not reached(began, home.sticky_hold_s, now),
            barred=entry.excluded.union(waiting.again_at) if waiting.again_at else entry.excluded,
        )

    @staticmethod
    def _next_change(waiting: Waiting, queues: dict[str, Queue], now: float) -> float | None:
        entry, began = waiting.entry, waiting.began
        home = queues[entry.queue]
        after = [ELDER_S, *(flow.after_s for flow in home.overflow)]
        if entry.sticky is not None:
            after.append(home.sticky_hold_s)
        for name in (entry.queue, *(flow.queue for flow in home.overflow)):
            if name in queues:
                after.extend(rung.until_s for rung in queues[name].rungs if rung.until_s is not None)
        times = [began + each for each in after if not reached(began, each, now)]
        times.extend(waiting.again_at.values())
        return min(times, default=None)

    def _join(self, waiting: Waiting, key: LaneKey) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
            for asked in key.demands:
                self._in_queue.setdefault(asked.queue, {})[lane] = None
            if key.sticky is not None:
                self._for_sticky.setdefault(key.sticky, {})[lane] = None
        insort(lane.order, (waiting.entry.entered_at.timestamp(), waiting.entry.entry))
        waiting.lane = lane
        self.fresh[lane] = None

    def _leave_lane(self, waiting: Waiting) -> None:
        lane = waiting.lane
        if lane is None:
            return
        waiting.lane = None
        del lane.order[bisect_left(lane.order, (waiting.entry.entered_at.timestamp(), waiting.entry.entry))]
        if lane.order:
            return
        del self._lanes[lane.key]
        self.fresh.pop(lane, None)
        for asked in lane.key.demands:
            del self._in_queue[asked.queue][lane]
        if lane.key.sticky is not None:
            held = self._for_sticky[lane.key.sticky]
            del held[lane]
            if not held:
                del self._for_sticky[lane.key.sticky]

    def _leave_places(self, waiting: Waiting) -> None:
        if waiting.key is None:
            return
        places = self._places[waiting.entry.queue]
        del places[bisect_left(places, waiting.key)]
        waiting.key = None
        if not places:
            del self._places[waiting.entry.queue]
