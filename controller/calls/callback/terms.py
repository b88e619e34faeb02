"""On what terms a queue calls its customers back: its hours, its slots, and the times of a request."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from controller.acd.model import Refused
from controller.callback.model import CallbackPlan, First, Request, RequestId, RequestState, Source, When
from controller.callback.promise import told_s
from controller.calls.callback.booking import Booking, hours_of
from controller.calls.callback.desk import Asked, Availability
from controller.calls.callback.means import Line
from controller.calls.callback.store import CallbackStore
from controller.flow.queuenow import QueuesNow
from controller.flow.queues import QueuePlan
from controller.outbound.model import OutboundAsk, Verdict
from controller.ports import Clock

CLICK_S = 10.0
"""An agent's own call that was not begun by then (the controller has died) is not begun later, out of the blue."""
SLOT_UNKNOWN = Refused("slot_unknown", "This time cannot be chosen.", "Choose one of those that are offered.")
SLOT_TAKEN = Refused("slot_taken", "This time has been taken by somebody else.", "Choose another one.")
_ZONES = available_timezones()

ON_THE_LINE_S = 15.0
"""Who asks by telephone hears what is promised, and hangs up, before the telephone rings again."""


def is_click(asked: Asked | Request) -> bool:
    """Tell whether an agent at work calls a customer: now, whatever the hours of the queue, or not at all."""
    return asked.source is Source.AGENT and asked.when is When.NOW


def is_for_nobody_else(request: Request) -> bool:
    """Tell whether a request is an agent's own call that was never begun: it has no place in the line.

    Once it was begun, a customer may have named another time in it: then it is a request like any other.
    """
    return is_click(request) and request.agent is not None and request.fence == 0


def in_utc(at: datetime | None) -> datetime | None:
    """Return the same instant in UTC: on a clock that shows an hour twice, no time of it equals any other's."""
    return at if at is None or at.tzinfo is None else at.astimezone(UTC)


class Terms:
    """See the module."""

    def __init__(self, store: CallbackStore, line: Line, queues: QueuesNow, booking: Booking, clock: Clock) -> None:
        self._store = store
        self._line = line
        self._queues = queues
        self._booking = booking
        self._clock = clock

    def plans(self, queue: str) -> tuple[QueuePlan, CallbackPlan] | Refused:
        """Return a queue that calls customers back, and how."""
        plan = self._line.plan(queue)
        if plan is None:
            return Refused("unknown_queue", f"There is no queue {queue[:40]}.", "Look at the names of the queues.")
        if plan.callback is None:
            return Refused("no_callbacks", f"Customers of {plan.title} are not called back.", "Call us instead.")
        return plan, plan.callback

    def availability(self, queue: str) -> Availability | None:
        """Return how a queue is for call-backs; None: no such queue, or it takes none."""
        plan = self._line.plan(queue)
        now = self._queues.get(queue)
        if plan is None or plan.callback is None or now is None:
            return None
        at = self._clock.now()
        opens_at = self._opens_at(plan, plan.callback, at)
        is_open = opens_at is not None and opens_at <= at
        staffed = self._line.staffed(queue)
        soon = now.estimate_s is not None and now.estimate_s <= plan.callback.now_within_s
        return Availability(
            queue=queue,
            open=is_open,
            staffed=staffed,
            free_agents=now.free_agents,
            waiting=now.waiting,
            estimate_s=now.estimate_s,
            now=is_open and staffed and (soon or now.free_agents > now.waiting),
            opens_at=opens_at if not is_open else None,
        )

    def _opens_at(self, plan: QueuePlan, callback: CallbackPlan, at: datetime) -> datetime | None:
        """Return when customers of the queue are called: `at` when its hours are on; None: never again."""
        calendar = hours_of(self._line.release, plan, callback)
        return calendar.next_open(at) if calendar is not None else at

    async def slot_limit(
        self, queue: str, plan: QueuePlan, callback: CallbackPlan, when: When, slot_at: datetime | None
    ) -> int | Refused:
        """Return how many may have the slot that is asked for; 0 where none is."""
        if when is not When.SLOT:
            return 0
        if slot_at is None or slot_at.tzinfo is None:
            return SLOT_UNKNOWN
        if all(slot.at != slot_at for slot in await self._booking.slots(queue, plan, callback)):
            limit = await self._booking.limit(queue, plan, callback, slot_at)
            booked = dict(await self._store.booked(queue, slot_at, slot_at + timedelta(seconds=1)))
            return SLOT_TAKEN if limit and booked.get(slot_at, 0) >= limit else SLOT_UNKNOWN
        return await self._booking.limit(queue, plan, callback, slot_at)

    def outbound(self, asked: Asked, callback: CallbackPlan) -> OutboundAsk:
        """Return what the gate is asked about a request."""
        return OutboundAsk(
            number=asked.number,
            purpose=asked.purpose or callback.purpose,
            caller_id=callback.caller_id,
            country=asked.country,
            zone=asked.zone,
            consent=asked.consent is not None,
            agent=asked.agent or "",
            expected_s=callback.handling_s,
        )

    def request(self, asked: Asked, plan: QueuePlan, callback: CallbackPlan, verdict: Verdict) -> Request:
        """Return the request for what is asked; the gate has understood its number."""
        facts, now = verdict.facts, self._clock.now()
        if facts is None:
            raise ValueError("a number that is not understood cannot be called")
        click = is_click(asked)
        on_the_line = asked.source in (Source.SVI, Source.QUEUE)
        times = self.times(
            asked.when, asked.slot_at, plan, callback, entered_at=asked.entered_at, on_the_line=on_the_line
        )
        if click:
            times |= {"due_at": now, "promised_at": None, "expires_at": now + timedelta(seconds=CLICK_S)}
        due_at = times["due_at"]
        return Request(
            request_id=RequestId(uuid.uuid4().hex),
            queue=asked.queue,
            number=facts.number,
            when=asked.when,
            source=asked.source,
            purpose=asked.purpose or callback.purpose,
            language=asked.language or self._language,
            zone=self._zone(asked.zone, facts.zones),
            created_at=now,
            first=First.AGENT if click else asked.first or callback.first,
            agent=asked.agent,
            priority=asked.priority,
            needs=asked.needs,
            customer=asked.customer,
            origin=asked.origin,
            consent=asked.consent,
            call_id=asked.call_id,
            state=RequestState.SCHEDULED if due_at > self._clock.now() else RequestState.WAITING,
            **times,
        )

    def times(
        self,
        when: When,
        slot_at: datetime | None,
        plan: QueuePlan,
        callback: CallbackPlan,
        *,
        entered_at: datetime | None = None,
        on_the_line: bool = False,
    ) -> dict[str, Any]:
        """Return the times of a request: its place, when it is due, what was promised, when it is given up.

        Promised is a slot's end, else what is told of the estimate (`controller.callback.promise`) from `due_at` on.
        `on_the_line`: the customer asks by telephone, and is left the time to hang up.
        """
        now = self._clock.now()
        if when is When.SLOT and slot_at is not None:
            due_at = slot_at
            promised_at: datetime | None = slot_at + timedelta(seconds=callback.slot_s)
        else:
            due_at = self._opens_at(plan, callback, now) or now
            if on_the_line:
                due_at = max(due_at, now + timedelta(seconds=ON_THE_LINE_S))
            estimate_s = self._queues[plan.rules.name].estimate_s if plan.rules.name in self._queues else None
            promised_at = due_at + timedelta(seconds=told_s(estimate_s)) if estimate_s is not None else None
        return {
            "entered_at": slot_at if when is When.SLOT else entered_at or now,
            "due_at": due_at,
            "promised_at": promised_at,
            "expires_at": due_at + timedelta(seconds=callback.expires_s),
            "slot_at": slot_at if when is When.SLOT else None,
            "slot_s": callback.slot_s if when is When.SLOT else 0.0,
        }

    @property
    def _language(self) -> str:
        return self._line.release.default_language if self._line.release is not None else "fr"

    def _zone(self, asked: str, likely: Sequence[str]) -> str:
        own = self._line.release.zone if self._line.release is not None else "UTC"
        return next((zone for zone in (asked, *likely[:1]) if zone in _ZONES), own)
