"""Who is due when: one time per name, found in order."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

_SPARE: Final = 64
"""Stale notes that are kept before the heap is made anew."""


class Timers(Generic[Name]):
    """A time or none for each name. Setting costs O(log n); memory stays within twice the names."""

    def __init__(self) -> None:
        self._due: dict[Name, float] = {}
        self._heap: list[tuple[float, int, Name]] = []
        self._count = 0

    def set(self, name: Name, due: float | None) -> None:
        """Note that `name` is due then, in place of what was noted; None: not at all."""
        if self._due.get(name) == due:
            return
        if due is None:
            del self._due[name]
            return
        self._due[name] = due
        self._push(due, name)
        if len(self._heap) > 2 * len(self._due) + _SPARE:
            self._heap = []
            for each, at in self._due.items():
                self._push(at, each)

    def _push(self, due: float, name: Name) -> None:
        self._count += 1  # between equal times the earlier note goes first, and names are never compared
        heapq.heappush(self._heap, (due, self._count, name))

    def next_due(self) -> float | None:
        """Return the earliest time, None when nobody has one."""
        heap = self._heap
        while heap:
            due, _, name = heap[0]
            if self._due.get(name) == due:
                return due
            heapq.heappop(heap)
        return None

    def pop_due(self, now: float) -> Iterator[tuple[float, Name]]:
        """Yield and forget who is due at `now`, earliest first; what is set meanwhile for then or before as well."""
        while (due := self.next_due()) is not None and due <= now:
            name = heapq.heappop(self._heap)[2]
            del self._due[name]
            yield due, name
