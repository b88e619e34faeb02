"""A `CallbackDesk` in memory, for tests of what stands on it: takes, changes, cancels, tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec

from controller.acd.model import AgentId, Refused
from controller.callback.model import (
    FINAL,
    Attempt,
    AttemptId,
    AttemptState,
    Request,
    RequestId,
    RequestState,
    Slot,
    When,
)
from controller.calls.callback.desk import Asked, Availability, Progress, Taken
from controller.errors import StoreError
from controller.numbering.model import Number
from controller.outbound.model import Purpose

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def open_queue(queue: str = "ventes", **changes: object) -> Availability:
    """Return a queue that is open, staffed, and calls at once."""
    now = Availability(queue, True, True, 2, 3, 70.0, True, None)
    return Availability(**{name: getattr(now, name) for name in Availability.__slots__} | changes)


@dataclass
class FakeCallbacks:
    """Requests by id. `refusal` answers everything that is asked; `away`: Postgres is."""

    queues: dict[str, Availability] = field(default_factory=lambda: {"ventes": open_queue()})
    times: list[Slot] = field(
        default_factory=lambda: [Slot(AT + timedelta(hours=2 + n), 1800.0, 2) for n in range(3)]
    )
    requests: dict[RequestId, Request] = field(default_factory=dict)
    current: dict[RequestId, Attempt] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    keys: dict[str, RequestId] = field(default_factory=dict)
    refusal: Refused | None = None
    away: bool = False
    looks_at_slots: int = 0
    now: datetime = AT
    _news: dict[RequestId, list[asyncio.Event]] = field(default_factory=dict)

    def availability(self, queue: str) -> Availability | None:
        return self.queues.get(queue)

    async def slots(self, queue: str, *, most: int = 200) -> Sequence[Slot] | Refused:
        self.looks_at_slots += 1
        self._reach()
        return self.refusal or self.times[:most]

    async def ask(self, asked: Asked) -> Taken | Refused:
        self.asked.append(asked)
        await asyncio.sleep(0)
        self._reach()
        if self.refusal:
            return self.refusal
        known = self.keys.get(asked.idempotency_key) if asked.idempotency_key else None
        if known:
            return Taken(self.requests[known], True, 1, 30.0, same_key=True)
        for each in self.requests.values():
            if (each.number, each.queue) == (asked.number, asked.queue) and each.state not in FINAL:
                return Taken(each, True, 1, 30.0)
        request = self._made(asked)
        self.requests[request.request_id] = request
        if asked.idempotency_key:
            self.keys[asked.idempotency_key] = request.request_id
        return Taken(request, False, len(self.requests), 60.0)

    async def change(
        self, request_id: RequestId, *, when: When, slot_at: datetime | None = None, number: str = ""
    ) -> Taken | Refused:
        request = self._open(request_id)
        if isinstance(request, Refused):
            return request
        state = RequestState.SCHEDULED if when is When.SLOT else RequestState.WAITING
        changed = msgspec.structs.replace(
            request,
            when=when,
            slot_at=slot_at,
            due_at=slot_at or self.now,
            state=state,
            number=Number(number or request.number),
        )
        self.put(changed)
        return Taken(changed, False, 1, 30.0)

    async def cancel(self, request_id: RequestId, reason: str) -> Request | Refused:
        request = self._open(request_id)
        if isinstance(request, Refused):
            return request
        self.put(msgspec.structs.replace(request, state=RequestState.CANCELLED, reason=reason))
        return self.requests[request_id]

    async def progress(self, request_id: RequestId) -> Progress | None:
        self._reach()
        request = self.requests.get(request_id)
        return None if request is None else Progress(request, self.current.get(request_id), 2, 45.0)

    async def watch(self, request_id: RequestId) -> AsyncIterator[Progress]:
        news = asyncio.Event()
        self._news.setdefault(request_id, []).append(news)
        try:
            while True:
                progress = await self.progress(request_id)
                if progress is None:
                    return
                yield progress
                if progress.request.state in FINAL:
                    return
                await news.wait()
                news.clear()
        finally:
            self._news[request_id].remove(news)

    async def find(
        self, *, states: Collection[RequestState] = (), queue: str = "", number: str = "", limit: int = 100
    ) -> Sequence[Request]:
        self._reach()
        found = [
            each
            for each in reversed(self.requests.values())
            if (not states or each.state in states) and queue in ("", each.queue) and number in ("", each.number)
        ]
        return found[:limit]

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        self._reach()
        return [self.current[request_id]] if request_id in self.current else []

    # --- what the tests do to it ---------------------------------------------------------------------------------

    def put(self, request: Request) -> None:
        """Let a request be as it is here, and tell its watchers."""
        self.requests[request.request_id] = request
        for each in self._news.get(request.request_id, []):
            each.set()

    def dial(self, request_id: RequestId, state: AttemptState = AttemptState.CLAIMED) -> None:
        """Let it be dialled as far as `state`."""
        request = self.requests[request_id]
        known = self.current.get(request_id)
        self.current[request_id] = (
            msgspec.structs.replace(known, state=state)
            if known
            else Attempt(
                attempt_id=AttemptId(uuid4().hex), request_id=request_id, fence=1, number=request.number,
                caller_id="+33353014700", agent=AgentId("claire"), node="n", claimed_at=self.now, state=state,
            )
        )  # fmt: skip
        self.put(msgspec.structs.replace(request, state=RequestState.DIALLING))

    def watchers(self, request_id: RequestId) -> int:
        """How many watch a request."""
        return len(self._news.get(request_id, []))

    def _made(self, asked: Asked) -> Request:
        state = RequestState.SCHEDULED if asked.when is When.SLOT else RequestState.WAITING
        return Request(
            request_id=RequestId(uuid4().hex), queue=asked.queue, number=Number(asked.number), when=asked.when,
            source=asked.source, purpose=asked.purpose or Purpose.REQUESTED, language=asked.language,
            zone=asked.zone or "Europe/Paris", created_at=self.now, entered_at=self.now,
            due_at=asked.slot_at or self.now, expires_at=self.now + timedelta(days=1), slot_at=asked.slot_at,
            state=state, customer=asked.customer, origin=asked.origin, consent=asked.consent, agent=asked.agent,
        )  # fmt: skip

    def _open(self, request_id: RequestId) -> Request | Refused:
        self._reach()
        if self.refusal:
            return self.refusal
        request = self.requests.get(request_id)
        if request is None:
            return Refused("unknown_request", "there is none")
        if request.state not in (RequestState.SCHEDULED, RequestState.WAITING):
            return Refused("too_late", "it is dialled, or over")
        return request

    def _reach(self) -> None:
        if self.away:
            raise StoreError("Postgres is away")
