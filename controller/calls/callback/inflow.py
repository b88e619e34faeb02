"""What flows ask about call-backs, done with the desk: each is safe to perform again by a successor."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from controller.acd.model import Refused
from controller.callback.model import Consent, Customer, Request, RequestState, Source, When
from controller.calls.callback.desk import Asked, CallbackDesk, Taken
from controller.calls.callback.terms import ON_THE_LINE_S
from controller.calls.queueing.callref import CallRef
from controller.errors import StoreError
from controller.flow.commands import (
    AskCallback,
    CallbackAsked,
    CallbackCancelled,
    CallbackFound,
    CallbackNote,
    CancelCallback,
    ChangeCallback,
    FindCallback,
    ListSlots,
    OptedOut,
    OptOut,
    SlotNote,
    SlotsListed,
)
from controller.flow.release import Release
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand

log = structlog.get_logger(__name__)

CallbackCommand = FindCallback | ListSlots | AskCallback | ChangeCallback | CancelCallback | OptOut
CallbackEvent = CallbackFound | SlotsListed | CallbackAsked | CallbackCancelled | OptedOut
OPEN = (RequestState.SCHEDULED, RequestState.WAITING, RequestState.DIALLING)
SOURCE = "svi"
"""Who put a number on the opt-out list."""
_UNAVAILABLE = "unavailable"
_REASON = "the customer, by telephone"


def note_of(request: Request) -> CallbackNote:
    """Return what a flow is told of `request`: give it to the run of a call that is made for it, too."""
    return CallbackNote(
        request=request.request_id,
        queue=request.queue,
        number=request.number,
        when=request.when,
        source=request.source,
        slot_at=request.slot_at,
        slot_s=request.slot_s,
        zone=request.zone,
        name=request.customer.name,
        reference=request.customer.reference,
        reason=request.customer.reason,
        tries=request.tries,
    )


async def perform(  # noqa: PLR0911 - one for each command
    desk: CallbackDesk | None, call: CallRef, command: CallbackCommand, release: Release, now: datetime
) -> CallbackEvent:
    """Carry `command` out for `call`; without a desk everything is `unavailable`."""
    if desk is None:
        return _unavailable(command)
    match command:
        case FindCallback():
            return await _find(desk, call, command, release)
        case ListSlots():
            return await _list(desk, command)
        case AskCallback():
            return await _ask(desk, call, command, release, now)
        case ChangeCallback():
            return await _change(desk, call, command)
        case CancelCallback():
            done = await desk.cancel(command.request, _REASON, call_id=call.call_id)
            return CallbackCancelled(_why_not(done, call))
        case OptOut():
            return await _opt_out(desk, call, command, release)


def _unavailable(command: CallbackCommand) -> CallbackEvent:
    match command:
        case FindCallback():
            return CallbackFound(refused=_UNAVAILABLE)
        case ListSlots():
            return SlotsListed(refused=_UNAVAILABLE)
        case AskCallback() | ChangeCallback():
            return CallbackAsked(refused=_UNAVAILABLE)
        case CancelCallback():
            return CallbackCancelled(_UNAVAILABLE)
        case OptOut():
            return OptedOut(_UNAVAILABLE)


async def _find(desk: CallbackDesk, call: CallRef, command: FindCallback, release: Release) -> CallbackFound:
    facts = understand(call.caller_number, release.country)
    if not isinstance(facts, NumberFacts):
        return CallbackFound()
    try:
        found = await desk.find(states=OPEN, queue=command.queue, number=facts.number, limit=1)
    except StoreError as error:
        log.warning("callback.not_found_out", call_id=call.call_id, error=str(error))
        return CallbackFound(refused=_UNAVAILABLE)
    return CallbackFound(note_of(found[0]) if found else None)


async def _list(desk: CallbackDesk, command: ListSlots) -> SlotsListed:
    slots = await desk.slots(command.queue, most=command.most)
    if isinstance(slots, Refused):
        return SlotsListed(refused=slots.code)
    return SlotsListed(tuple(SlotNote(slot.at, slot.length_s) for slot in slots if slot.free > 0))


async def _ask(
    desk: CallbackDesk, call: CallRef, command: AskCallback, release: Release, now: datetime
) -> CallbackAsked:
    taken = await desk.ask(
        Asked(
            queue=command.queue,
            number=command.phone,
            when=command.when,
            source=Source.QUEUE if command.entered_at else Source.SVI,
            language=command.language,
            country=release.country,
            zone=command.zone,
            slot_at=command.slot_at,
            entered_at=command.entered_at,
            priority=command.priority,
            needs=command.needs,
            customer=Customer(reason=command.reason, data=command.data),
            consent=Consent(command.consent, release.hash, now, call_id=call.call_id),
            call_id=call.call_id,
            idempotency_key=f"{call.call_id}:{command.number}",
        )
    )
    if isinstance(taken, Taken) and taken.again and not taken.same_key:
        return CallbackAsked(again=True)
    return _asked(taken, call)


async def _change(desk: CallbackDesk, call: CallRef, command: ChangeCallback) -> CallbackAsked:
    taken = await desk.change(command.request, when=command.when, slot_at=command.slot_at, call_id=call.call_id)
    return _asked(taken, call)


async def _opt_out(desk: CallbackDesk, call: CallRef, command: OptOut, release: Release) -> OptedOut:
    facts = understand(command.phone or call.caller_number, release.country)
    if not isinstance(facts, NumberFacts):
        return OptedOut(facts.code)
    refused = await desk.opt_out(facts.number, source=SOURCE, request_id=command.request, call_id=call.call_id)
    return OptedOut(_why_not(refused, call))


def _asked(taken: Taken | Refused, call: CallRef) -> CallbackAsked:
    if isinstance(taken, Refused):
        return CallbackAsked(refused=_why_not(taken, call))
    estimate_s = taken.estimate_s if taken.estimate_s is not None else _promised_s(taken.request)
    return CallbackAsked(note_of(taken.request), estimate_s=estimate_s)


def _promised_s(request: Request) -> float | None:
    """Return the wait that was promised to somebody who is to be called as soon as they have hung up.

    They stand in no line yet. None for who has chosen a time, who is called when the hours begin, and where no wait
    was promised.
    """
    soon = request.due_at - request.created_at <= timedelta(seconds=2 * ON_THE_LINE_S)
    if request.when is When.SLOT or request.promised_at is None or not soon:
        return None
    return (request.promised_at - request.due_at).total_seconds()


def _why_not(answer: object, call: CallRef) -> str:
    """Return the code of a refusal, which the record of the step keeps; the log has the words."""
    if not isinstance(answer, Refused):
        return ""
    log.info("callback.refused", call_id=call.call_id, code=answer.code, reason=answer.message)
    return answer.code
