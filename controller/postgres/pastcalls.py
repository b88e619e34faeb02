"""What became of an attempt that nobody has followed, by the record (`controller.calls.callback.means.Record`)."""

from __future__ import annotations

from uuid import UUID

from controller.callback.model import AttemptId
from controller.calls.callback.means import Past
from controller.postgres.store import PostgresStore


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
