"""Figures over time, by `docs/figures.md`: the SQL functions' rows as structures, their columns as fields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from controller.errors import StoreConflict
from controller.postgres.store import PostgresStore

INTERVALS = {
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "60m": timedelta(minutes=60),
    "day": timedelta(days=1),
}
"""The intervals there are, by their names in the API and on the command line."""
MAX_ROWS = 50_000


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in an interval. Shares and means are None where there is nothing to divide by."""

    queue: str
    starts_at: datetime
    ends_at: datetime
    entered: int
    waiting: int
    refused: int
    moved: int
    offered: int
    answered: int
    in_level: int
    abandoned: int
    short_abandoned: int
    timeouts: int
    no_agents: int
    callbacks: int
    messages: int
    failed: int
    answered_wait_s: float
    abandoned_wait_s: float
    longest_wait_s: float
    estimated: int
    estimate_error_sum_s: float
    estimate_missed_by_sum_s: float
    offers: int
    offers_missed: int
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    service_level: float | None
    abandonment: float | None
    speed_of_answer_s: float | None
    handling_s: float | None
    transfer_rate: float | None
    offers_missed_rate: float | None
    estimate_error_s: float | None
    estimate_missed_by_s: float | None
    workload: float | None


class AgentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in an interval."""

    agent: str
    starts_at: datetime
    ends_at: datetime
    logged_in_s: float
    free_s: float
    ringing_s: float
    talking_s: float
    wrapping_up_s: float
    paused_s: float
    unreachable_s: float
    busy_s: float
    offers: int
    offers_answered: int
    offers_missed: int
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    occupancy: float | None
    handling_s: float | None
    transfer_rate: float | None
    offers_missed_rate: float | None


class NumberFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A called number in an interval."""

    called_number: str
    starts_at: datetime
    ends_at: datetime
    calls: int
    calls_answered: int
    calls_queued: int
    calls_talked: int
    calls_abandoned: int
    duration_s: float
    visits_offered: int
    visits_answered: int
    in_level: int
    abandoned: int
    short_abandoned: int
    answered_wait_s: float
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    service_level: float | None
    abandonment: float | None
    speed_of_answer_s: float | None
    handling_s: float | None
    transfer_rate: float | None


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
