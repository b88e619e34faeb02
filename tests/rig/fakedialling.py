"""Postgres and the trunk for call-backs, in memory and on virtual time: `MemoryCallbacks`, `FakeExit`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from controller.callback.model import (
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
from controller.callback.transitions import further
from controller.calls.callback.means import Expected, Past
from controller.calls.callback.store import NOT_BEGUN, OUT_OF_TIME, Added, Lease
from controller.calls.callback.terms import is_for_nobody_else
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialNews, DialRinging, DialState
from controller.errors import AsteriskUnreachable, StoreError
from controller.numbering.model import Number, NumberFacts, NumberKind
from controller.outbound.model import OutboundAsk, Purpose, Verdict
from controller.ports import Clock

OPEN = frozenset({RequestState.SCHEDULED, RequestState.WAITING, RequestState.DIALLING})
MARGIN_S = 0.5


class MemoryCallbacks:
    """`CallbackStore`. `away`: every method raises `StoreError`; `lose_answers`: it does so after it has done it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.requests: dict[RequestId, Request] = {}
        self.tries: dict[AttemptId, Attempt] = {}
        self.away = False
        self.lose_answers = False
        self.holder, self.token, self.until = "", 0, float("-inf")
        self.asked: Counter[str] = Counter()

    async def _turn(self, name: str) -> None:
        self.asked[name] += 1
        await asyncio.sleep(0.002)
        if self.away:
            raise StoreError("away")

    def _done(self) -> None:
        if self.lose_answers:
            raise StoreError("the answer was lost")

    # --- requests

    async def add(self, request: Request, *, idempotency_key: str = "", slot_limit: int = 0) -> Added:
        await self._turn("add")
        for known in self.requests.values():
            if (known.queue, known.number) == (request.queue, request.number) and known.state in OPEN:
                return Added(known, new=False)
        self.requests[request.request_id] = request
        return Added(request, new=True)

    async def get(self, request_id: RequestId) -> Request | None:
        await self._turn("get")
        return self.requests.get(request_id)

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        await self._turn("attempts")
        return [each for each in self.tries.values() if each.request_id == request_id]

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
        await self._turn("find")
        return [
            each
            for each in self.requests.values()
            if (not states or each.state in states) and number in ("", each.number) and queue in ("", each.queue)
        ][:limit]

    async def due(self, now: datetime, limit_per_queue: int = 200) -> Sequence[Request]:
        await self._turn("due")
        for each in list(self.requests.values()):
            if each.state is RequestState.SCHEDULED and each.due_at <= now:
                self._put(each, state=RequestState.WAITING)
        waiting = [each for each in self.requests.values() if each.state is RequestState.WAITING]
        waiting.sort(key=lambda each: (each.queue, -each.priority, each.entered_at, each.request_id))
        counts: Counter[str] = Counter()
        found = []
        for each in waiting:
            counts[each.queue] += 1
            if counts[each.queue] <= limit_per_queue and each.expires_at > now:
                found.append(each)
        return found

    async def next_due_at(self) -> datetime | None:
        return min((each.due_at for each in self.requests.values()), default=None)

    async def expire(self, now: datetime) -> Sequence[Request]:
        await self._turn("expire")
        over = [
            each
            for each in self.requests.values()
            if each.expires_at <= now and each.state in (RequestState.SCHEDULED, RequestState.WAITING)
        ]
        reason = {True: NOT_BEGUN, False: OUT_OF_TIME}
        return [
            self._put(each, state=RequestState.EXPIRED, ended_at=now, reason=reason[is_for_nobody_else(each)])
            for each in over
        ]

    async def booked(self, queue: str, begins: datetime, ends: datetime) -> Sequence[tuple[datetime, int]]:
        await self._turn("booked")
        counts = Counter(
            each.slot_at for each in self.requests.values() if each.slot_at is not None and each.state in OPEN
        )
        return [(at, count) for at, count in counts.items() if begins <= at < ends]

    async def change(
        self, request_id: RequestId, changes: dict[str, Any], *, at: datetime, slot_limit: int = 0
    ) -> Request | None:
        await self._turn("change")
        found = self.requests.get(request_id)
        if found is None or found.state not in (RequestState.SCHEDULED, RequestState.WAITING):
            return None
        found = self._put(found, **changes)
        return self._put(found, state=RequestState.SCHEDULED) if found.due_at > at else found

    async def cancel(self, request_id: RequestId, reason: str, at: datetime) -> Request | None:
        await self._turn("cancel")
        found = self.requests.get(request_id)
        if found is None or found.state not in (RequestState.SCHEDULED, RequestState.WAITING):
            return None
        return self._put(found, state=RequestState.CANCELLED, reason=reason, ended_at=at)

    async def last_number(self, number: Number, since: datetime) -> Sequence[Request]:
        return [each for each in self.requests.values() if each.number == number and each.created_at >= since]

    def _put(self, request: Request, **changes: Any) -> Request:
        changed = msgspec.structs.replace(request, **changes)
        self.requests[changed.request_id] = changed
        return changed

    # --- attempts

    async def claim(self, attempt: Attempt, lease: Lease) -> Attempt | None:
        await self._turn("claim")
        if lease.token != self.token or self.clock.monotonic() >= self.until:
            return None
        known = self.tries.get(attempt.attempt_id)
        if known is not None:
            return known
        request = self.requests.get(attempt.request_id)
        if request is None or request.state is not RequestState.WAITING:
            return None
        request = self._put(request, state=RequestState.DIALLING, fence=request.fence + 1)
        claimed = msgspec.structs.replace(attempt, fence=request.fence)
        self.tries[attempt.attempt_id] = claimed
        self._done()
        return claimed

    async def progress(
        self, attempt_id: AttemptId, state: AttemptState, at: datetime, *, cost: float | None = None
    ) -> None:
        await self._turn("progress")
        known = self.tries[attempt_id]
        self.tries[attempt_id] = msgspec.structs.replace(known, state=further(known.state, state))

    async def end_attempt(
        self, attempt_id: AttemptId, outcome: Outcome, cause: int, at: datetime, step: NextStep
    ) -> Request | None:
        await self._turn("end_attempt")
        known = self.tries.get(attempt_id)
        if known is None or known.state is AttemptState.ENDED:
            return None
        self.tries[attempt_id] = msgspec.structs.replace(
            known, state=AttemptState.ENDED, outcome=outcome, cause=cause, ended_at=at
        )
        request = self.requests[known.request_id]
        assert request.state is RequestState.DIALLING
        changes: dict[str, Any] = {
            name: getattr(step, name)
            for name in ("due_at", "entered_at", "expires_at")
            if getattr(step, name) is not None
        }
        ended = self._put(
            request,
            state=step.state,
            reason=step.reason,
            outcome=outcome,
            tries=request.tries + (outcome not in NOT_DIALLED),
            **changes,
        )
        self._done()
        return ended

    async def in_flight(self) -> Sequence[Attempt]:
        await self._turn("in_flight")
        return [each for each in self.tries.values() if each.state is not AttemptState.ENDED]

    # --- the right to dial

    async def lease(self, node: str, ttl_s: float, *, forerunner: int = 0) -> Lease | None:
        asked = self.clock.monotonic()
        await self._turn("lease")
        if self.holder not in ("", node) and self.clock.monotonic() < self.until:
            return None
        if self.holder != node or self.clock.monotonic() >= self.until:
            self.holder, self.token = node, self.token + 1
        self.until = self.clock.monotonic() + ttl_s
        return Lease(node, self.token, asked + ttl_s - MARGIN_S)

    async def release_lease(self, lease: Lease) -> None:
        if lease.token == self.token:
            self.holder = ""


@dataclass
class FakeLine:
    """A dial, as the trunk has it."""

    ask: OutboundAsk
    told: Callable[[DialNews], None] | None
    state: DialState = DialState.CALLING


@dataclass
class FakeExit:
    """`Exit`, with the record of what its customers did. `dials` counts the INVITEs of each attempt.

    `down`: Asterisk is out of reach; `lose`: it takes the dial, and its answer does not come.
    """

    clock: Clock
    dials: Counter[AttemptId] = field(default_factory=Counter)
    lines: dict[AttemptId, FakeLine] = field(default_factory=dict)
    pasts: dict[AttemptId, Past] = field(default_factory=dict)
    opted_out: list[str] = field(default_factory=list)
    watched: list[Callable[[], None]] = field(default_factory=list)
    verdict: Verdict | None = None
    down: bool = False
    lose: bool = False

    async def judge(self, ask: OutboundAsk) -> Verdict:
        return self.verdict or _allowed(ask)

    async def place(
        self,
        ask: OutboundAsk,
        attempt: AttemptId,
        told: Callable[[DialNews], None],
        *,
        ring_s: float,
        detect_voicemail: bool = False,
        may: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        await asyncio.sleep(0.002)
        verdict = self.verdict or _allowed(ask)
        if not verdict.allowed:
            return verdict
        if not may():
            return Verdict(False, "unavailable", not_before=self.clock.now() + timedelta(seconds=5))
        if self.down:
            raise AsteriskUnreachable("away")
        if attempt in self.dials:  # the dialplan's gate
            if attempt not in self.lines:
                asyncio.get_running_loop().call_soon(told, DialEnded(self.clock.now(), 0, already=True))
        else:
            self.dials[attempt] += 1
            self.lines[attempt] = FakeLine(ask, told)
        if self.lose:
            raise AsteriskUnreachable("no answer")
        return verdict

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        if attempt in self.lines:
            self.lines[attempt].told = told

    async def cancel(self, attempt: AttemptId) -> None:
        await self._reach()
        if attempt in self.lines and self.lines[attempt].state is DialState.CALLING:
            self.end(attempt, 16, "CANCEL")

    async def look(self, attempt: AttemptId) -> DialState:
        await self._reach()
        return self.lines[attempt].state if attempt in self.lines else DialState.ABSENT

    async def was_dialled(self, attempt: AttemptId) -> bool:
        await self._reach()
        return attempt in self.dials

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        self.watched.append(told)
        return lambda: None

    async def ended(self, attempt: AttemptId, number: Number, talk_s: float) -> float:
        return 0.0

    async def opt_out(self, number: Number, purpose: Purpose | None, source: str) -> None:
        self.opted_out.append(number)

    async def _reach(self) -> None:
        await asyncio.sleep(0.001)
        if self.down:
            raise AsteriskUnreachable("away")

    # --- what customers do

    @property
    def numbers(self) -> list[str]:
        """Who rings just now."""
        return [line.ask.number for line in self.lines.values() if line.state is DialState.CALLING]

    def ring(self, attempt: AttemptId) -> None:
        self._tell(attempt, DialRinging(self.clock.now()))

    def answer(self, attempt: AttemptId, *, machine: bool = False) -> None:
        self.lines[attempt].state = DialState.UP
        self._tell(attempt, DialAnswered(self.clock.now(), machine))

    def end(self, attempt: AttemptId, cause: int, status: str = "") -> None:
        """The channel is gone."""
        line = self.lines.pop(attempt)
        if line.told is not None:
            line.told(DialEnded(self.clock.now(), cause, status, answered=line.state is DialState.UP))

    def _tell(self, attempt: AttemptId, news: DialNews) -> None:
        told = self.lines[attempt].told
        if told is not None:
            told(news)

    # --- what the record says

    async def past(self, attempt: AttemptId) -> Past:
        return self.pasts.get(attempt, Past())

    async def open(self) -> Mapping[str, int]:
        return {}

    async def expected(self, queue: str, zone: str, now: datetime) -> Expected:
        return Expected()


def _allowed(ask: OutboundAsk) -> Verdict:
    facts = NumberFacts(Number(ask.number), "FR", NumberKind.MOBILE, ask.number, ("Europe/Paris",))
    return Verdict(True, facts=facts, caller_id=ask.caller_id)
