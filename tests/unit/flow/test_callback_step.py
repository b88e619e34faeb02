"""The steps about call-backs, run by hand: each wait is saved and read back, each command can be performed again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from controller.callback.model import RequestId, Source, When
from controller.flow.commands import (
    Answer,
    Answered,
    AskCallback,
    CallbackAsked,
    CallbackCancelled,
    CallbackFound,
    CallbackNote,
    CancelCallback,
    ChangeCallback,
    Collect,
    CollectEnd,
    Enqueue,
    FindCallback,
    Hangup,
    HungUp,
    ListSlots,
    OptedOut,
    OptOut,
    Play,
    Played,
    QueueExit,
    QueueLeft,
    SlotNote,
    SlotsListed,
)
from controller.flow.findings import Severity
from controller.flow.interpreter import CallFacts, Disposition
from controller.flow.loader import check_sources
from controller.flow.steps.callback import MAX_ANSWERS
from controller.flow.trace import StepRecord
from tests.unit.flow.centres import AT, CENTRE, NOBODY, RECORDINGS, Walk, flow, release, sources

CALLER = "+33612345678"
REQUEST = RequestId("a" * 32)
ENDS = "fin: {type: hangup}\nnon: {type: hangup, prompt: p}\nrien: {type: hangup, prompt: q}"
STEP = "c: {type: callback, queue: support, done: fin, refused: non"
QUEUE = (
    "q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin, "
    "offer_callback: {key: 1, go: c}}"
)
CLIENT = flow(
    "m: {type: menu, prompt: p, choices: {1: q}, no_input: {then: fin}, invalid: {then: fin}}\n"
    "q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}\n"
    "fin: {type: hangup}"
).replace("flow: accueil", "flow: client")
CENTRE_TOO = (
    f'{CENTRE.rstrip()}\noutbound: {{caller_id: "+33123456789"}}\n'
    "queues:\n  support: {calendar: bureau, callback: {flow: client}}\n  autre:\n"
)


def note(when: When = When.ASAP, slot_at: datetime | None = None, number: str = CALLER) -> CallbackNote:
    slot_s = 1800.0 if slot_at else 0.0
    return CallbackNote(REQUEST, "support", number, when, Source.SVI, slot_at=slot_at, slot_s=slot_s)


def slots(*hours: float) -> tuple[SlotNote, ...]:
    """Times so many hours after `AT`, which is 11:00 in Paris."""
    return tuple(SlotNote(AT + timedelta(hours=each), 1800.0) for each in hours)


def whole(steps: str) -> str:
    """The flow of `steps`, without the ends that nothing leads to."""
    head = "" if "type: callback," in steps else NOBODY
    ends = [line for line in ENDS.splitlines() if re.search(rf": {line.partition(':')[0]}[,}}]", steps)]
    used = [line for line in steps.splitlines() if line not in ENDS.splitlines() or line in ends]
    return flow("\n".join(used), head)


def walk(steps: str = f"{STEP}}}\n{ENDS}", caller: str = CALLER, called: CallbackNote | None = None) -> Walk:
    facts = CallFacts("+33123456789", caller, language="fr", callback=called)
    return Walk(release(whole(steps), CENTRE_TOO, client=CLIENT), facts)


def ended(walk: Walk) -> list[StepRecord]:
    """The steps of a call whose end is heard."""
    walk.until(Hangup)
    walk.steps += walk.run.take_steps()
    return walk.steps


def heard(walk: Walk) -> tuple[str, ...]:
    command = walk.command
    assert isinstance(command, Play | Collect)
    return tuple(media.removeprefix("say/fr/") for media in command.media)


def found(walk: Walk, request: CallbackNote | None = None) -> None:
    """What the caller's number has is looked up; the call is answered for what follows."""
    assert isinstance(walk.command, FindCallback)
    walk.feed(CallbackFound(request))
    if isinstance(walk.command, Answer):
        walk.feed(Answered())


def test_as_soon_as_possible_takes_two_keys_and_ends_with_the_promise() -> None:
    call = walk()
    assert call.command == FindCallback("support")
    found(call)
    assert heard(call) == ("callback-number", "n-0", "n-6", "n-12", "n-34", "n-56", "n-78", "callback-confirm")
    call.press("1")
    assert heard(call) == ("callback-when",)
    asked = call.press("1")
    assert isinstance(asked, AskCallback)
    assert (asked.queue, asked.number, asked.phone, asked.when) == ("support", 1, CALLER, When.ASAP)
    assert (asked.slot_at, asked.entered_at, asked.language, asked.priority, asked.needs) == (None, None, "fr", 0, {})
    assert asked.consent.startswith("Nous vous rappellerons au numéro suivant. zéro six douze")
    assert asked.consent.endswith("Nous vous rappellerons dès qu'un conseiller sera disponible.")
    call.feed(CallbackAsked(note(), estimate_s=250.0))
    assert heard(call) == ("callback-asap", "wait-5")
    call.feed(Played())
    assert call.visits == [("c", "done"), ("fin", "hangup")]
    assert call.run.ending.disposition is Disposition.COMPLETED
    assert call.steps[0].detail == {"queue": "support", "when": "asap"}


def test_a_time_is_chosen_by_day_and_hour_and_by_pages() -> None:
    call = walk()
    found(call)
    call.press("1")
    assert call.press("2") == ListSlots("support", 120)
    day_one, day_two = (3, 3.5, 4, 4.5, 5, 5.5, 6), (24, 24.5)
    call.feed(SlotsListed(slots(*day_one, *day_two)))
    assert heard(call)[:5] == ("callback-day", "today", "callback-press-1", "tomorrow", "callback-press-2")
    assert isinstance(call.command, Collect)
    assert call.command.rules.choices == ("1", "2", "*")
    call.press("1")
    assert heard(call)[:6] == ("callback-time", "between", "o-14", "and", "o-14", "n-30")
    assert call.command.rules.choices == ("1", "2", "3", "4", "5", "9", "*")
    call.press("9")
    assert call.command.rules.choices == ("1", "2", "9", "*")
    assert "o-16" in heard(call)
    call.press("9")  # the first page comes after the last
    assert heard(call)[:3] == ("callback-time", "between", "o-14")
    call.press("*")
    assert heard(call)[0] == "callback-day"
    call.press("2")
    asked = call.press("2")
    at = AT + timedelta(hours=24.5)
    assert isinstance(asked, AskCallback)
    assert (asked.when, asked.slot_at, asked.zone) == (When.SLOT, at, "Europe/Paris")
    call.feed(CallbackAsked(note(When.SLOT, at)))
    assert heard(call) == ("callback-tomorrow", "between", "o-11", "n-30", "and", "noon")


def test_one_day_is_not_asked_for_and_back_leads_to_when() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("2")
    call.feed(SlotsListed(slots(3, 3.5)))
    assert heard(call)[0] == "callback-time"
    call.press("*")
    assert heard(call) == ("callback-when",)


def test_from_the_queue_the_entry_time_is_kept() -> None:
    call = walk(f"{QUEUE}\n{STEP}}}\n{ENDS}")
    waiting = call.until(Enqueue)
    assert isinstance(waiting, Enqueue)
    call.feed(QueueLeft(QueueExit.CALLBACK, "support", 90.0), after_s=90.0)
    found(call)
    call.press("1")
    assert heard(call) == ("callback-when-kept",)
    asked = call.press("1")
    assert isinstance(asked, AskCallback)
    assert asked.entered_at == waiting.entered_at
    call.feed(CallbackAsked(note()))
    assert heard(call) == ("callback-asap", "callback-kept")


def test_who_hangs_up_after_the_key_of_the_queue_is_called_back() -> None:
    call = walk(f"{QUEUE}\n{STEP}}}\n{ENDS}")
    call.until(Enqueue)
    call.feed(QueueLeft(QueueExit.CALLBACK, "support", 90.0))
    found(call)
    asked = call.feed(HungUp())
    assert isinstance(asked, AskCallback)
    assert asked.phone == CALLER
    assert call.feed(CallbackAsked(note())) is None
    assert call.run.ending.disposition is Disposition.COMPLETED
    assert call.visits[-1] == ("c", "hung_up")


def test_who_hangs_up_elsewhere_has_asked_for_nothing() -> None:
    call = walk()
    found(call)
    assert call.feed(HungUp()) is None
    queued = walk(f"{QUEUE}\n{STEP}}}\n{ENDS}")
    queued.until(Enqueue)
    queued.feed(QueueLeft(QueueExit.CALLBACK, "support", 90.0))
    found(queued)
    queued.press("2")  # begins to give another number
    assert queued.feed(HungUp()) is None


@pytest.mark.parametrize(("typed", "number"), [("0353014700", "+33353014700"), ("00442079460958", "+442079460958")])
def test_another_number_is_typed_and_read_back(typed: str, number: str) -> None:
    call = walk()
    found(call)
    call.press("2")
    assert heard(call) == ("callback-type",)
    call.press("0199", CollectEnd.TERMINATED)
    assert heard(call) == ("callback-number-wrong", "callback-type")
    call.press(typed, CollectEnd.TERMINATED)
    assert heard(call)[0] == "callback-number"
    call.press("1")
    asked = call.press("1")
    assert isinstance(asked, AskCallback)
    assert asked.phone == number


@pytest.mark.parametrize("caller", ["", "anonymous", "alice", "17", "+8835100012345678"])
def test_a_caller_without_a_number_is_asked_for_one(caller: str) -> None:
    call = walk(caller=caller)
    found(call)
    assert heard(call)[-1] in ("callback-type", "callback-confirm")
    if caller != "+8835100012345678":
        assert heard(call) == ("callback-type",)


def test_the_callers_number_may_be_taken_without_a_question() -> None:
    call = walk(f"{STEP}, number: caller, when: [asap], prompt: p, reason: Panne, priority: 3}}\n{ENDS}")
    call.feed(CallbackFound())
    asked = call.command
    assert isinstance(asked, AskCallback)
    assert (asked.phone, asked.reason, asked.priority) == (CALLER, "Panne", 3)
    call.feed(CallbackAsked(note()))
    call.until(Play)
    assert heard(call)[1] == "callback-number"  # what was not confirmed is said with the promise
    assert heard(call)[-1] == "callback-asap"


def test_data_for_the_agent_leaves_secrets_out() -> None:
    steps = (
        'a: {type: set, set: {ville: \'"Nancy"\', n: "3", oui: "true"}, next: c}\n'
        f"{STEP}, number: caller, when: [asap], data: {{ville: ville, n: n, oui: oui}}}}\n{ENDS}"
    )
    call = walk(steps)
    call.feed(CallbackFound())
    assert isinstance(call.command, AskCallback)
    assert call.command.data == {"ville": "Nancy", "n": "3", "oui": "true"}


def test_an_open_request_is_kept() -> None:
    call = walk()
    found(call, note(When.SLOT, AT + timedelta(hours=24)))
    assert heard(call)[0] == "callback-open"
    assert heard(call)[-1] == "callback-open-keys"
    call.press("1")
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "done")


def test_an_open_request_is_given_another_time() -> None:
    call = walk()
    found(call, note())
    call.press("2")
    call.press("2")
    call.feed(SlotsListed(slots(24)))
    assert call.press("1") == ChangeCallback(REQUEST, When.SLOT, AT + timedelta(hours=24))
    call.feed(CallbackAsked(note(When.SLOT, AT + timedelta(hours=24))))
    assert heard(call)[0] == "callback-tomorrow"


def test_an_open_request_is_cancelled() -> None:
    call = walk(f"{STEP}, cancelled: rien}}\n{ENDS}")
    found(call, note())
    assert call.press("3") == CancelCallback(REQUEST)
    call.feed(CallbackCancelled())
    assert heard(call) == ("callback-cancelled",)
    call.feed(Played())
    assert ended(call)[0].exit == "cancelled"
    assert call.run.callback is None


def test_too_late_is_said() -> None:
    call = walk(f"{STEP}, save: motif}}\n{ENDS}")
    found(call, note())
    call.press("3")
    call.feed(CallbackCancelled("too_late"))
    assert heard(call) == ("callback-too-late",)
    call.feed(Played())
    assert ended(call)[0].exit == "refused"
    assert call.steps[0].detail == {"refused": "too_late"}


def test_a_number_that_is_not_called_may_be_replaced() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("1")
    call.feed(CallbackAsked(refused="country"))
    assert heard(call) == ("callback-number-refused", "callback-type")
    call.press("0353014700", CollectEnd.TERMINATED)
    call.press("1")
    asked = call.press("1")
    assert isinstance(asked, AskCallback)
    assert (asked.number, asked.phone) == (2, "+33353014700")


def test_a_time_that_was_taken_is_replaced() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("2")
    call.feed(SlotsListed(slots(3, 24)))
    call.press("1")
    call.press("1")
    call.feed(CallbackAsked(refused="slot_taken"))
    assert call.command == ListSlots("support", 120)
    call.feed(SlotsListed(slots(24)))
    assert heard(call)[:2] == ("callback-slot-taken", "callback-time")


def test_without_times_there_is_as_soon_as_possible_or_nothing() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("2")
    call.feed(SlotsListed())
    assert heard(call) == ("callback-no-slot", "callback-when-asap")
    call.press("7")
    assert heard(call) == ("callback-invalid", "callback-no-slot", "callback-when-asap")
    assert isinstance(call.press("1"), AskCallback)
    alone = walk(f"{STEP}, when: [slot], save: motif}}\n{ENDS}")
    found(alone)
    alone.press("1")
    alone.feed(SlotsListed())
    assert heard(alone) == ("callback-no-slot",)
    alone.feed(Played())
    assert ended(alone)[0].exit == "refused"


@pytest.mark.parametrize("named", [True, False])
def test_a_database_that_is_away_is_told_at_once(named: bool) -> None:
    call = walk(f"{STEP}{', unavailable: rien' if named else ''}, save: motif}}\n{ENDS}")
    call.feed(CallbackFound(refused="unavailable"))
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "unavailable" if named else "refused")


@pytest.mark.parametrize("place", ["slots", "ask", "cancel"])
def test_a_database_that_goes_away_on_the_way(place: str) -> None:
    call = walk(f"{STEP}, unavailable: rien}}\n{ENDS}")
    found(call, note() if place == "cancel" else None)
    if place == "cancel":
        call.press("3")
        call.feed(CallbackCancelled("unavailable"))
    else:
        call.press("1")
        call.press("2" if place == "slots" else "1")
        call.feed(SlotsListed(refused="unavailable") if place == "slots" else CallbackAsked(refused="unavailable"))
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "unavailable")


def test_silence_is_asked_again_and_ends() -> None:
    call = walk(f"{STEP}, attempts: 2, no_input: rien}}\n{ENDS}")
    found(call)
    call.press("", CollectEnd.NO_INPUT)
    assert heard(call)[0] == "callback-no-input"
    call.press("", CollectEnd.NO_INPUT)
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "no_input")


def test_paging_has_an_end() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("2")
    call.feed(SlotsListed(slots(*(3 + n / 2 for n in range(8)))))
    for _ in range(MAX_ANSWERS + 2):
        if not isinstance(call.command, Collect):
            break
        call.press("9")
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "refused")


def test_a_second_request_of_a_typed_number_tells_nothing_of_the_first() -> None:
    call = walk()
    found(call)
    call.press("1")
    call.press("1")
    call.feed(CallbackAsked(again=True))
    assert heard(call) == ("callback-noted",)
    call.feed(Played())
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "done")
    assert call.run.callback is None


def test_in_a_call_we_made_the_request_gets_another_time() -> None:
    call = walk(called=note())
    assert call.command == ListSlots("support", 120)  # as soon as possible is now
    call.feed(SlotsListed(slots(24)))
    call.until(Collect)
    assert call.press("1") == ChangeCallback(REQUEST, When.SLOT, AT + timedelta(hours=24))
    call.feed(CallbackAsked(note(When.SLOT, AT + timedelta(hours=24))))
    assert heard(call)[0] == "callback-tomorrow"
    assert call.feed(Played()) == Hangup()


def test_in_a_call_we_made_there_may_be_no_other_time() -> None:
    call = walk(f"{STEP}, when: [asap]}}\n{ENDS}", called=note())
    call.until(Play)
    assert heard(call) == ("callback-no-slot",)
    call.feed(Played())
    assert (ended(call)[0].step, call.steps[0].exit) == ("c", "refused")


FIND = "f: {type: callback_find, found: s, none: fin, unavailable: non}"
SWITCH = "s: {type: switch, cases: [{when: 'callback.when == \"slot\" && !callback.called', go: rien}], else: fin}"


def test_a_request_is_found_for_conditions() -> None:
    at = AT + timedelta(hours=24)
    for request, last in ((note(), "fin"), (note(When.SLOT, at), "rien")):
        call = walk(f"{FIND}\n{SWITCH}\n{ENDS}")
        call.feed(CallbackFound(request))
        call.until(Hangup)
        assert (ended(call)[0].step, call.steps[0].exit) == ("f", "found")
        assert call.visits[-1][0] == last
    nothing = walk(f"{FIND}\n{SWITCH}\n{ENDS}")
    nothing.feed(CallbackFound())
    assert (ended(nothing)[0].step, nothing.steps[0].exit) == ("f", "none")
    away = walk(f"{FIND}\n{SWITCH}\n{ENDS}")
    away.feed(CallbackFound(refused="unavailable"))
    assert (ended(away)[0].step, away.steps[0].exit) == ("f", "unavailable")


def test_the_request_we_call_for_needs_no_search() -> None:
    call = walk(f"{FIND}\n{SWITCH}\n{ENDS}", called=note())
    assert isinstance(call.command, Hangup)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("callback.open", True),
        ("callback.called", True),
        ("callback.queue", "support"),
        ("callback.when", "slot"),
        ("callback.slot_at", "2026-11-25T10:00:00Z"),
        ("callback.source", "web"),
        ("callback.name", "Zoé"),
        ("callback.reference", "C-1"),
        ("callback.reason", "Panne"),
        ("callback.tries", 2),
    ],
)
def test_conditions_read_the_request(name: str, value: object) -> None:
    request = CallbackNote(
        REQUEST,
        "support",
        CALLER,
        When.SLOT,
        Source.WEB,
        datetime(2026, 11, 25, 10, tzinfo=UTC),
        1800.0,
        "Europe/Paris",
        "Zoé",
        "C-1",
        "Panne",
        2,
    )
    literal = f'"{value}"' if isinstance(value, str) else str(value).lower()
    switch = f"a: {{type: switch, cases: [{{when: '{name} == {literal}', go: rien}}], else: fin}}\n{ENDS}"
    call = walk(switch, called=request)
    assert ended(call)[-1].step == "rien"
    nothing = walk(switch)
    assert ended(nothing)[-1].step == "fin"


CANCEL = "x: {type: callback_cancel, done: fin, none: non, unavailable: rien, save: motif}"


def test_cancelling_finds_the_request_first() -> None:
    call = walk(f"{CANCEL}\n{ENDS}")
    assert call.command == FindCallback("")
    assert call.feed(CallbackFound(note())) == CancelCallback(REQUEST)
    call.feed(CallbackCancelled())
    call.until(Play)
    assert heard(call) == ("callback-cancelled",)
    call.feed(Played())
    assert (ended(call)[0].step, call.steps[0].exit) == ("x", "done")


@pytest.mark.parametrize(
    ("event", "exit_name"),
    [
        (CallbackFound(), "none"),
        (CallbackFound(refused="unavailable"), "unavailable"),
    ],
)
def test_nothing_to_cancel(event: CallbackFound, exit_name: str) -> None:
    call = walk(f"{CANCEL}\n{ENDS}")
    call.feed(event)
    assert (ended(call)[0].step, call.steps[0].exit) == ("x", exit_name)


@pytest.mark.parametrize(("code", "exit_name"), [("unknown_request", "none"), ("too_late", "unavailable")])
def test_in_a_call_we_made_the_request_is_cancelled_at_once(code: str, exit_name: str) -> None:
    call = walk(f"{CANCEL}\n{ENDS}", called=note())
    assert call.command == CancelCallback(REQUEST)
    call.feed(CallbackCancelled(code))
    assert (ended(call)[0].step, call.steps[0].exit) == ("x", exit_name)


def test_never_again_is_said_and_done() -> None:
    steps = f"n: {{type: opt_out, done: fin, unavailable: rien, prompt: p}}\n{ENDS}"
    call = walk(steps)
    assert call.command == OptOut()
    call.feed(OptedOut())
    call.until(Play)
    assert call.command == Play(call.release.flows["accueil"].prompts["p"].fixed["fr"])
    called = walk(steps.replace("rien, prompt: p", "rien"), called=note())
    assert called.command == OptOut(REQUEST, CALLER)
    called.feed(OptedOut())
    called.until(Play)
    assert heard(called) == ("callback-never",)
    away = walk(steps)
    away.feed(OptedOut("unavailable"))
    assert (ended(away)[0].step, away.steps[0].exit) == ("n", "unavailable")


# --- checks ---------------------------------------------------------------------------------------------------


def rules(steps: str) -> list[str]:
    findings = check_sources(sources(whole(steps), CENTRE_TOO, client=CLIENT), RECORDINGS)
    return [finding.rule for finding in findings if finding.severity is not Severity.NOTE]


PIN = "a: {type: collect, prompt: p, digits: {max: 4}, save: pin, secret: true, next: c, failed: c}"
ROUND = "a: {type: menu, prompt: p, choices: {1: a}, no_input: {then: c}, invalid: {then: c}}"


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        (f"{STEP.replace('support', 'autre')}}}\n{ENDS}", "no-callbacks"),
        (f"{STEP.replace('support', 'suport')}}}\n{ENDS}", "unknown-queue"),
        (f"{STEP}, when: [asap, asap]}}\n{ENDS}", "callback-when"),
        (f"{STEP}, when: [now]}}\n{ENDS}", "word"),
        (f"{STEP}, number: other}}\n{ENDS}", "word"),
        (f"c: {{type: callback, queue: support, done: fin}}\n{ENDS}", "missing-key"),
        (
            f"{PIN}\n{STEP}, data: {{pin: pin}}}}\n{ENDS}",
            "secret-shown",
        ),
        (f"{ROUND}\n{STEP.replace('refused: non', 'refused: a')}}}\n{ENDS}", "silent-loop"),
    ],
)
def test_what_would_go_wrong_is_found(steps: str, rule: str) -> None:
    assert rule in rules(steps)


def test_a_call_back_is_a_way_to_a_person() -> None:
    assert rules(f"{STEP}}}\n{ENDS}") == []
