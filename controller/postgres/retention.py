"""How long things are kept, and how a person is forgotten (`docs/figures.md`, *How long things are kept*)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from controller.callback.model import RequestId
from controller.errors import StoreError
from controller.ids import CallId
from controller.numberkey import MIN_KEY_BYTES
from controller.ports import ExpiredAudio
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, away
from controller.postgres.statements import statement
from controller.postgres.store import PostgresStore

log = structlog.get_logger(__name__)

EVERY_S = 600.0
"""Between purges; the first one comes that long after the start."""
STEP_ROWS = 500
"""Rows of one kind that one statement of a purge deletes, so that nobody waits for it."""
MAX_STEPS = 40
"""Statements of one kind in one purge; the rest is for the next one."""

_RECORDS = (
    "calls",
    "asterisk_cdr",
    "agent_states",
    "recordings",
    "tokens",
    "outbound_calls",
    "outbound_spent",
    "opt_outs",
    "callbacks",
)
_ERASED = "the customer asked to be forgotten"


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days after which each kind is deleted; 0: kept for ever.

    Files of recordings and messages go when their queue's rule says so (`AudioKept.keep_until`), and after these
    days at the latest.
    """

    records_days: int = 730
    recordings_days: int = 365
    messages_days: int = 365
    deliveries_days: int = 30
    """What was sent to webhooks, or given up."""


class Erased(msgspec.Struct, frozen=True):
    """What became of a number: from how many calls, and requests to be called, it was taken out.

    `recordings` are of these calls; their time is over, so that the controller erases the files within minutes.
    `running` are calls, and `dialling` requests, that were left as they are because they are not over: erase again
    afterwards. Other open requests are cancelled.
    """

    calls: int
    recordings: tuple[ExpiredAudio, ...]
    running: tuple[CallId, ...]
    callbacks: int = 0
    dialling: tuple[RequestId, ...] = ()


class PostgresRetention:
    """Deletes what is old, and what a person asks for. Methods raise `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def run(self, retention: Retention, now: Callable[[], datetime], *, every_s: float = EVERY_S) -> None:
        """Purge now and again until cancelled; what is left over after a purge is taken up soon, not at once."""
        while True:
            await asyncio.sleep(every_s)
            try:
                gone = await self.purge(retention, now())
                while max(gone.values(), default=0) >= STEP_ROWS * MAX_STEPS:
                    await asyncio.sleep(every_s / 100)
                    gone = await self.purge(retention, now())
            except StoreError as error:
                log.info("retention.postponed", error=str(error))
            else:
                if any(gone.values()):
                    log.info("retention.purged", **gone)

    async def purge(self, retention: Retention, at: datetime) -> Mapping[str, int]:
        """Delete what is older at `at` than it is to be kept; return how many rows of each kind.

        Never a running call, nor one with a recording whose file is there (`History.expired_audio` names those
        that are due). A kind loses `MAX_STEPS` times `STEP_ROWS` rows at most: call it again, once an hour or so.
        """
        counts: Counter[str] = Counter()
        if retention.records_days > 0:
            for kind in _RECORDS:
                counts[kind] = await self._purge(kind, at - timedelta(days=retention.records_days))
        if retention.deliveries_days > 0:
            counts["deliveries"] = await self._purge("deliveries", at - timedelta(days=retention.deliveries_days))
        await self._purge("callback_keys", at)  # no record: they stand for nothing any more
        return dict(counts)

    async def erase(self, numbers: Collection[str], key: bytes, by: str) -> Erased:
        """Take a customer's `numbers` out of everything, at once or not at all.

        `numbers`: all forms in which records may hold them. `key` is the installation's own, at least 16 bytes;
        `by` names who does it, for the record.
        """
        wanted = sorted({number for number in numbers if number})
        if not wanted or not by:
            raise StoreError("an erasure names at least one number, and who does it")
        hashes = [number_hash(number, key) for number in wanted]
        pool = await self._store.pool()
        try:
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection, connection.transaction():
                running = await connection.fetch(statement("read/running_calls_of.sql"), wanted)
                calls = [row[0] for row in await connection.fetch(statement("read/ended_calls_of.sql"), wanted)]
                audio = await connection.fetch(statement("read/audio_of.sql"), calls, wanted)
                await connection.execute(statement("erase/asterisk_cdr.sql"), calls)
                await connection.execute(statement("erase/deliveries.sql"), calls)
                await connection.execute(statement("erase/recordings.sql"), calls, wanted)
                await connection.execute(statement("erase/calls.sql"), calls, wanted)
                await connection.execute(statement("erase/outbound.sql"), wanted)
                dialling = await connection.fetch(statement("erase/callbacks_open.sql"), wanted, _ERASED)
                callbacks = await connection.fetch(statement("erase/callbacks.sql"), wanted)
                await connection.execute(statement("erase/noted.sql"), hashes, by, len(calls))
        except AWAY as error:
            raise away(error, self._store.dsn) from error
        return Erased(
            len(calls),
            tuple(ExpiredAudio(recording_id, path) for recording_id, path in audio),
            tuple(CallId(row[0]) for row in running),
            len(callbacks),
            tuple(RequestId(row[0].hex) for row in dialling),
        )

    async def erasures(self, number: str, key: bytes) -> Sequence[datetime]:
        """Return when `number` was erased, oldest first."""
        return [row[0] for row in await self._store.fetch("read/erasures", number_hash(number, key))]

    async def _purge(self, kind: str, before: datetime) -> int:
        deleted = 0
        for _ in range(MAX_STEPS):
            rows = await self._store.fetch(f"purge/{kind}", before, STEP_ROWS)
            deleted += rows[0][0]
            if rows[0][0] < STEP_ROWS:
                break
        return deleted


def number_hash(number: str, key: bytes) -> bytes:
    """Return what is kept of an erased number; `StoreError` for a key that is too short to keep it secret."""
    if len(key) < MIN_KEY_BYTES:
        raise StoreError(f"the key for hashes of numbers has {len(key)} bytes: give one of at least {MIN_KEY_BYTES}")
    return hmac.new(key, number.encode(), hashlib.sha256).digest()
