"""What people and flows ask of call-backs; `controller.calls.callback.service` answers, API and SVI ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from controller.acd.model import AgentId, Refused
from controller.callback.model import (
    Attempt,
    Consent,
    Customer,
    First,
    Origin,
    Request,
    RequestId,
    RequestState,
    Slot,
    Source,
    When,
)
from controller.outbound.model import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call-back as it is asked for; numbers and zones are not checked yet."""

    queue: str
    number: str
    when: When
    source: Source
    language: str
    country: str = ""
    """Where a number without a plus sign is from; "": the centre's."""
    zone: str = ""
    slot_at: datetime | None = None
    entered_at: datetime | None = None
    """From the queue: the place that is kept."""
    purpose: Purpose | None = None
    """None: the queue's."""
    first: First | None = None
    agent: AgentId | None = None
    priority: int = 0
    needs: dict[str, int] = field(default_factory=dict)
    customer: Customer = field(default_factory=Customer)
    origin: Origin = field(default_factory=Origin)
    consent: Consent | None = None
    call_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The request stands; `again`: it did before (same key, or the number's open request)."""

    request: Request
    again: bool
    position: int
    """In the line; 0: not in it yet."""
    estimate_s: float | None
    same_key: bool = False
    """With `again`: it was asked for with this very idempotency key, so by the same asker."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a button may be shown, and what it may offer."""

    queue: str
    open: bool
    """In its hours."""
    staffed: bool
    """Somebody who serves it is logged in."""
    free_agents: int
    waiting: int
    estimate_s: float | None
    now: bool
    """A call-back for `now` (or a call from the page) would be taken."""
    opens_at: datetime | None
    """When its hours begin again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a request is, for who watches it: the customer's page, a board, an agent's screen."""

    request: Request
    attempt: Attempt | None
    """The one in progress, else the last."""
    position: int
    estimate_s: float | None


class CallbackDesk(Protocol):
    """Takes requests, changes and cancels them, tells how they are. Refusals are values with code and advice.

    `Refused.code`: `unknown_queue`, `no_callbacks`, `not_now`, `slot_taken`, `slot_unknown`, `unknown_request`,
    `too_late` (dialled, or over), `unavailable` (Postgres is away), or the code of the outbound gate's verdict.
    """

    def availability(self, queue: str) -> Availability | None:
        """Return how a queue is for call-backs; None: no such queue, or it takes none."""

    async def slots(self, queue: str, *, most: int = 200) -> Sequence[Slot] | Refused:
        """Return the slots that can be booked, the soonest first."""

    async def ask(self, asked: Asked) -> Taken | Refused:
        """Take a request: durable once it is `Taken`."""

    async def change(
        self,
        request_id: RequestId,
        *,
        when: When,
        slot_at: datetime | None = None,
        number: str = "",
        call_id: str = "",
    ) -> Taken | Refused:
        """Give a request another time, or number. The same time again changes nothing.

        `call_id`: the customer says so on the telephone. In the call of its own attempt the request is changed
        although it is being dialled; the call goes on, and its attempt ends as `RESCHEDULED`.
        """

    async def cancel(self, request_id: RequestId, reason: str, *, call_id: str = "") -> Request | Refused:
        """Cancel a request; one that is cancelled comes back as it is.

        One that is being dialled is ended, unless somebody talks already. `call_id` as with `change`: the call goes
        on, and its attempt ends as `DECLINED`.
        """

    async def opt_out(
        self, number: str, *, source: str, request_id: RequestId | None = None, call_id: str = ""
    ) -> Refused | None:
        """Never call `number` again but for a call-back it asks for later; its open requests end. None: it is done.

        Safe to repeat. `request_id` and `call_id`: as with `cancel`, when it is said in a call that we made.
        """

    async def progress(self, request_id: RequestId) -> Progress | None:
        """Return how a request is; None: there is none. Raises `StoreError`."""

    def watch(self, request_id: RequestId) -> AsyncIterator[Progress]:
        """Tell how a request is: at once, at every change, and a last time in its final state."""

    async def find(
        self, *, states: Collection[RequestState] = (), queue: str = "", number: str = "", limit: int = 100
    ) -> Sequence[Request]:
        """Return requests, newest first. Raises `StoreError`."""
