"""Figures of call-backs, by `docs/callbacks.md`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from controller.callback.figures import CallbackConversion, CallbackFigures
from controller.cdr.figures import INTERVALS
from controller.errors import StoreConflict
from controller.postgres.figures import MAX_ROWS
from controller.postgres.store import PostgresStore

_decode_counts = msgspec.json.Decoder(dict[str, int]).decode


class PostgresCallbackFigures:
    """Asks for figures of requests that were asked for from `begin` to before `end`.

    All raise `StoreConflict` for a zone, an interval or a span that cannot be, `StoreError` while Postgres is away.
    """

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def queues(
        self, begin: datetime, end: datetime, *, interval: str = "day", zone: str = "UTC", queue: str = ""
    ) -> Sequence[CallbackFigures]:
        """Return figures of all queues, or of one, by queue and interval (`INTERVALS`, by the clock of `zone`)."""
        if interval not in INTERVALS:
            raise StoreConflict(f"there are no figures by '{interval}': ask by one of {', '.join(INTERVALS)}")
        rows = await self._store.change(
            "read/callback_figures", begin, end, INTERVALS[interval], zone, queue, MAX_ROWS + 1
        )
        return [CallbackFigures(**row) for row in _checked(rows)]

    async def conversion(self, begin: datetime, end: datetime, *, queue: str = "") -> Sequence[CallbackConversion]:
        """Return what became of requests by where they came from, by queue and the most requests first."""
        rows = await self._store.change("read/callback_conversion", begin, end, queue, MAX_ROWS + 1)
        return [
            CallbackConversion(**{**row, "dispositions": _decode_counts(row["dispositions"])})
            for row in _checked(rows)
        ]


def _checked(rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    if len(rows) > MAX_ROWS:
        raise StoreConflict(f"these are more than {MAX_ROWS} rows: ask for less time, or longer intervals")
    return rows
