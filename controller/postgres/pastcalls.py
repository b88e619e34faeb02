"""What call-backs ask of the record (`controller.calls.callback.means.Record`, `Staffing`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from controller.callback.model import AttemptId
from controller.calls.callback.means import Expected, Past
from controller.postgres.store import PostgresStore

_LEARNT = timedelta(days=28)


class PastCalls:
    """Reads the record of the database of `store`."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def past(self, attempt: AttemptId) -> Past:
        """Return what is known of the call that an attempt began, and of the dial. Raises `StoreError`."""
        (row,) = await self._store.fetch("read/past_attempt", UUID(attempt), attempt)
        return Past(
            began=row["began"],
            ended=row["ended"],
            queued=row["queued"],
            talked=row["talked"],
            cause=row["cause"],
            status=row["status"],
            at=row["at"],
        )

    async def expected(self, queue: str, zone: str, now: datetime) -> Expected:
        """Return who is expected at work, by the last four weeks. Raises `StoreError`."""
        rows = await self._store.fetch("read/expected_agents", queue, now - _LEARNT, now, zone)
        agents = {(row["weekday"], row["hour"]): row["agents"] for row in rows}
        return Expected(agents, rows[0]["talk_s"] or 0.0 if rows else 0.0)

    async def open(self) -> Mapping[str, int]:
        """Return how many requests are open, by state. Raises `StoreError`."""
        return {row["state"]: row["open"] for row in await self._store.fetch("read/open_callbacks")}
