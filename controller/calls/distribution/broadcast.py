"""Fan-out of monitor events: every reader gets all that happens from its first day on, or is ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from controller.calls.desk import MonitorEvent

MAX_LAG = 1000
"""Events a reader may be behind before it is ended."""


class Broadcast:
    """Numbers events and hands them to readers. `publish` never waits; a slow reader costs only itself."""

    def __init__(self) -> None:
        self.seq = 0
        """Of the last event."""
        self.ended_for_lag = 0
        """Readers ended so far because they were too slow."""
        self._readers: set[_Reader] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        """How many read now."""
        return len(self._readers)

    def publish(
        self, at: datetime, kind: str, *, queue: str = "", agent: str = "", call_id: str = "", data: dict[str, Any]
    ) -> None:
        """Tell all readers of one event."""
        self.seq += 1
        if not self._readers:
            return
        event = MonitorEvent(seq=self.seq, at=at, kind=kind, queue=queue, agent=agent, call_id=call_id, data=data)
        lagging = [reader for reader in self._readers if not reader.put(event)]
        for reader in lagging:
            self._readers.discard(reader)
            self.ended_for_lag += 1

    def events(self) -> AsyncIterator[MonitorEvent]:
        """Yield what is published from this call on, until `close`, or until the reader lags too far."""
        reader = _Reader()
        if self._closed:
            reader.end()
        else:
            self._readers.add(reader)
        return self._read(reader)

    def close(self) -> None:
        """End all readers once they have read what is there."""
        self._closed = True
        for reader in self._readers:
            reader.end()
        self._readers.clear()

    async def _read(self, reader: _Reader) -> AsyncIterator[MonitorEvent]:
        # A reader that is never started is not cleaned up here, but ended by its lag.
        try:
            while True:
                event = await reader.get()
                if event is None:
                    return
                yield event
        finally:
            self._readers.discard(reader)


class _Reader:
    """What one reader has not read yet."""

    __slots__ = ("_ended", "_events", "_wake")

    def __init__(self) -> None:
        self._events: deque[MonitorEvent] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, event: MonitorEvent) -> bool:
        """Add an event; False when that is one too many: the reader is ended, and what it has not read dropped."""
        if len(self._events) >= MAX_LAG:
            self._events.clear()
            self.end()
            return False
        self._events.append(event)
        self._wake.set()
        return True

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def get(self) -> MonitorEvent | None:
        while not self._events:
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()
