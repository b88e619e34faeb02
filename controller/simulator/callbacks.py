"""The call-backs of a simulated call: what was asked before, which times are free, and what the caller asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from controller.callback.model import CallbackPlan, RequestId, Source, When
from controller.callback.slots import Opening, open_slots
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
from controller.hours import Calendar
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand

CallbackCommand = FindCallback | ListSlots | AskCallback | ChangeCallback | CancelCallback | OptOut
CallbackEvent = CallbackFound | SlotsListed | CallbackAsked | CallbackCancelled | OptedOut
UNAVAILABLE, DONE = "unavailable", "done"
_AGENTS = 1000
"""Times are limited by the hours here, not by who works then."""
_ALWAYS_DAYS = 61
SLOT_S = 1800.0
"""How long the times last that a scenario names, where the queue does not say."""


class Wish(msgspec.Struct, frozen=True):
    """What a caller asked for: `asked`, `changed`, `cancelled`, or `never` to be called again."""

    what: str
    queue: str = ""
    number: str = ""
    when: str = ""
    slot_at: datetime | None = None


class SimulatedCallbacks:
    """Performs what a flow asks about call-backs.

    `known`: the open request of the caller's number. `slots`: the times that are free; None: all that the queue's
    hours and rules give. `refusal`: why what is asked for is refused, asked each time; "" when it is done.
    """

    def __init__(
        self,
        release: Release,
        *,
        known: CallbackNote | None = None,
        slots: Sequence[datetime] | None = None,
        refusal: Callable[[], str] = lambda: "",
        away: bool = False,
        estimate_s: float | None = None,
    ) -> None:
        self._release = release
        self._known = known
        self._slots = slots
        self._refusal = refusal
        self._away = away
        self._estimate_s = estimate_s
        self.wishes: list[Wish] = []

    def perform(self, command: CallbackCommand, now: datetime) -> CallbackEvent:
        """Carry `command` out at the time `now`."""
        match command:
            case FindCallback(queue=queue):
                known = self._known if self._known is not None and queue in ("", self._known.queue) else None
                return CallbackFound(refused=UNAVAILABLE) if self._away else CallbackFound(known)
            case ListSlots(queue=queue, most=most):
                return SlotsListed(refused=UNAVAILABLE) if self._away else self._list(queue, most, now)
            case AskCallback() | ChangeCallback():
                return self._ask(command)
            case CancelCallback():
                refused = self._refused()
                if not refused:
                    self._note("cancelled")
                return CallbackCancelled(refused)
            case OptOut():
                refused = self._refused()
                if not refused:
                    self._note("never")
                return OptedOut(refused)

    def _refused(self) -> str:
        return UNAVAILABLE if self._away else self._refusal()

    def _list(self, queue: str, most: int, now: datetime) -> SlotsListed:
        plan = self._release.queues[queue].callback
        if plan is None:
            return SlotsListed(refused="no_callbacks")
        if self._slots is not None:
            return SlotsListed(tuple(SlotNote(at.astimezone(UTC), plan.slot_s) for at in self._slots[:most]))
        openings = self._openings(plan, self._release.queues[queue].calendar, now)
        found = open_slots(plan, openings, lambda _at: _AGENTS, {}, now, self._release.zone)
        return SlotsListed(tuple(SlotNote(slot.at, slot.length_s) for slot in found[:most]))

    def _openings(self, plan: CallbackPlan, calendar: str, now: datetime) -> Iterator[Opening]:
        hours = self._release.calendars.get(plan.calendar or calendar)
        if not isinstance(hours, Calendar):
            yield now, now + timedelta(days=_ALWAYS_DAYS)
            return
        at: datetime | None = hours.next_open(now)
        while at is not None and at <= now + timedelta(seconds=plan.ahead_s):
            closes = hours.next_change(at)
            if closes is None:
                return
            yield at, closes
            at = hours.next_open(closes)

    def _ask(self, command: AskCallback | ChangeCallback) -> CallbackAsked:
        refused = self._refused()
        if refused:
            return CallbackAsked(refused=refused)
        if isinstance(command, AskCallback):
            facts = understand(command.phone, self._release.country)
            if not isinstance(facts, NumberFacts):
                return CallbackAsked(refused=facts.code)
            source = Source.QUEUE if command.entered_at else Source.SVI
            request = RequestId(f"{command.number:032x}")
            note = CallbackNote(request, command.queue, facts.number, command.when, source, zone=command.zone)
        else:
            note = self._known or CallbackNote(command.request, "", "", command.when)
        plan = self._release.queues[note.queue].callback if note.queue in self._release.queues else None
        length_s = plan.slot_s if plan is not None else SLOT_S
        note = msgspec.structs.replace(
            note, when=command.when, slot_at=command.slot_at, slot_s=length_s if command.slot_at else 0.0
        )
        self._known = note
        self._note("asked" if isinstance(command, AskCallback) else "changed")
        return CallbackAsked(note, estimate_s=self._estimate_s if command.when is not When.SLOT else None)

    def _note(self, what: str) -> None:
        note = self._known
        if note is None:
            self.wishes.append(Wish(what))
        else:
            self.wishes.append(Wish(what, note.queue, note.number, note.when.value, note.slot_at))
        if what in ("cancelled", "never"):
            self._known = None
