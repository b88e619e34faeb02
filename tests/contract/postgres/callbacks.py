"""Requests and attempts for the tests of call-backs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec

from controller.acd.model import AgentId
from controller.callback.model import (
    Attempt,
    AttemptId,
    NextStep,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Source,
    When,
)
from controller.calls.callback.store import CallbackStore, Lease
from controller.outbound.model import Number, Purpose

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
_numbers = count(1)


def request(number: int = 0, /, **more: object) -> Request:
    """A request for `sales`, due since NOW, of a telephone number of its own unless `number` is given."""
    each = number or next(_numbers) + 10_000
    plain = Request(
        request_id=RequestId(f"{next(_numbers):032x}"),
        queue="sales",
        number=Number(f"+331990{each:05}"),
        when=When.ASAP,
        source=Source.WEB,
        purpose=Purpose.REQUESTED,
        language="fr",
        zone="Europe/Paris",
        created_at=NOW,
        entered_at=NOW,
        due_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )
    return msgspec.structs.replace(plain, **more)


def attempt(of: Request, **more: object) -> Attempt:
    """An attempt for `of` that nobody has claimed."""
    plain = Attempt(
        attempt_id=AttemptId(f"{0xA << 100 | next(_numbers):032x}"),
        request_id=of.request_id,
        fence=0,
        number=of.number,
        caller_id="+33199000000",
        agent=AgentId("claire.d"),
        node="one",
        claimed_at=NOW,
    )
    return msgspec.structs.replace(plain, **more)


async def held(callbacks: CallbackStore, node: str = "one", ttl_s: float = 30.0) -> Lease:
    lease = await callbacks.lease(node, ttl_s)
    assert lease is not None
    return lease


async def claimed(callbacks: CallbackStore, of: Request | None = None) -> Attempt:
    """An attempt for a request that was just added."""
    asked = of or request()
    assert (await callbacks.add(asked)).new
    found = await callbacks.claim(attempt(asked), await held(callbacks))
    assert found is not None
    return found


async def ended(
    callbacks: CallbackStore, of: Attempt, outcome: Outcome, state: RequestState, **more: object
) -> Request | None:
    return await callbacks.end_attempt(
        of.attempt_id,
        outcome,
        16,
        NOW + MINUTE,
        NextStep(state=state, **more),  # type: ignore[arg-type]
    )
