"""Call-backs in Postgres (`controller.calls.callback.store.CallbackStore`): their truth, whoever runs.

What must never happen (two open requests of a number for a queue, two attempts at once, a step back, a claim without
the right to dial) is refused by the database itself: `sql/migrations/0004_callbacks.sql`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from controller.acd.line import ELDER_S
from controller.callback.model import (
    FINAL,
    NOT_DIALLED,
    Attempt,
    AttemptId,
    AttemptState,
    NextStep,
    Outcome,
    Request,
    RequestId,
    RequestState,
)
from controller.calls.callback.store import NOT_BEGUN, OUT_OF_TIME, Added, Lease, NumberTaken, SlotTaken
from controller.errors import StoreConflict
from controller.outbound.model import Number
from controller.postgres.callbackrows import attempt_of, plain, request_of, request_row, uuid_of
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, away, blames_the_row
from controller.postgres.statements import statement
from controller.postgres.store import Connection, PostgresStore

log = structlog.get_logger(__name__)

KEY_S = 86_400.0
"""How long an idempotency key stands for its request."""
LEASE_MARGIN_S = 0.5
"""How much earlier than the database this process takes its right to dial to be over."""
MOST_LEASE_S = 120.0
"""The longest right to dial that is given; one that lasts longer stems from a clock that was set back since."""
WAKE_ROWS = 5_000
"""Scheduled requests that one call of `due` lets wait; the rest is for the next one."""
READ_ROWS = 200
"""Requests that are read in one go: the event loop has other work."""
EXPIRE_ROWS = 500
MAX_FOUND = 1_000

_ROUNDS = 5
"""How often adding starts again when requests of the same number end, or keys appear, in between."""
_ONE_OPEN = "callback_requests_one_open"


class PostgresCallbacks:
    """Call-backs in the database of `store`. Every method raises `StoreError` while Postgres is away.

    One object a process: it remembers the right to dial that the process holds. `margin_s`: see `LEASE_MARGIN_S`.
    """

    def __init__(
        self,
        store: PostgresStore,
        *,
        margin_s: float = LEASE_MARGIN_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store = store
        self._margin_s = margin_s
        self._clock = clock
        self._token = 0
        self._line: dict[UUID, tuple[int, Request]] = {}
        """What `due` brought last, with the version of each row."""

    async def add(self, request: Request, *, idempotency_key: str = "", slot_limit: int = 0) -> Added:
        """See `CallbackStore.add`. A key stands for its request for `KEY_S`; let it name its asker as well."""
        key = plain(idempotency_key)
        for _ in range(_ROUNDS):
            with contextlib.suppress(_AgainError):
                async with self._transaction() as connection:
                    return await _add(connection, request, key, slot_limit)
        raise StoreConflict("others asked for the same at the same moment: ask again")

    async def get(self, request_id: RequestId) -> Request | None:
        """Return a request as it stands; None as well for what is no id."""
        uuid = uuid_of(request_id)
        found = await self._store.fetch("callbacks/get", uuid) if uuid else []
        return request_of(found[0]) if found else None

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        """Return its attempts, oldest first."""
        uuid = uuid_of(request_id)
        return [attempt_of(row) for row in await self._store.fetch("callbacks/attempts", uuid)] if uuid else []

    async def find(
        self,
        *,
        states: Collection[RequestState] = (),
        queue: str = "",
        number: str = "",
        since: datetime | None = None,
        limit: int = 100,
        after: str = "",
    ) -> Sequence[Request]:
        """Return at most `limit` requests (and at most `MAX_FOUND`), newest first; see `CallbackStore.find`."""
        last = uuid_of(after) if after else None
        if after and last is None:
            return []
        most = max(0, min(limit, MAX_FOUND))
        found = await self._store.fetch(
            "callbacks/find", sorted(states), plain(queue), plain(number), since, most, last
        )
        return [request_of(row) for row in found]

    async def due(self, now: datetime, limit_per_queue: int = 200) -> Sequence[Request]:
        """See `CallbackStore.due`: by queue, and in each as the floor orders its line (`controller.acd.line`).

        It is asked every second or oftener: what has not changed since the last time is not read again.
        """
        await self._store.fetch("callbacks/wake", now, WAKE_ROWS)
        elders = now - timedelta(seconds=ELDER_S)
        line = [
            (key, version) for key, version in await self._store.fetch("callbacks/line", elders, limit_per_queue, now)
        ]
        known = self._line
        found = {key: known[key] for key, version in line if key in known and known[key][0] == version}
        missing = [key for key, _ in line if key not in found]
        for first in range(0, len(missing), READ_ROWS):
            for row in await self._store.fetch("callbacks/due", missing[first : first + READ_ROWS]):
                found[row["request_id"]] = (row["version"], request_of(row))
        self._line = found
        return [found[key][1] for key, _ in line if key in found]

    async def next_due_at(self) -> datetime | None:
        """Return when the next scheduled request falls due."""
        found: datetime | None = (await self._store.fetch("callbacks/next_due_at"))[0][0]
        return found

    async def expire(self, now: datetime) -> Sequence[Request]:
        """End those that nobody may call any more, at most `EXPIRE_ROWS`; return them."""
        rows = await self._store.fetch("callbacks/expire", now, EXPIRE_ROWS, OUT_OF_TIME, NOT_BEGUN)
        return [request_of(row) for row in rows]

    async def booked(self, queue: str, begins: datetime, ends: datetime) -> Sequence[tuple[datetime, int]]:
        """Return how many open requests have which slot that begins from `begins` to before `ends`."""
        rows = await self._store.fetch("callbacks/booked", plain(queue), begins, ends)
        return [(at, number) for at, number in rows]

    async def claim(self, attempt: Attempt, lease: Lease) -> Attempt | None:
        """See `CallbackStore.claim`. One whose fate is unknown may be sent again: it brings back what it wrote."""
        rows = await self._store.change(
            "callbacks/claim",
            uuid_of(attempt.attempt_id),
            uuid_of(attempt.request_id),
            plain(attempt.caller_id),
            plain(attempt.agent),
            plain(attempt.node),
            attempt.claimed_at,
            lease.token,
        )
        return attempt_of(rows[0]) if rows else None

    async def progress(
        self, attempt_id: AttemptId, state: AttemptState, at: datetime, *, cost: float | None = None
    ) -> None:
        """Note how far an attempt has come; never back, and nothing once it has ended."""
        if state is AttemptState.ENDED:
            raise ValueError("an attempt ends with an outcome: use end_attempt")
        await self._store.change("callbacks/progress", uuid_of(attempt_id), state, at, cost)

    async def end_attempt(
        self, attempt_id: AttemptId, outcome: Outcome, cause: int, at: datetime, step: NextStep
    ) -> Request | None:
        """See `CallbackStore.end_attempt`."""
        rows = await self._store.change(
            "callbacks/end_attempt",
            uuid_of(attempt_id),
            outcome,
            cause,
            at,
            outcome not in NOT_DIALLED,
            step.state,
            step.due_at,
            step.entered_at,
            step.expires_at,
            plain(step.reason),
            step.state in FINAL,
        )
        return request_of(rows[0]) if rows else None

    async def in_flight(self) -> Sequence[Attempt]:
        """Return the attempts that have not ended, oldest first."""
        return [attempt_of(row) for row in await self._store.fetch("callbacks/in_flight")]

    async def change(
        self, request_id: RequestId, changes: dict[str, Any], *, at: datetime, slot_limit: int = 0
    ) -> Request | None:
        """See `CallbackStore.change`. State, claims and outcomes are not changed by it: `ValueError`."""
        barred = changes.keys() & _NOT_CHANGED
        if barred:
            raise ValueError(f"{', '.join(sorted(barred))} cannot be changed")
        uuid = uuid_of(request_id)
        if uuid is None:
            return None
        async with self._transaction() as connection:
            found = await connection.fetchrow(statement("callbacks/get_to_change.sql"), uuid)
            if found is None:
                return None
            changed = msgspec.structs.replace(request_of(found), **changes)
            if changed.due_at > at:
                changed = msgspec.structs.replace(changed, state=RequestState.SCHEDULED)
            await _check_slot(connection, changed, slot_limit)
            row = await connection.fetchrow(statement("callbacks/change.sql"), request_row(changed))
            return None if row is None else request_of(row)

    async def cancel(self, request_id: RequestId, reason: str, at: datetime) -> Request | None:
        """Cancel a request that is scheduled or waiting; None: it is not."""
        uuid = uuid_of(request_id)
        rows = await self._store.fetch("callbacks/cancel", uuid, plain(reason), at) if uuid else []
        return request_of(rows[0]) if rows else None

    async def lease(self, node: str, ttl_s: float, *, forerunner: int = 0) -> Lease | None:
        """Take or keep the right to dial for `ttl_s` on the database's clock; None: another process has it.

        What a process that was killed held, even one of the same node, is free when its time is over and not
        before: it may have been about to dial. But who knows that it has ended names its token as `forerunner`, and
        has the right at once, with a new token: what the dead process still had on the way is refused. When the
        database's clock is set back, a dead one's right is over `MOST_LEASE_S` later at most. Raises `ValueError`
        for a time that the margin leaves nothing of, or above `MOST_LEASE_S`.
        """
        if not self._margin_s < ttl_s <= MOST_LEASE_S:
            raise ValueError(
                f"a right to dial lasts over {self._margin_s} s and up to {MOST_LEASE_S:g} s, not {ttl_s} s"
            )
        asked = self._clock()
        found = await self._store.fetch("callbacks/lease", plain(node), self._token, ttl_s, forerunner)
        if not found:
            self._token = 0
            if await self._store.fetch("callbacks/cap_lease", MOST_LEASE_S):
                log.warning("callbacks.lease_capped", most_s=MOST_LEASE_S, hint="the database's clock was set back")
            return None
        self._token = found[0][0]
        return Lease(node, self._token, asked + ttl_s - self._margin_s)

    async def release_lease(self, lease: Lease) -> None:
        """Give the right back; nothing when another process has it by now."""
        self._token = 0
        await self._store.fetch("callbacks/release", lease.token)

    async def last_number(self, number: Number, since: datetime) -> Sequence[Request]:
        """Return the requests of a number since then, newest first, at most `MAX_FOUND`."""
        found = await self._store.fetch("callbacks/last_number", plain(number), since, MAX_FOUND)
        return [request_of(row) for row in found]

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        try:
            pool = await self._store.pool()
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection, connection.transaction():
                yield connection
        except AWAY as error:
            if blames_the_row(error):
                raise _conflict(error) from error
            raise away(error, self._store.dsn) from error


class _AgainError(Exception):
    """What was there a moment ago is gone: begin again."""


_NOT_CHANGED = frozenset({"request_id", "created_at", "state", "fence", "tries", "outcome", "ended_at", "source"})


async def _add(connection: Connection, request: Request, key: str, slot_limit: int) -> Added:
    if key and (found := await _keyed(connection, key)):
        return found
    await _check_slot(connection, request, slot_limit)
    new = await connection.fetchrow(statement("callbacks/add.sql"), request_row(request))
    row = new
    if row is None:
        if key and (found := await _keyed(connection, key)):
            return found
        row = await connection.fetchrow(
            statement("callbacks/same.sql"), uuid_of(request.request_id), request.number, plain(request.queue)
        )
        if row is None:
            raise _AgainError  # the open request ended between the two statements
    if key and not await connection.fetchrow(
        statement("callbacks/key.sql"), key, row["request_id"], new is not None, KEY_S
    ):
        raise _AgainError  # the key came to stand for another request: nothing of this one may stay
    return Added(request_of(row), new is not None)


async def _keyed(connection: Connection, key: str) -> Added | None:
    row = await connection.fetchrow(statement("callbacks/keyed.sql"), key)
    return None if row is None else Added(request_of(row), new=False, same_key=row["own"])


async def _check_slot(connection: Connection, request: Request, limit: int) -> None:
    """Raise `SlotTaken` when `limit` others have the slot; nobody else may book it before the transaction ends."""
    if limit <= 0 or request.slot_at is None:
        return
    await connection.execute(statement("callbacks/lock_slot.sql"), plain(request.queue), request.slot_at)
    others: int = await connection.fetchval(
        statement("callbacks/in_slot.sql"), plain(request.queue), request.slot_at, uuid_of(request.request_id)
    )
    if others >= limit:
        raise SlotTaken(f"the time {request.slot_at:%Y-%m-%d %H:%M} UTC has been taken meanwhile: choose another one")


def _conflict(error: BaseException) -> StoreConflict:
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == _ONE_OPEN:
        return NumberTaken("the number has another open request for this queue: change that one, or cancel it")
    said = (str(error) or "no message").splitlines()[0]  # the next line repeats the row and the numbers in it
    return StoreConflict(f"it cannot be stored: {type(error).__name__}: {said}; correct it")
