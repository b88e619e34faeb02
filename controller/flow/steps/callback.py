"""The `callback` step: a caller asks to be called back, chooses when, and changes or cancels what was asked before.

::

    rappel: {type: callback, queue: support, when: [asap, slot], number: confirm_caller, done: fin, refused: menu}

What is asked, one after the other, is a *mode* of the step, kept in its notes: an open request of the caller's number
(keep, change, cancel), the number (right, another), when (as soon as possible, a time), the day, the time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from controller.callback.model import RequestId, When
from controller.flow import callbackwords as said
from controller.flow.commands import (
    AskCallback,
    CallbackAsked,
    CallbackCancelled,
    CallbackFound,
    CallbackNote,
    CancelCallback,
    ChangeCallback,
    Collect,
    Collected,
    CollectEnd,
    Command,
    DigitRules,
    Event,
    FindCallback,
    HungUp,
    ListSlots,
    MediaId,
    Play,
    Played,
    SlotsListed,
)
from controller.flow.expressions import ValueType
from controller.flow.findings import Mark
from controller.flow.kinds import Integer, ListOf, Text, Word
from controller.flow.queuekinds import MAX_PRIORITY, Grades
from controller.flow.reading import Context, Expr
from controller.flow.refkinds import Assignments, Exit, Prompts, RefTo, Variable
from controller.flow.spoken.callbacks import BACK, MORE
from controller.flow.steps import slotmenu
from controller.flow.steps.base import Go, Moved, Next, Outcome, Returned, Step, Turn
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand

ASAP, SLOT = When.ASAP.value, When.SLOT.value
MAX_ANSWERS = 60
"""Of one caller in one step, right ones included: paging through times has an end."""
MAX_SLOTS = 120
_YES, _OTHER, _CANCEL = "1", "2", "3"
_SHORTEST, _LONGEST = 4, 17
"""Digits of a number as it is typed: with 00 and the country, or without."""
_ABOUT_NUMBER = frozenset({"unreadable", "invalid", "kind", "country"})
"""Refusals after which another number may do."""
_ABOUT_SLOT = frozenset({"slot_taken", "slot_unknown"})
_UNAVAILABLE, _TOO_LATE, _NO_SLOTS = "unavailable", "too_late", "no_slots"


class Callback(Step, frozen=True, kw_only=True):
    """Take a request to be called back; `done` once it stands and the caller has heard what was promised.

    A caller whose number has an open request for the queue hears it, and keeps, changes or cancels it; in a call that
    we made for a request, that one is changed. `refused`: nothing can be promised (`save` gives a variable the
    reason). `unavailable` (the database is away) and `no_input` (silence, or wrong keys, after the attempts) lead
    there as well, and `cancelled` to `done`, where they are not named.
    """

    type: ClassVar[str] = "callback"
    needs: ClassVar[frozenset[str]] = frozenset({"play", "collect", "callback"})
    human: ClassVar[bool] = True
    asks: ClassVar[bool] = True
    at_once: ClassVar[frozenset[str]] = frozenset({"refused", "unavailable"})

    queue: Annotated[str, RefTo("queue")]
    done: Moved
    refused: Next
    when: Annotated[tuple[str, ...], ListOf(Word(ASAP, SLOT), 1, 2)] = (ASAP, SLOT)
    number: Annotated[str, Word("confirm_caller", "caller", "ask")] = "confirm_caller"
    prompt: Annotated[tuple[str, ...], Prompts(4)] = ()
    reason: Annotated[str, Text()] = ""
    data: Annotated[dict[str, Expr], Assignments(writes=False)] = {}
    priority: Annotated[int, Integer(0, MAX_PRIORITY)] = 0
    skills: Annotated[dict[str, int], Grades()] = {}
    attempts: Annotated[int | None, Integer(1, 10)] = None
    save: Annotated[str, Variable(ValueType.TEXT)] = ""
    cancelled: Annotated[str, Exit(moves=True)] = ""
    no_input: Annotated[str, Exit()] = ""
    unavailable: Annotated[str, Exit()] = ""

    def examine(self, ctx: Context, mark: Mark) -> None:
        if len(set(self.when)) != len(self.when):
            ctx.findings.error(mark, "callback-when", "a word of 'when' stands twice", "write [asap, slot]")

    # --- life ---------------------------------------------------------------------------------------------------

    def enter(self, run: Turn) -> Outcome:
        if self.save:
            run.save(self.save, "")
        kept = run.place(self.queue)
        if kept is not None:
            run.local["entered_at"] = kept.isoformat()
        own = run.callback if run.is_called else None
        if own is not None:
            run.local["request"], run.local["phone"] = own.request, own.number
            return self._ask_when(run, self._intro(run))
        return FindCallback(self.queue)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:  # noqa: PLR0911 - one for each event
        match event:
            case CallbackFound():
                return self._found(run, event)
            case Collected():
                return self._answered(run, event)
            case SlotsListed():
                return self._listed(run, event)
            case CallbackAsked():
                return self._asked(run, event)
            case CallbackCancelled():
                return self._cancelled(run, event.refused)
            case Played():
                exit_name = run.local["exit"]
                return Go(exit_name, getattr(self, exit_name) or self.done)
        return super().resume(run, event)

    def gone(self, run: Turn, event: HungUp) -> Command | None:
        """Who asked in the queue to keep the place, and hangs up as soon as the number is known, is called back."""
        local = run.local
        known = local.get("mode") == "when" or (local.get("mode") == "number" and "typed" not in local)
        if known and "entered_at" in local and "phone" in local and ASAP in self.when and "request" not in local:
            return self._request(run, When.ASAP, None)
        return None

    # --- what there is already ----------------------------------------------------------------------------------

    def _found(self, run: Turn, event: CallbackFound) -> Outcome:
        if event.refused:
            return self._refuse(run, event.refused)
        caller = understand(run.caller, run.country)
        if isinstance(caller, NumberFacts):
            run.local["phone"] = caller.number
        if event.request is not None:
            run.about(event.request)
            run.local.update({"request": event.request.request, "phone": event.request.number})
            return self._ask_open(run, self._intro(run))
        if self.number == "caller" and "phone" in run.local:
            return self._ask_when(run, self._intro(run))
        if self.number == "ask" or "phone" not in run.local:
            return self._ask_typing(run, self._intro(run))
        return self._ask_number(run, self._intro(run))

    def _ask_open(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        promise = self._promise(run, run.callback) if run.callback is not None else ()
        heard = (*run.notice("callback-open"), *promise, *run.notice("callback-open-keys"))
        return self._menu(run, "open", (*before, *heard), _YES, _OTHER, _CANCEL)

    def _chosen_open(self, run: Turn, digits: str) -> Outcome:
        if digits == _YES:
            return Go("done", self.done)
        if digits == _CANCEL:
            return CancelCallback(RequestId(run.local["request"]))
        return self._ask_when(run)

    def _cancelled(self, run: Turn, refused: str) -> Outcome:
        if refused == _TOO_LATE:
            return self._say_and_leave(run, "refused", run.notice("callback-too-late"), refused)
        if refused:
            return self._refuse(run, refused)
        run.about(None)
        run.note(cancelled=True)
        return self._say_and_leave(run, "cancelled", run.notice("callback-cancelled"))

    # --- the number ---------------------------------------------------------------------------------------------

    def _ask_number(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        heard = said.number(run.language, run.local["phone"], run.country)
        return self._menu(run, "number", (*before, *heard, *run.notice("callback-confirm")), _YES, _OTHER)

    def _chosen_number(self, run: Turn, digits: str) -> Outcome:
        if digits == _OTHER:
            return self._ask_typing(run)
        run.local["confirmed"] = True
        return self._ask_when(run)

    def _ask_typing(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        run.local.pop("phone", None)
        run.local["mode"] = "typing"
        defaults = run.defaults
        rules = DigitRules(
            min=_SHORTEST,
            max=_LONGEST,
            end="#",
            first_digit_s=defaults.first_digit_s,
            inter_digit_s=max(defaults.inter_digit_s, 3.0),
            total_s=defaults.total_s,
        )
        return Collect((*before, *run.notice("callback-type")), rules)

    def _typed(self, run: Turn, digits: str) -> Outcome:
        facts = understand(digits, run.country)
        if not isinstance(facts, NumberFacts):
            return self._again(run, run.notice("callback-number-wrong"))
        run.local["phone"], run.local["typed"] = facts.number, True
        return self._ask_number(run)

    # --- when ---------------------------------------------------------------------------------------------------

    def _ask_when(self, run: Turn, before: tuple[MediaId, ...] = (), *, no_slots: bool = False) -> Outcome:
        asap, slot = self._offers(run)
        if asap and not slot:
            run.local["before"] = list(before)
            return self._request(run, When.ASAP, None)
        if not asap and (no_slots or not slot):
            return self._say_and_leave(run, "refused", (*before, *run.notice("callback-no-slot")), _NO_SLOTS)
        if not asap:
            return self._ask_slots(run, before)
        if no_slots:
            heard = run.notice("callback-no-slot") + run.notice("callback-when-asap")
            return self._menu(run, "when", (*before, *heard), _YES)
        heard = run.notice("callback-when-kept" if "entered_at" in run.local else "callback-when")
        return self._menu(run, "when", (*before, *heard), _YES, _OTHER)

    def _offers(self, run: Turn) -> tuple[bool, bool]:
        """Whether as soon as possible and a time are offered; who is called just now is offered a time alone."""
        return ASAP in self.when and not run.is_called, SLOT in self.when

    def _chosen_when(self, run: Turn, digits: str) -> Outcome:
        return self._request(run, When.ASAP, None) if digits == _YES else self._ask_slots(run)

    def _ask_slots(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        run.local["mode"], run.local["before"] = "slots", list(before)
        known = run.callback if "request" in run.local else None
        return ListSlots(known.queue if known is not None else self.queue, MAX_SLOTS)

    def _listed(self, run: Turn, event: SlotsListed) -> Outcome:
        if event.refused:
            return self._refuse(run, event.refused)
        before = tuple(run.local.pop("before", ()))
        if not event.slots:
            return self._ask_when(run, before, no_slots=True)
        slotmenu.keep(run, event.slots, run.local["phone"])
        return self._ask_day(run, 0, before)

    def _ask_day(self, run: Turn, page: int, before: tuple[MediaId, ...] = ()) -> Outcome:
        if not slotmenu.has_days(run):
            return self._ask_time(run, 0, before)
        heard, keys = slotmenu.days(run, page, back=self._offers(run)[0])
        return self._menu(run, slotmenu.DAY, (*before, *heard), *keys)

    def _ask_time(self, run: Turn, page: int, before: tuple[MediaId, ...] = ()) -> Outcome:
        heard, keys = slotmenu.times(run, page, back=slotmenu.has_days(run) or self._offers(run)[0])
        return self._menu(run, slotmenu.TIME, (*before, *heard), *keys)

    def _chosen_day(self, run: Turn, digits: str) -> Outcome:
        if digits == BACK:
            return self._ask_when(run)
        if digits == MORE:
            return self._ask_day(run, slotmenu.next_page(run))
        slotmenu.choose_day(run, digits)
        return self._ask_time(run, 0)

    def _chosen_time(self, run: Turn, digits: str) -> Outcome:
        if digits == BACK:
            return self._ask_day(run, 0) if slotmenu.has_days(run) else self._ask_when(run)
        if digits == MORE:
            return self._ask_time(run, slotmenu.next_page(run))
        return self._request(run, When.SLOT, slotmenu.chosen_time(run, digits))

    # --- the request --------------------------------------------------------------------------------------------

    def _request(self, run: Turn, when: When, slot_at: datetime | None) -> Command:
        local = run.local
        local["mode"] = "asking"
        if "request" in local:
            return ChangeCallback(RequestId(run.local["request"]), when, slot_at)
        heard = said.number(run.language, local["phone"], run.country)
        agreed = said.say(run.language, "callback-asap")
        if slot_at is not None:
            agreed = said.promise(run.language, slot_at, local["length_s"], local["zone"], run.at)
        entered = local.get("entered_at") if when is When.ASAP else None
        return AskCallback(
            queue=self.queue,
            number=run.next_ask(),
            phone=local["phone"],
            when=when,
            language=run.language,
            consent=said.words((*heard, *agreed)),
            slot_at=slot_at,
            entered_at=datetime.fromisoformat(entered) if entered else None,
            zone=local.get("zone", ""),
            priority=self.priority,
            needs=self.skills,
            reason=self.reason,
            data={name: _text(run.evaluate(expr)) for name, expr in self.data.items() if not run.is_secret(expr)},
        )

    def _asked(self, run: Turn, event: CallbackAsked) -> Outcome:
        if event.refused in _ABOUT_SLOT:
            return self._ask_slots(run, run.notice("callback-slot-taken"))
        if event.refused in _ABOUT_NUMBER and "request" not in run.local:
            run.note(refused=event.refused)
            return self._again(run, run.notice("callback-number-refused"), typing=True)
        if event.refused == _TOO_LATE:
            return self._say_and_leave(run, "refused", run.notice("callback-too-late"), event.refused)
        if event.refused:
            return self._refuse(run, event.refused)
        if event.request is None:
            return self._say_and_leave(run, "done", run.notice("callback-noted"))
        run.about(event.request)
        run.note(queue=event.request.queue, when=event.request.when.value)
        if event.request.slot_at is not None:
            run.note(slot=event.request.slot_at.astimezone(UTC).isoformat(timespec="minutes"))
        heard = tuple(run.local.pop("before", ()))
        if not run.local.get("confirmed") and "request" not in run.local:
            heard += said.number(run.language, event.request.number, run.country)
        return self._say_and_leave(
            run, "done", (*heard, *self._promise(run, event.request, estimate_s=event.estimate_s))
        )

    def _promise(self, run: Turn, request: CallbackNote, estimate_s: float | None = None) -> tuple[MediaId, ...]:
        centre = said.Centre(run.language, run.country, run.zone, run.at)
        return said.promised(centre, request, kept="entered_at" in run.local, estimate_s=estimate_s)

    # --- answers ------------------------------------------------------------------------------------------------

    def _menu(self, run: Turn, mode: str, heard: tuple[MediaId, ...], *keys: str) -> Collect:
        run.local["mode"], run.local["keys"] = mode, "".join(keys)
        return Collect(heard, DigitRules(first_digit_s=run.defaults.first_digit_s, choices=keys))

    def _answered(self, run: Turn, event: Collected) -> Outcome:
        local = run.local
        local["answers"] = local.get("answers", 0) + 1
        run.pressed(event.digits)
        if local["answers"] > MAX_ANSWERS:
            return self._give_up()
        if event.end is CollectEnd.NO_INPUT or not event.digits:
            return self._again(run, run.notice("callback-no-input"))
        if local["mode"] == "typing":
            return self._typed(run, event.digits)
        if event.digits not in local["keys"]:
            return self._again(run, run.notice("callback-invalid"))
        chosen: dict[str, Callable[[Turn, str], Outcome]] = {
            "open": self._chosen_open,
            "number": self._chosen_number,
            "when": self._chosen_when,
            slotmenu.DAY: self._chosen_day,
            slotmenu.TIME: self._chosen_time,
        }
        return chosen[local["mode"]](run, event.digits)

    def _again(self, run: Turn, before: tuple[MediaId, ...], *, typing: bool = False) -> Outcome:
        """Ask the same once more after a failed attempt; `typing`: ask for another number."""
        local = run.local
        local["failures"] = local.get("failures", 0) + 1
        if local["failures"] >= (self.attempts or run.defaults.attempts):
            return self._give_up()
        asked: dict[str, Callable[[], Outcome]] = {
            "open": lambda: self._ask_open(run, before),
            "number": lambda: self._ask_number(run, before),
            "when": lambda: self._ask_when(run, before, no_slots=_OTHER not in local["keys"]),
            slotmenu.DAY: lambda: self._ask_day(run, local["page"], before),
            slotmenu.TIME: lambda: self._ask_time(run, local["page"], before),
        }
        ask = asked.get("typing" if typing else local["mode"])
        return ask() if ask is not None else self._ask_typing(run, before)

    def _give_up(self) -> Go:
        return Go("no_input", self.no_input) if self.no_input else Go("refused", self.refused)

    def _refuse(self, run: Turn, reason: str) -> Go:
        self._tell(run, reason)
        if reason == _UNAVAILABLE and self.unavailable:
            return Go("unavailable", self.unavailable)
        return Go("refused", self.refused)

    def _say_and_leave(self, run: Turn, exit_name: str, heard: tuple[MediaId, ...], reason: str = "") -> Play:
        if reason:
            self._tell(run, reason)
        run.local["exit"] = exit_name if getattr(self, exit_name) else "done"
        return Play(heard)

    def _tell(self, run: Turn, reason: str) -> None:
        run.note(refused=reason)
        if self.save:
            run.save(self.save, reason)

    def _intro(self, run: Turn) -> tuple[MediaId, ...]:
        return run.media(self.prompt) if self.prompt else ()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:200]
