"""Takes requests to be called back, changes and cancels them, tells how they are (`CallbackDesk`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import msgspec
import structlog

from controller.acd.model import EntryId, Refused
from controller.callback.model import (
    FINAL,
    Attempt,
    NextStep,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Slot,
    When,
)
from controller.calls.callback.booking import Booking
from controller.calls.callback.desk import Asked, Availability, Progress, Taken
from controller.calls.callback.dialler import Dialler
from controller.calls.callback.flights import Ended, Flight
from controller.calls.callback.means import Exit, Line
from controller.calls.callback.news import Replied
from controller.calls.callback.store import Added, CallbackStore, NumberTaken, SlotTaken
from controller.calls.callback.terms import SLOT_TAKEN, Terms, in_utc, is_click, is_for_nobody_else
from controller.calls.callback.watching import Watchers
from controller.errors import StoreConflict, StoreError
from controller.outbound.model import Number, OutboundAsk, Verdict
from controller.ports import Clock

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

CANCEL_S = 5.0
"""So long a dial may take to end that is cancelled."""
LATER_S = 300.0
"""Who says on the telephone that they want to be called as soon as possible, but not now, is called after that."""
_OPEN = (RequestState.SCHEDULED, RequestState.WAITING, RequestState.DIALLING)
_MOST_OPEN = 50

UNAVAILABLE = Refused("unavailable", "What was asked for cannot be looked up just now.", "Try again in a moment.")
UNKNOWN_REQUEST = Refused("unknown_request", "There is no such request.", "Ask to be called anew.")
TOO_LATE = Refused("too_late", "The customer is being called, or it is over.", "Ask to be called anew afterwards.")
NOT_NOW = Refused("not_now", "Nobody can call at once.", "Ask to be called as soon as possible, or choose a time.")
ASKED_ALREADY = Refused(
    "number_taken", "The number has another open request in this queue.", "Cancel that one, or wait for its call."
)
NUMBER_TAKEN = Refused("number_taken", "The number has another open request.", "Change or cancel that one.")


def _stored(
    method: Callable[P, Coroutine[Any, Any, T | Refused]],
) -> Callable[P, Coroutine[Any, Any, T | Refused]]:
    """Turn what Postgres says against a request into a refusal."""

    @wraps(method)
    async def asked(*args: P.args, **more: P.kwargs) -> T | Refused:
        try:
            return await method(*args, **more)
        except SlotTaken:
            return SLOT_TAKEN
        except NumberTaken:
            return NUMBER_TAKEN
        except StoreConflict as error:
            return Refused("conflict", str(error), "Ask again.")
        except StoreError as error:
            log.warning("callbacks.store_away", error=str(error))
            return UNAVAILABLE

    return asked


class CallbackService:
    """See the module. `told` hears of every request that has changed; `serving`, see `Booking`."""

    def __init__(
        self,
        *,
        store: CallbackStore,
        line: Line,
        terms: Terms,
        way_out: Exit,
        dialler: Dialler,
        booking: Booking,
        clock: Clock,
        told: Callable[[Request], None],
    ) -> None:
        self._store = store
        self._line = line
        self._terms = terms
        self._exit = way_out
        self._dialler = dialler
        self._booking = booking
        self._clock = clock
        self._told = told
        self.watchers = Watchers(self.progress)
        """Who watches a request."""

    # --- how it is ----------------------------------------------------------------------------------------------

    def availability(self, queue: str) -> Availability | None:
        """See `CallbackDesk.availability`."""
        return self._terms.availability(queue)

    @_stored
    async def slots(self, queue: str, *, most: int = 200) -> Sequence[Slot] | Refused:
        """See `CallbackDesk.slots`."""
        plans = self._terms.plans(queue)
        if isinstance(plans, Refused):
            return plans
        return (await self._booking.slots(queue, *plans))[:most]

    async def progress(self, request_id: RequestId) -> Progress | None:
        """See `CallbackDesk.progress`."""
        flight = self._dialler.flight_of(request_id)
        if flight is not None:
            return _in_flight(flight)
        request = await self._store.get(request_id)
        if request is None:
            return None
        attempts = await self._store.attempts(request_id) if request.fence else ()
        return self._progress(request, attempts[-1] if attempts else None)

    def _progress(self, request: Request, attempt: Attempt | None) -> Progress:
        entry = EntryId(request.request_id)
        return Progress(request, attempt, self._line.position(entry), self._line.estimate_s(entry))

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        """Return all that was tried for a request, oldest first. Raises `StoreError`."""
        return await self._store.attempts(request_id)

    def watch(self, request_id: RequestId) -> AsyncIterator[Progress]:
        """See `CallbackDesk.watch`."""
        return self.watchers.watch(request_id)

    async def find(
        self, *, states: Collection[RequestState] = (), queue: str = "", number: str = "", limit: int = 100
    ) -> Sequence[Request]:
        """See `CallbackDesk.find`."""
        return await self._store.find(states=states, queue=queue, number=number, limit=limit)

    def flight_changed(self, flight: Flight) -> None:
        """An attempt has come further: who watches is told."""
        self.watchers.tell(_in_flight(flight))

    def changed(self, request: Request) -> None:
        """A request has changed: everybody is told."""
        self.watchers.tell(self._progress(request, None))
        self._told(request)

    # --- asking -------------------------------------------------------------------------------------------------

    @_stored
    async def ask(self, asked: Asked) -> Taken | Refused:
        """See `CallbackDesk.ask`."""
        asked = replace(asked, slot_at=in_utc(asked.slot_at))
        plans = self._terms.plans(asked.queue)
        if isinstance(plans, Refused):
            return plans
        plan, callback = plans
        click = is_click(asked)
        if asked.when is When.NOW and not click:
            availability = self.availability(asked.queue)
            if availability is None or not availability.now:
                return NOT_NOW
        limit = await self._terms.slot_limit(asked.queue, plan, callback, asked.when, asked.slot_at)
        if isinstance(limit, Refused):
            return limit
        verdict = await self._exit.judge(self._terms.outbound(asked, callback))
        if verdict.facts is None or not (verdict.allowed or (_later(verdict) and not click)):
            return Refused(verdict.code, verdict.message, verdict.advice)
        request = self._terms.request(asked, plan, callback, verdict)
        added = await self._store.add(request, idempotency_key=asked.idempotency_key, slot_limit=limit)
        return await self._added(asked, added)

    async def _added(self, asked: Asked, added: Added) -> Taken | Refused:
        """Put a new request where it belongs, and tell of it."""
        request, click = added.request, is_click(asked)
        if not added.new:
            if click and not (is_click(request) and request.agent == asked.agent):
                return ASKED_ALREADY
            refused = self._begun(request)
            return refused or self._taken(request, again=True, same_key=added.same_key)
        log.info("callbacks.asked", request=request.request_id, queue=asked.queue, when=asked.when.value)
        refused = self._begun(request)
        if refused is not None:
            await self._store.cancel(request.request_id, refused.message, self._clock.now())
            return refused
        if request.state is RequestState.WAITING:
            self._dialler.lineup.put(request)
        self.changed(request)
        return self._taken(request, again=False)

    def _begun(self, request: Request) -> Refused | None:
        """Begin an agent's own call, which waits for nobody else; one that a controller left so when it died, too."""
        waits = request.state is RequestState.WAITING and is_for_nobody_else(request)
        return self._dialler.at_once(request, request.agent) if waits and request.agent is not None else None

    def _taken(self, request: Request, *, again: bool, same_key: bool = False) -> Taken:
        entry = EntryId(request.request_id)
        estimate_s = self._line.estimate_s(entry)
        return Taken(request, again, self._line.position(entry), estimate_s, same_key)

    # --- changing -----------------------------------------------------------------------------------------------

    @_stored
    async def change(  # noqa: PLR0911 - one for each refusal
        self,
        request_id: RequestId,
        *,
        when: When,
        slot_at: datetime | None = None,
        number: str = "",
        call_id: str = "",
    ) -> Taken | Refused:
        """See `CallbackDesk.change`."""
        slot_at = in_utc(slot_at)
        request = await self._store.get(request_id)
        if request is None:
            return UNKNOWN_REQUEST
        plans = self._terms.plans(request.queue)
        if isinstance(plans, Refused):
            return plans
        plan, callback = plans
        if self._is_so(request, when, slot_at, number, call_id):
            return self._taken(request, again=True)
        limit = await self._terms.slot_limit(request.queue, plan, callback, when, slot_at)
        if isinstance(limit, Refused):
            return limit
        changes: dict[str, Any] = {
            "when": when,
            **self._terms.times(when, slot_at, plan, callback, on_the_line=bool(call_id)),
        }
        if when is not When.SLOT and request.when is not When.SLOT:
            changes["entered_at"] = request.entered_at
        verdict = await self._exit.judge(self._again(request, number)) if number else None
        if verdict is not None and (verdict.facts is None or not (verdict.allowed or _later(verdict))):
            return Refused(verdict.code, verdict.message, verdict.advice)
        if verdict is not None and verdict.facts is not None:
            changes["number"] = verdict.facts.number
        flight = self._dialler.flight_of(request_id)
        if flight is not None and flight.call_id == call_id:
            return self._change_in_call(flight, changes)
        return await self._change(request_id, changes, limit)

    @staticmethod
    def _is_so(request: Request, when: When, slot_at: datetime | None, number: str, call_id: str) -> bool:
        """Tell whether a request is what it is to be already."""
        in_call = request.state is RequestState.DIALLING and bool(call_id)
        same = (when, slot_at) == (request.when, request.slot_at) and number in ("", request.number)
        return same and not in_call and request.state not in FINAL

    async def _change(self, request_id: RequestId, changes: dict[str, Any], limit: int) -> Taken | Refused:
        changed = await self._store.change(request_id, changes, at=self._clock.now(), slot_limit=limit)
        if changed is None:
            return TOO_LATE
        self._dialler.lineup.remove(request_id)
        self._dialler.lineup.poke()
        self.changed(changed)
        return self._taken(changed, again=False)

    def _change_in_call(self, flight: Flight, changes: dict[str, Any]) -> Taken | Refused:
        """The customer whom we have called names another time: the attempt ends so, when the call does."""
        due_at = changes["due_at"]
        if changes["when"] is not When.SLOT:
            due_at = max(due_at, self._clock.now() + timedelta(seconds=LATER_S))
        step = NextStep(
            state=RequestState.SCHEDULED,
            due_at=due_at,
            entered_at=changes["entered_at"],
            expires_at=max(changes["expires_at"], due_at + timedelta(seconds=LATER_S)),
            reason="the customer named another time",
        )
        ended = Ended(outcome=Outcome.RESCHEDULED, at=self._clock.now(), step=step, changes=_kept(changes))
        self._dialler.tell(flight.call_id, Replied(ended))
        request = msgspec.structs.replace(flight.request, **{**changes, "due_at": due_at})
        return self._taken(request, again=False)

    def _again(self, request: Request, number: str) -> OutboundAsk:
        return OutboundAsk(
            number=number,
            purpose=request.purpose,
            zone=request.zone,
            consent=request.consent is not None,
            request=request.request_id,
        )

    @_stored
    async def cancel(self, request_id: RequestId, reason: str, *, call_id: str = "") -> Request | Refused:
        """See `CallbackDesk.cancel`."""
        flight = self._dialler.flight_of(request_id)
        if flight is not None and call_id and flight.call_id == call_id:
            self._dialler.tell(call_id, Replied(Ended(outcome=Outcome.DECLINED, at=self._clock.now())))
            return flight.request
        cancelled = await self._store.cancel(request_id, reason, self._clock.now())
        if cancelled is not None:
            self._dialler.lineup.remove(request_id)
            self.changed(cancelled)
            return cancelled
        if self._dialler.flight_of(request_id) is not None:
            refused = await self._dialler.cancel(request_id, reason, CANCEL_S)
            if refused is not None:
                return refused
        request = await self._store.get(request_id)
        if request is None:
            return UNKNOWN_REQUEST
        if request.state in (RequestState.SCHEDULED, RequestState.WAITING):  # the attempt ended otherwise
            return await self._store.cancel(request_id, reason, self._clock.now()) or TOO_LATE
        return request if request.state is RequestState.CANCELLED else TOO_LATE

    @_stored
    async def opt_out(
        self, number: str, *, source: str, request_id: RequestId | None = None, call_id: str = ""
    ) -> Refused | None:
        """See `CallbackDesk.opt_out`."""
        await self._exit.opt_out(Number(number), None, source)
        for request in await self._store.find(states=_OPEN, number=number, limit=_MOST_OPEN):
            in_call = call_id if request.request_id == request_id else ""
            done = await self.cancel(request.request_id, f"opted out ({source})", call_id=in_call)
            if isinstance(done, Refused) and done.code == UNAVAILABLE.code:
                return done
        return None


def _later(verdict: Verdict) -> bool:
    """Tell whether a call that may not be made now may be later: it is taken, and judged again then."""
    return verdict.not_before is not None and verdict.code in {"window", "frequency"}


def _kept(changes: dict[str, Any]) -> dict[str, Any]:
    """Return what the end of an attempt does not write down by itself."""
    return {name: changes[name] for name in ("when", "slot_at", "slot_s", "promised_at", "number") if name in changes}


def _in_flight(flight: Flight) -> Progress:
    """Return how a request is whose attempt is in progress: the flight keeps it as it was when it was claimed."""
    state = flight.request.state if flight.attempt.outcome is not None else RequestState.DIALLING
    return Progress(msgspec.structs.replace(flight.request, state=state), flight.attempt, 0, None)
