"""Figures over time, by `docs/figures.md`: the SQL functions' rows as structures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from controller.cdr.figures import INTERVALS, AgentFigures, NumberFigures, QueueFigures
from controller.errors import StoreConflict
from controller.postgres.store import PostgresStore

MAX_ROWS = 50_000


T = TypeVar("T")


class PostgresFigures:
    """Asks for figures from `begin` to before `end`, by intervals (`INTERVALS`) of a zone's clock.

    All raise `StoreConflict` for a zone, an interval or a span that cannot be, `StoreError` while Postgres is away.
    """

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def queues(
        self, begin: datetime, end: datetime, *, interval: str = "day", zone: str = "UTC", queue: str = ""
    ) -> Sequence[QueueFigures]:
        """Return figures of all queues, or of one, by queue and then by time; no row where nothing happened."""
        return await self._ask("queue_figures", QueueFigures, begin, end, interval, zone, queue)

    async def agents(
        self, begin: datetime, end: datetime, *, interval: str = "day", zone: str = "UTC", agent: str = ""
    ) -> Sequence[AgentFigures]:
        """Return figures of all agents, or of one."""
        return await self._ask("agent_figures", AgentFigures, begin, end, interval, zone, agent)

    async def numbers(
        self, begin: datetime, end: datetime, *, interval: str = "day", zone: str = "UTC", number: str = ""
    ) -> Sequence[NumberFigures]:
        """Return figures of all called numbers, or of one."""
        return await self._ask("number_figures", NumberFigures, begin, end, interval, zone, number)

    async def _ask(self, name: str, kind: type[T], *values: Any) -> list[T]:
        begin, end, interval, zone, only = values
        if interval not in INTERVALS:
            raise StoreConflict(f"there are no figures by '{interval}': ask by one of {', '.join(INTERVALS)}")
        found = await self._store.change(f"read/{name}", begin, end, INTERVALS[interval], zone, only, MAX_ROWS + 1)
        if len(found) > MAX_ROWS:
            raise StoreConflict(f"these are more than {MAX_ROWS} rows: ask for less time, or longer intervals")
        return [kind(**row) for row in found]
