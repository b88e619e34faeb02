"""Call-backs in scenarios: what the call finds, what came of it, and what is told when it was something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.callback.model import RequestId, When
from controller.flow.commands import (
    AskCallback,
    CallbackAsked,
    CallbackFound,
    CallbackNote,
    CancelCallback,
    ChangeCallback,
    FindCallback,
    ListSlots,
    OptOut,
    SlotsListed,
)
from controller.flow.loader import compile_release
from controller.flow.release import Release
from controller.simulator.callbackkinds import CallbackSpec, Given, OpenSpec, WishSpec, differences
from controller.simulator.callbacks import SimulatedCallbacks, Wish
from controller.simulator.scenario import read_scenarios
from controller.simulator.scenariorun import run_scenario
from controller.simulator.suite import run_fuzz

CENTRE = """
centre: Essai
languages: [fr]
numbers: {100: {flow: accueil}, "+33 1 23 45 67 89": {flow: accueil}}
outbound: {caller_id: "+33123456789"}
calendars: {bureau: {hours: {mon-fri: ["09:00-12:00", "14:00-18:00"]}}}
queues:
  support: {calendar: bureau, callback: {flow: client, slots: {length: 1h, ahead: 2d, notice: 1h}}}
  toujours: {callback: {flow: autre, slots: {length: 4h, ahead: 1d}}}
"""
ACCUEIL = """
flow: accueil
start: rappel
languages: [fr]
prompts: {non: {fr: Non.}}
steps:
  rappel: {type: callback, queue: support, done: fin, refused: non}
  fin: {type: hangup}
  non: {type: hangup, prompt: non}
"""
CLIENT = """
flow: client
start: m
languages: [fr]
prompts: {m: {fr: Tapez 1.}}
steps:
  m: {type: menu, prompt: m, choices: {1: q, 2: x}, no_input: {then: fin}, invalid: {then: fin}}
  q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}
  x: {type: callback_cancel, done: fin, none: fin, unavailable: fin}
  fin: {type: hangup}
"""
NOW = datetime(2026, 11, 24, 9, 10, tzinfo=UTC)  # a Tuesday, ten past ten in Paris
KNOWN = CallbackNote(RequestId("1" * 32), "support", "+33612345678", When.ASAP)


@pytest.fixture(scope="module")
def centre() -> Release:
    files = {"centre": CENTRE, "accueil": ACCUEIL, "client": CLIENT}
    files["autre"] = CLIENT.replace("flow: client", "flow: autre").replace("queue: support", "queue: toujours")
    return compile_release({f"{name}.yaml": text.encode() for name, text in files.items()}, {})


def hours(listed: object) -> list[str]:
    assert isinstance(listed, SlotsListed)
    return [slot.at.strftime("%d %H:%M") for slot in listed.slots]


def test_free_times_lie_in_the_hours_and_the_queues_rules(centre: Release) -> None:
    listed = SimulatedCallbacks(centre).perform(ListSlots("support"), NOW)
    first = ["24 13:00", "24 14:00", "24 15:00", "24 16:00", "25 08:00", "25 09:00", "25 10:00", "25 13:00"]
    assert hours(listed) == [*first, "25 14:00", "25 15:00", "25 16:00", "26 08:00", "26 09:00"]
    assert hours(SimulatedCallbacks(centre).perform(ListSlots("support", 2), NOW)) == first[:2]


def test_without_hours_any_time_is_free(centre: Release) -> None:
    listed = SimulatedCallbacks(centre).perform(ListSlots("toujours"), NOW)
    assert hours(listed) == ["24 11:00", "24 15:00", "24 19:00", "24 23:00", "25 03:00", "25 07:00"]


def test_a_request_is_found_in_its_queue(centre: Release) -> None:
    callbacks = SimulatedCallbacks(centre, known=KNOWN)
    assert callbacks.perform(FindCallback("support"), NOW) == CallbackFound(KNOWN)
    assert callbacks.perform(FindCallback(), NOW) == CallbackFound(KNOWN)
    assert callbacks.perform(FindCallback("toujours"), NOW) == CallbackFound()


def test_what_was_asked_for_is_there_until_it_is_cancelled(centre: Release) -> None:
    callbacks = SimulatedCallbacks(centre)
    callbacks.perform(AskCallback("support", 1, "06 12 34 56 78", When.ASAP, "fr", ""), NOW)
    callbacks.perform(ChangeCallback(RequestId("1"), When.SLOT, NOW), NOW)
    assert callbacks.perform(FindCallback(), NOW) != CallbackFound()
    callbacks.perform(CancelCallback(RequestId("1")), NOW)
    assert callbacks.perform(FindCallback(), NOW) == CallbackFound()
    callbacks.perform(OptOut(), NOW)
    assert [(wish.what, wish.when, wish.slot_at) for wish in callbacks.wishes] == [
        ("asked", "asap", None),
        ("changed", "slot", NOW),
        ("cancelled", "slot", NOW),
        ("never", "", None),
    ]


def test_a_number_that_is_none_is_refused_as_the_gate_does(centre: Release) -> None:
    asked = AskCallback("support", 1, "112", When.ASAP, "fr", "")
    assert SimulatedCallbacks(centre).perform(asked, NOW) == CallbackAsked(refused="kind")


def test_refusals_come_in_turn_and_the_last_one_stays(centre: Release) -> None:
    given = Given(CallbackSpec(refused=("slot_taken", "done")), centre, "+33612345678").callbacks
    asked = AskCallback("support", 1, "+33612345678", When.SLOT, "fr", "", slot_at=NOW)
    answers = [given.perform(asked, NOW) for _ in range(3)]
    assert [each.refused for each in answers] == ["slot_taken", "", ""]


def test_a_request_of_a_scenario_is_the_callers_and_lies_in_the_centres_zone(centre: Release) -> None:
    spec = OpenSpec("support", slot=datetime(2026, 11, 25, 14, 0), name="Zoé")  # noqa: DTZ001 - the centre's zone
    given = Given(CallbackSpec(open=spec, called=True), centre, "+33612345678")
    assert given.called is given.note
    assert given.note is not None
    assert (given.note.number, given.note.when, given.note.slot_s) == ("+33612345678", When.SLOT, 3600.0)
    assert given.note.slot_at is not None
    assert given.note.slot_at.astimezone(UTC) == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)


SLOT = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
ASKED = Wish("asked", "support", "+33612345678", "slot", SLOT)


@pytest.mark.parametrize(
    ("expected", "wishes", "told"),
    [
        (None, [ASKED], None),
        ("none", [], None),
        ("cancelled", [ASKED, Wish("cancelled", "support")], None),
        ("never", [Wish("never")], None),
        (WishSpec(queue="support", when="slot"), [ASKED], None),
        (WishSpec(slot=datetime(2026, 11, 25, 14, 0)), [ASKED], None),  # noqa: DTZ001 - the centre's zone
        ("none", [ASKED], "expected none, it was asked support slot 2026-11-25T14:00"),
        ("cancelled", [ASKED], "expected cancelled, it was asked"),
        (WishSpec(), [], "a request was expected, it was none"),
        (WishSpec(), [Wish("cancelled")], "a request was expected, it was cancelled"),
        (WishSpec(queue="ventes"), [ASKED], "queue: expected ventes, it was support"),
        (
            WishSpec(slot=datetime(2026, 11, 25, 15, 0)),  # noqa: DTZ001 - the centre's zone
            [ASKED],
            "slot: expected 2026-11-25T15:00, it was 2026-11-25T14:00",
        ),
        (WishSpec(number="+33353014700"), [ASKED], "number: expected +33353014700"),
    ],
)
def test_differences_are_told(expected: str | WishSpec | None, wishes: list[Wish], told: str | None) -> None:
    found = differences(expected, wishes, "Europe/Paris")
    assert (found == []) if told is None else (told in found[0])


def test_a_scenario_that_expected_something_else_says_so(centre: Release) -> None:
    text = """
- name: asked
  do: [{press: 1}, {press: 1}]
  expect: {callback: {queue: support, when: asap, number: "+33612345678"}}
- name: nothing
  do: [{press: 1}, {press: 1}]
  expect: {callback: none}
- name: called
  flow: client
  callback: {open: {queue: support}, called: true}
  do: [{press: 2}]
  expect: {callback: cancelled, says: ["annulée"]}
"""
    scenarios, findings = read_scenarios(text.encode(), "accueil.test.yaml", centre)
    assert not findings
    results = [run_scenario(centre, scenario) for scenario in scenarios]
    assert [result.passed for result in results] == [True, False, True]
    assert results[1].problems == ("callback: expected none, it was asked support asap",)


def test_calls_at_random_come_into_the_flows_of_call_backs_too(centre: Release) -> None:
    results = run_fuzz(centre, calls=300)
    assert {each.flow for each in results} == {"accueil", "client", "autre"}
    assert [(each.seed, each.problems) for each in results if each.problems] == []
    kinds = {wish.what for each in results for wish in each.call.wishes}
    assert {"asked", "cancelled"} <= kinds
