"""A record store in memory: keeps every entry it is given, can be away, slow, or refuse entries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from controller.cdr.entries import CallEnded, Entry, StateSaved
from controller.cdr.fold import fold_all
from controller.errors import StoreError
from controller.ids import CallId
from controller.ports import Rejection


class MemoryStore:
    """`controller.ports.RecordStore`. `written` is everything that was taken, in order."""

    def __init__(self) -> None:
        self.written: list[Entry] = []
        self.batches: list[int] = []
        self.away = False
        self.hangs = False
        self.refuse: Callable[[Entry], bool] = lambda _: False
        self.attempt = asyncio.Semaphore(0)
        self.foreign: list[StateSaved] = []
        self.over: set[CallId] = set()

    async def write(self, entries: Sequence[Entry]) -> Sequence[Rejection]:
        self.attempt.release()
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise StoreError("the database is away")
        rejections = [Rejection(i, "refused") for i, entry in enumerate(entries) if self.refuse(entry)]
        self.written += [entry for entry in entries if not self.refuse(entry)]
        if entries:
            self.batches.append(len(entries))
        return rejections

    async def live_states(self) -> Sequence[StateSaved]:
        await self.write([])
        calls = fold_all(self.written).calls.values()
        return [call.state for call in calls if call.state is not None] + self.foreign

    async def ended(self, call_ids: Collection[CallId]) -> Collection[CallId]:
        ended = {entry.call_id for entry in self.written if isinstance(entry, CallEnded)} | self.over
        return ended & set(call_ids)
