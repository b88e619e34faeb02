"""What the distribution asks of the record (`controller.ports.History`), and who listened to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from controller.errors import StoreError
from controller.ids import CallId
from controller.ports import ExpiredAudio, KeptMessage, LastTalk, QueueDay
from controller.postgres.retention import Retention
from controller.postgres.store import PostgresStore

MAX_LAST_TALKS = 50_000

_encode = msgspec.json.encode


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One recording or voice message. `erased_at` is None while the file is there, `heard_at` while nobody listened.

    `path` is relative to the recordings' folder. `heard_at` is kept of messages alone.
    """

    recording_id: str
    call_id: CallId | None
    kind: str
    kept_at: datetime
    queue: str
    path: str
    sha256: str
    bytes: int
    duration_s: float
    keep_until: datetime
    agent: str
    caller: str
    erased_at: datetime | None
    erased_by: str | None
    heard_at: datetime | None
    heard_by: str | None


class Access(msgspec.Struct, frozen=True):
    """Somebody listened. `how`: listened (by phone) or downloaded."""

    at: datetime
    by: str
    how: str


class PostgresHistory:
    """See `controller.ports.History` and `Mailboxes`. Every method raises `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore, retention: Retention | None = None) -> None:
        self._store = store
        self._retention = retention if retention is not None else Retention()

    async def last_talks(self, since: datetime) -> Sequence[LastTalk]:
        """Return the last talk of each number in each queue that ended at `since` or later, newest first.

        50,000 at most; withheld numbers have none.
        """
        return [LastTalk(*row) for row in await self._store.fetch("read/last_talks", since, MAX_LAST_TALKS)]

    async def day(
        self, since: datetime, levels: Mapping[str, tuple[float, float]] = MappingProxyType({})
    ) -> Sequence[QueueDay]:
        """Return what each queue has done: visits that ended at `since` or later, by `docs/figures.md`.

        `levels`: (service_level_s, short_abandoned_s) by queue; others count by the thresholds of the time.
        """
        return [
            QueueDay(*row)
            for row in await self._store.fetch("read/queue_days", since, _encode(dict(levels)).decode())
        ]

    async def mailboxes(self) -> Mapping[str, tuple[int, int]]:
        """Return how many voice messages each queue holds, erased ones aside: (new, heard)."""
        return {queue: (new, heard) for queue, new, heard in await self._store.fetch("read/mailboxes")}

    async def expired_audio(self, at: datetime, limit: int) -> Sequence[ExpiredAudio]:
        """Return recordings to be erased, not erased yet: kept until before `at`, or longer than retention allows."""
        talks, messages = self._retention.recordings_days, self._retention.messages_days
        talks_before = at - timedelta(days=talks) if talks > 0 else None
        messages_before = at - timedelta(days=messages) if messages > 0 else None
        found = await self._store.fetch("read/expired_audio", at, limit, talks_before, messages_before)
        return [ExpiredAudio(*row) for row in found]

    async def recording(self, recording_id: str) -> Recording | None:
        """Return what is known of a recording, erased or not; None when there was none."""
        found = await self._store.fetch("read/recording", recording_id)
        return recording_of(found[0]) if found else None

    async def recordings_of(self, call_id: CallId) -> Sequence[Recording]:
        """Return the recordings of a call, oldest first."""
        return [recording_of(row) for row in await self._store.fetch("read/recordings_of", call_id)]

    async def messages(self, queue: str, limit: int = 100) -> Sequence[Recording]:
        """Return a queue's voice messages that are not erased: new ones first, newest first."""
        return [recording_of(row) for row in await self._store.fetch("read/messages", queue, limit)]

    async def inbox(self, queues: Sequence[str], limit: int) -> Sequence[KeptMessage]:
        """Return the messages of `queues`: new ones first, oldest first; then heard ones, newest first."""
        return [KeptMessage(**dict(row)) for row in await self._store.fetch("read/inbox", list(queues), limit)]

    async def message(self, recording_id: str) -> KeptMessage | None:
        """Return one message; None when there is none, or it is erased."""
        found = await self._store.fetch("read/message", recording_id)
        return KeptMessage(**dict(found[0])) if found else None

    async def keep_as_new(self, recording_id: str) -> bool:
        """Let a message count as new again; False when there is none. The accesses stay written down."""
        return bool(await self._store.fetch("write/message_new", recording_id))

    async def note_access(self, recording_id: str, by: str, how: str) -> bool:
        """Write down that `by` `listened` or `downloaded`, before it is let happen; a new message is heard then.

        False when there is no such recording, or its file is erased.
        """
        if not by or how not in ("listened", "downloaded"):
            raise StoreError("an access to a recording names who and how: listened or downloaded")
        return bool(await self._store.fetch("write/recording_access", recording_id, by, how))

    async def accesses(self, recording_id: str) -> Sequence[Access]:
        """Return who listened to a recording, oldest first."""
        return [Access(*row) for row in await self._store.fetch("read/recording_access", recording_id)]


def recording_of(row: asyncpg.Record) -> Recording:
    """Return a row of `recordings` with what `messages` says of it."""
    told: dict[str, Any] = dict(row)
    told["sha256"] = told["sha256"].hex()
    return Recording(**told)
