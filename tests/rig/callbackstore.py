"""`CallbackStore` in memory, by the rules of `controller.postgres.callbacks`: the same contract tests run on both.

`Tables` is the database, which outlives its clients; `MemoryCallbacks` is what one controller has of it. Every
method takes a turn of the loop (or `delay_s`), so that others come in between.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

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
from controller.callback.transitions import further, may_follow
from controller.calls.callback.store import NOT_BEGUN, OUT_OF_TIME, Added, Lease, NumberTaken, SlotTaken
from controller.calls.callback.terms import is_for_nobody_else
from controller.errors import StoreConflict, StoreError
from controller.outbound.model import Number
from controller.ports import Clock
from controller.postgres.callbackrows import plain

T = TypeVar("T")

KEY_S = 86_400.0
LEASE_MARGIN_S = 0.5
MOST_LEASE_S = 120.0
_OPEN = frozenset(RequestState) - FINAL
_WAITS = frozenset({RequestState.SCHEDULED, RequestState.WAITING})
_NOT_CHANGED = frozenset({"request_id", "created_at", "state", "fence", "tries", "outcome", "ended_at", "source"})
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_MOST_PRIORITY = 32_767
_TIMES = {
    AttemptState.DIALLED: ("dialled_at",),
    AttemptState.RINGING: ("dialled_at", "ringing_at"),
    AttemptState.ANSWERED: ("dialled_at", "answered_at"),
    AttemptState.CONNECTED: ("dialled_at", "answered_at", "connected_at"),
}


@dataclass
class Tables:
    """What is stored. `clock` is the database's; `changed` hears of every row of a request (before, after).

    `away`: nobody can be asked. `deaf`: what is asked is done, but its asker never hears so.
    """

    clock: Clock
    requests: dict[RequestId, Request] = field(default_factory=dict)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    by_request: dict[RequestId, list[AttemptId]] = field(default_factory=dict)
    tokens: dict[AttemptId, int] = field(default_factory=dict)
    """The right under which each attempt was claimed."""
    keys: dict[str, tuple[RequestId, bool, float]] = field(default_factory=dict)
    node: str = ""
    token: int = 0
    until: float = float("-inf")
    away: bool = False
    deaf: bool = False
    changed: Callable[[Request | None, Request], None] = lambda _before, _after: None
    _open: dict[tuple[Number, str], RequestId] = field(default_factory=dict)
    _waiting: dict[str, set[RequestId]] = field(default_factory=dict)
    _in_flight: dict[AttemptId, None] = field(default_factory=dict)
    _slots: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    _due: list[tuple[datetime, RequestId]] = field(default_factory=list)
    _expiring: list[tuple[datetime, RequestId]] = field(default_factory=list)

    def put(self, after: Request) -> Request:
        """Write a row, if it may be so, and may follow the one that is there."""
        before = self.requests.get(after.request_id)
        _check(before, after)
        taken = self._open.get((after.number, after.queue))
        if after.state in _OPEN and taken not in (None, after.request_id):
            raise NumberTaken("callback_requests_one_open: the number has another open request for this queue")
        if before is not None:
            self._unlist(before)
        self.requests[after.request_id] = after
        self._list(after)
        self.changed(before, after)
        return after

    def _unlist(self, row: Request) -> None:
        if row.state in _OPEN:
            self._open.pop((row.number, row.queue), None)
            if row.slot_at is not None:
                self._slots[row.queue, row.slot_at] -= 1
        if row.state is RequestState.WAITING:
            self._waiting[row.queue].discard(row.request_id)

    def _list(self, row: Request) -> None:
        if row.state in _OPEN:
            self._open[row.number, row.queue] = row.request_id
            if row.slot_at is not None:
                self._slots[row.queue, row.slot_at] += 1
        if row.state is RequestState.WAITING:
            self._waiting.setdefault(row.queue, set()).add(row.request_id)
        if row.state is RequestState.SCHEDULED:
            heapq.heappush(self._due, (row.due_at, row.request_id))
        if row.state in _WAITS:
            heapq.heappush(self._expiring, (row.expires_at, row.request_id))

    def put_attempt(self, after: Attempt) -> Attempt:
        """Write an attempt's row."""
        if after.attempt_id not in self.attempts:
            self.by_request.setdefault(after.request_id, []).append(after.attempt_id)
        self.attempts[after.attempt_id] = after
        if after.state is AttemptState.ENDED:
            self._in_flight.pop(after.attempt_id, None)
        else:
            self._in_flight[after.attempt_id] = None
        return after

    def in_flight(self) -> list[Attempt]:
        """Return the attempts that have not ended, oldest first."""
        return sorted(
            (self.attempts[each] for each in self._in_flight), key=lambda each: (each.claimed_at, each.attempt_id)
        )

    def open_of(self, number: Number, queue: str) -> Request | None:
        """Return the open request of a number for a queue."""
        found = self._open.get((number, queue))
        return self.requests[found] if found is not None else None

    def waiting(self) -> dict[str, list[Request]]:
        """Return who waits, by queue."""
        return {queue: [self.requests[each] for each in ids] for queue, ids in self._waiting.items() if ids}

    def in_slot(self, queue: str, at: datetime) -> int:
        """Return how many open requests have a slot."""
        return self._slots[queue, at]

    def slots(self, queue: str, begins: datetime, ends: datetime) -> list[tuple[datetime, int]]:
        """Return how many open requests have which slot, the soonest first."""
        return sorted((at, n) for (of, at), n in self._slots.items() if of == queue and begins <= at < ends and n)

    def wake(self, now: datetime) -> None:
        """Let scheduled requests wait that are due."""
        while self._due and self._due[0][0] <= now:
            due_at, request_id = heapq.heappop(self._due)
            row = self.requests[request_id]
            if row.state is RequestState.SCHEDULED and row.due_at == due_at:
                self.put(msgspec.structs.replace(row, state=RequestState.WAITING))

    def next_due_at(self) -> datetime | None:
        """Return when the next scheduled request falls due."""
        rows = (self.requests[request_id] for _, request_id in self._due)
        return min((row.due_at for row in rows if row.state is RequestState.SCHEDULED), default=None)

    def expired(self, now: datetime) -> list[Request]:
        """Take those out whose time is over."""
        found = []
        while self._expiring and self._expiring[0][0] <= now:
            expires_at, request_id = heapq.heappop(self._expiring)
            row = self.requests[request_id]
            if row.state in _WAITS and row.expires_at == expires_at:
                found.append(row)
        return found


_HELD: tuple[tuple[str, Callable[[Request], bool]], ...] = (
    ("callback_requests_number_is_e164", lambda row: _E164.fullmatch(row.number) is not None),
    ("callback_requests_queue_is_named", lambda row: bool(row.queue)),
    ("callback_requests_slot_is_whole", lambda row: (row.when == "slot") == (row.slot_at is not None)),
    ("the priority is out of range", lambda row: abs(row.priority) <= _MOST_PRIORITY),
    (
        "callback_requests_nobody_again_after_a_talk",
        lambda row: row.outcome is not Outcome.TALKED or row.state is RequestState.DONE,
    ),
    (
        "callback_requests_done_is_talked",
        lambda row: row.state is not RequestState.DONE or row.outcome is Outcome.TALKED,
    ),
    ("callback_requests_end_is_whole", lambda row: (row.state in FINAL) == (row.ended_at is not None)),
    ("callback_requests_counts_from_zero", lambda row: 0 <= row.tries <= row.fence),
)


def _check(before: Request | None, after: Request) -> None:
    """Raise what the constraints of the table would."""
    broken = [name for name, holds in _HELD if not holds(after)]
    if before is not None:
        claims = before.state is RequestState.WAITING and after.state is RequestState.DIALLING
        if not may_follow(before.state, after.state) or after.fence != before.fence + claims:
            broken.append("callback_requests_go_forward")
    if broken:
        raise StoreConflict(f"it cannot be stored: {broken[0]}; correct it")


def _storable(row: Request) -> Request:
    """Return a row without what no text of Postgres can hold."""
    return msgspec.convert(_plain(msgspec.to_builtins(row)), Request)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): _plain(each) for key, each in value.items()}
    return value


class MemoryCallbacks:
    """`CallbackStore` of one process. `delay_s()`: how long a statement takes; `away`: for this process alone."""

    def __init__(self, tables: Tables, *, margin_s: float = LEASE_MARGIN_S, delay_s: Callable[[], float] = float):
        self.tables = tables
        self.away = False
        self._margin_s = margin_s
        self._delay_s = delay_s
        self._token = 0

    async def _reach(self) -> None:
        await asyncio.sleep(self._delay_s())
        if self.away or self.tables.away:
            raise StoreError("Postgres is away: check that it runs")

    def _answer(self, told: T) -> T:
        if self.tables.deaf:
            raise StoreError("Postgres has gone before it answered: check that it runs")
        return told

    async def add(self, request: Request, *, idempotency_key: str = "", slot_limit: int = 0) -> Added:
        await self._reach()
        tables, key = self.tables, plain(idempotency_key)
        kept = tables.keys.get(key) if key else None
        if kept is not None and kept[2] > tables.clock.monotonic():
            return self._answer(Added(tables.requests[kept[0]], new=False, same_key=kept[1]))
        self._check_slot(request, slot_limit)
        there = tables.requests.get(request.request_id) or tables.open_of(request.number, request.queue)
        row = there or tables.put(_storable(request))
        if key:
            tables.keys[key] = (row.request_id, there is None, tables.clock.monotonic() + KEY_S)
        return self._answer(Added(row, new=there is None))

    def _check_slot(self, request: Request, limit: int) -> None:
        if limit <= 0 or request.slot_at is None:
            return
        tables = self.tables
        mine = tables.requests.get(request.request_id)
        own = mine is not None and mine.slot_at == request.slot_at and mine.queue == request.queue
        if tables.in_slot(request.queue, request.slot_at) - own >= limit:
            raise SlotTaken("the time has been taken meanwhile: choose another one")

    async def get(self, request_id: RequestId) -> Request | None:
        await self._reach()
        return self._answer(self.tables.requests.get(request_id))

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        await self._reach()
        return [self.tables.attempts[each] for each in self.tables.by_request.get(request_id, ())]

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
        await self._reach()
        last = self.tables.requests.get(RequestId(after))
        if after and last is None:
            return []
        found = [
            each
            for each in self.tables.requests.values()
            if (not states or each.state in states)
            and queue in ("", each.queue)
            and number in ("", each.number)
            and (since is None or each.created_at >= since)
            and (last is None or (each.created_at, each.request_id) < (last.created_at, last.request_id))
        ]
        return sorted(found, key=lambda each: (each.created_at, each.request_id), reverse=True)[:limit]

    async def last_number(self, number: Number, since: datetime) -> Sequence[Request]:
        return await self.find(number=number, since=since, limit=1000)

    async def due(self, now: datetime, limit_per_queue: int = 200) -> Sequence[Request]:
        await self._reach()
        self.tables.wake(now)
        elder, found = now - timedelta(seconds=ELDER_S), list[Request]()

        def place(row: Request) -> tuple[int, datetime, str]:
            return (0 if row.entered_at <= elder else 1_000_000 - row.priority, row.entered_at, row.request_id)

        for _, rows in sorted(self.tables.waiting().items()):
            line = sorted((row for row in rows if row.expires_at > now), key=place)
            found += line[:limit_per_queue]
        return self._answer(found)

    async def next_due_at(self) -> datetime | None:
        await self._reach()
        return self.tables.next_due_at()

    async def expire(self, now: datetime) -> Sequence[Request]:
        await self._reach()
        over = []
        for row in self.tables.expired(now):
            reason = NOT_BEGUN if is_for_nobody_else(row) else OUT_OF_TIME
            ended = msgspec.structs.replace(row, state=RequestState.EXPIRED, ended_at=now, reason=reason)
            over.append(self.tables.put(ended))
        return self._answer(over)

    async def booked(self, queue: str, begins: datetime, ends: datetime) -> Sequence[tuple[datetime, int]]:
        await self._reach()
        return self.tables.slots(queue, begins, ends)

    async def claim(self, attempt: Attempt, lease: Lease) -> Attempt | None:
        await self._reach()
        tables = self.tables
        if tables.token != lease.token or tables.until <= tables.clock.monotonic():
            return self._answer(None)
        there = tables.attempts.get(attempt.attempt_id)
        if there is not None:
            same = there.request_id == attempt.request_id and tables.tokens[attempt.attempt_id] == lease.token
            return self._answer(there if same and there.state is AttemptState.CLAIMED else None)
        row = tables.requests.get(attempt.request_id)
        if row is None or row.state is not RequestState.WAITING or row.expires_at <= attempt.claimed_at:
            return self._answer(None)
        row = tables.put(msgspec.structs.replace(row, state=RequestState.DIALLING, fence=row.fence + 1))
        tables.tokens[attempt.attempt_id] = lease.token
        claimed = msgspec.structs.replace(
            attempt, fence=row.fence, number=row.number, state=AttemptState.CLAIMED, outcome=None, cost=0.0
        )
        return self._answer(tables.put_attempt(claimed))

    async def progress(
        self, attempt_id: AttemptId, state: AttemptState, at: datetime, *, cost: float | None = None
    ) -> None:
        if state is AttemptState.ENDED:
            raise ValueError("an attempt ends with an outcome: use end_attempt")
        await self._reach()
        row = self.tables.attempts.get(attempt_id)
        if row is None or row.state is AttemptState.ENDED:
            return
        changes: dict[str, Any] = {name: getattr(row, name) or at for name in _TIMES.get(state, ())}
        if cost is not None:
            changes["cost"] = cost
        self.tables.put_attempt(msgspec.structs.replace(row, state=further(row.state, state), **changes))
        self._answer(None)

    async def end_attempt(
        self, attempt_id: AttemptId, outcome: Outcome, cause: int, at: datetime, step: NextStep
    ) -> Request | None:
        await self._reach()
        one = self.tables.attempts.get(attempt_id)
        if one is None or one.state is AttemptState.ENDED:
            return self._answer(None)
        row, after = self.tables.requests[one.request_id], None
        if row.fence == one.fence and row.state is RequestState.DIALLING:
            after = self.tables.put(
                msgspec.structs.replace(
                    row,
                    state=step.state,
                    outcome=outcome,
                    tries=row.tries + (outcome not in NOT_DIALLED),
                    due_at=step.due_at or row.due_at,
                    entered_at=step.entered_at or row.entered_at,
                    expires_at=step.expires_at or row.expires_at,
                    reason=plain(step.reason),
                    ended_at=at if step.state in FINAL else None,
                )
            )
        over = msgspec.structs.replace(one, state=AttemptState.ENDED, outcome=outcome, cause=cause, ended_at=at)
        self.tables.put_attempt(over)
        return self._answer(after)

    async def in_flight(self) -> Sequence[Attempt]:
        await self._reach()
        return self.tables.in_flight()

    async def change(
        self, request_id: RequestId, changes: dict[str, Any], *, at: datetime, slot_limit: int = 0
    ) -> Request | None:
        barred = changes.keys() & _NOT_CHANGED
        if barred:
            raise ValueError(f"{', '.join(sorted(barred))} cannot be changed")
        await self._reach()
        row = self.tables.requests.get(request_id)
        if row is None or row.state not in _WAITS:
            return self._answer(None)
        changed = msgspec.structs.replace(row, **changes)
        if changed.due_at > at:
            changed = msgspec.structs.replace(changed, state=RequestState.SCHEDULED)
        self._check_slot(changed, slot_limit)
        return self._answer(self.tables.put(_storable(changed)))

    async def cancel(self, request_id: RequestId, reason: str, at: datetime) -> Request | None:
        await self._reach()
        row = self.tables.requests.get(request_id)
        if row is None or row.state not in _WAITS:
            return self._answer(None)
        over = msgspec.structs.replace(row, state=RequestState.CANCELLED, ended_at=at, reason=plain(reason))
        return self._answer(self.tables.put(over))

    async def lease(self, node: str, ttl_s: float, *, forerunner: int = 0) -> Lease | None:
        if not self._margin_s < ttl_s <= MOST_LEASE_S:
            raise ValueError(
                f"a right to dial lasts over {self._margin_s} s and up to {MOST_LEASE_S:g} s, not {ttl_s} s"
            )
        asked = self.tables.clock.monotonic()
        await self._reach()
        tables, now = self.tables, self.tables.clock.monotonic()
        mine = tables.token == self._token > 0
        if not (mine or tables.token == forerunner > 0 or tables.until <= now):
            self._token = 0
            return self._answer(None)
        tables.token += not mine
        tables.node, tables.until = node, now + ttl_s
        lease = self._answer(Lease(node, tables.token, asked + ttl_s - self._margin_s))
        self._token = lease.token
        return lease

    async def release_lease(self, lease: Lease) -> None:
        self._token = 0
        await self._reach()
        if self.tables.token == lease.token:
            self.tables.node, self.tables.until = "", float("-inf")
