"""What call-backs need of Postgres, where their truth is. Every method raises `StoreError` when it is away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from controller.callback.model import (
    Attempt,
    AttemptId,
    AttemptState,
    NextStep,
    Outcome,
    Request,
    RequestId,
    RequestState,
)
from controller.errors import StoreConflict
from controller.outbound.model import Number

OUT_OF_TIME = "nobody could be reached in time"
NOT_BEGUN = "the agent's call could not be begun at once: call again"
"""Why requests expire."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to dial. `until` is on this process's monotonic clock, with a margin: nothing is dialled after it."""

    node: str
    token: int
    """Grows with every new holder; a claim with an older one is refused by the database."""
    until: float


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a new request: written (`new`), or one like it was there before."""

    request: Request
    new: bool
    same_key: bool = False
    """Not new because of its idempotency key: a retry of the same asker, not somebody else's request."""


class SlotTaken(StoreConflict):
    """The slot has no place left."""


class NumberTaken(StoreConflict):
    """The number has another open request for the queue."""


class CallbackStore(Protocol):
    """Requests, attempts, and the right to dial. What cannot be stored is a `StoreConflict`."""

    async def add(self, request: Request, *, idempotency_key: str = "", slot_limit: int = 0) -> Added:
        """Write a request down. The same key, or an open request of the number for the queue: that one comes back.

        `slot_limit`: how many open requests may have its slot, this one included (0: not looked at). However many
        ask at once, no more get it: the others raise `SlotTaken`.
        """

    async def get(self, request_id: RequestId) -> Request | None:
        """Return a request as it stands."""

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        """Return its attempts, oldest first."""

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
        """Return requests, newest first; `after` is the id of the last one seen."""

    async def due(self, now: datetime, limit_per_queue: int = 200) -> Sequence[Request]:
        """Return the first of each queue that are due by `now`, in the order of the line; they become waiting."""

    async def next_due_at(self) -> datetime | None:
        """Return when the next scheduled request falls due."""

    async def expire(self, now: datetime) -> Sequence[Request]:
        """End those that nobody may call any more, with `OUT_OF_TIME` or `NOT_BEGUN` as the reason; return them."""

    async def booked(self, queue: str, begins: datetime, ends: datetime) -> Sequence[tuple[datetime, int]]:
        """Return how many open requests have which slot."""

    async def claim(self, attempt: Attempt, lease: Lease) -> Attempt | None:
        """Write the attempt and make its request `dialling`, in one transaction; None: not waiting, or no right.

        The attempt that comes back has its fence. Once it has returned, the attempt is durable.
        """

    async def progress(
        self, attempt_id: AttemptId, state: AttemptState, at: datetime, *, cost: float | None = None
    ) -> None:
        """Note how far an attempt has come; never back."""

    async def end_attempt(
        self, attempt_id: AttemptId, outcome: Outcome, cause: int, at: datetime, step: NextStep
    ) -> Request | None:
        """End an attempt and put its request where it goes on, in one transaction; None: it had ended before."""

    async def in_flight(self) -> Sequence[Attempt]:
        """Return the attempts that have not ended, oldest first: what a new leader must look after."""

    async def change(
        self, request_id: RequestId, changes: dict[str, Any], *, at: datetime, slot_limit: int = 0
    ) -> Request | None:
        """Change fields of a request that is scheduled or waiting; None: it is not (any more).

        `changes`: new values by the names of `Request`'s fields. With a `due_at` after `at` it is scheduled.
        Raises `SlotTaken` (`slot_limit` as with `add`) and `NumberTaken`.
        """

    async def cancel(self, request_id: RequestId, reason: str, at: datetime) -> Request | None:
        """Cancel a request that is scheduled or waiting; None: it is not."""

    async def lease(self, node: str, ttl_s: float, *, forerunner: int = 0) -> Lease | None:
        """Take or keep the right to dial for `ttl_s` on the database's clock; None: another process has it.

        `forerunner` is the token of a process that is known to have ended: what it held is free for its successor.
        """

    async def release_lease(self, lease: Lease) -> None:
        """Give the right back."""

    async def last_number(self, number: Number, since: datetime) -> Sequence[Request]:
        """Return the requests of a number since then, newest first."""
