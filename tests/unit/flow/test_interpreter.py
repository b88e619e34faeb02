"""Runs of flows; every one is saved and reloaded at every wait (`Walk`)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.errors import FlowError
from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Dial,
    Dialled,
    DialOutcome,
    Event,
    Failed,
    Hangup,
    HungUp,
    LookedUp,
    Lookup,
    LookupFailed,
    Play,
    Played,
)
from controller.flow.interpreter import CallFacts, FlowRun
from controller.flow.prompts import tts_id
from controller.flow.steps.speech import Language
from controller.flow.trace import MASK, Disposition, EndedBy
from tests.unit.flow.centres import ACCUEIL, AT, NOBODY, Walk, flow, release

FR = {text: tts_id("fr", text) for text in ("Bonjour.", "Encore.", "Votre code.", "Solde", "Au revoir.", "Un.")}
EXCUSE = tts_id("fr", "Pardon, une panne.")


def test_say_menu_hangup() -> None:
    walk = Walk(release())
    assert walk.command == Answer()
    assert walk.feed(Answered()) == Play((FR["Bonjour."],))
    menu = walk.feed(Played())
    assert isinstance(menu, Collect)
    assert menu.media == ("fr/menu",)
    assert menu.rules.first_digit_s == 4.0
    assert menu.rules.choices == ("1", "2", "3", "0")
    walk.press("2")
    assert walk.run.language == "en"
    walk.press("0")
    assert isinstance(walk.command, Dial)
    assert (walk.command.extension, walk.command.number, walk.command.ring_s) == ("201", 1, 20.0)
    walk.feed(Dialled(DialOutcome.TALKED, 16, 42.0))
    assert walk.feed(Played()) == Hangup(16)
    assert walk.visits == [
        ("salut", "next"),
        ("menu", "2"),
        ("anglais", "next"),
        ("menu", "0"),
        ("poste", "next"),
        ("adieu", "hangup"),
    ]
    assert [step.seq for step in walk.steps] == [1, 2, 3, 4, 5, 6]
    assert walk.steps[4].detail["talk_s"] == 42.0
    assert walk.run.ending.disposition is Disposition.TALKED
    assert walk.run.ending.by is EndedBy.FLOW
    assert walk.run.finished
    assert walk.run.feed(Played(), AT) is None


@pytest.mark.parametrize(
    ("attempts", "exit_name"),
    [
        (["", "", ""], "no_input"),
        (["9", "9", "9"], "invalid"),
        (["", "9", ""], "no_input"),
        (["9", "", "9"], "invalid"),
    ],
)
def test_both_kinds_of_failure_together_never_exceed_the_attempts(attempts: list[str], exit_name: str) -> None:
    walk = Walk(release())
    walk.until(Collect)
    for digits in attempts:
        assert isinstance(walk.command, Collect)
        walk.feed(Collected(digits, CollectEnd.COMPLETE if digits else CollectEnd.NO_INPUT))
    assert isinstance(walk.command, Dial)
    walk.feed(HungUp())
    assert ("menu", exit_name) in [(s.step, s.exit) for s in walk.steps + walk.run.take_steps()]


def test_each_attempt_has_its_own_prompt() -> None:
    steps = (
        "a: {type: menu, prompt: p, attempts: 4, choices: {1: b}, "
        "no_input: {prompt: [q, p], then: b}, invalid: {then: b}}\nb: {type: hangup}"
    )
    walk = Walk(release(flow(steps, NOBODY)))
    un, deux = tts_id("fr", "Un."), tts_id("fr", "Deux.")
    heard = []
    for _ in range(3):
        command = walk.until(Collect)
        assert isinstance(command, Collect)
        heard.append(command.media)
        walk.feed(Collected("", CollectEnd.NO_INPUT))
    assert isinstance(walk.command, Collect)
    heard.append(walk.command.media)
    assert heard == [(un,), (deux, un), (un, un), (un, un)]


def to_crm(**facts: str) -> Walk:
    walk = Walk(release(), CallFacts("+33123456789", "+33612345678", "Zoé", **facts))
    walk.press("3")
    walk.press("4321", CollectEnd.TERMINATED)
    return walk


def test_a_secret_entry_leaves_no_trace() -> None:
    walk = to_crm()
    request = walk.command
    assert isinstance(request, Lookup)
    assert request.step == "crm"
    assert request.secret
    assert request.body == {"code": "4321", "number": "+33612345678"}
    assert walk.run.holds_secrets
    assert "4321" not in repr(walk.run._state)
    walk.feed(LookedUp(200, {"vip": False, "solde": 12.5}))
    entry = next(step for step in walk.steps + walk.run.take_steps() if step.step == "client")
    assert entry.digits == MASK
    assert "4321" not in repr(walk.steps)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (LookedUp(200, {"vip": True, "solde": 1.0}), ("crm", "next")),
        (LookedUp(200, {"vip": True}), ("crm", "failed")),
        (LookedUp(200, None), ("crm", "failed")),
        (LookedUp(200, [1, 2]), ("crm", "failed")),
        (LookedUp(404, None), ("crm", "status.404")),
        (LookedUp(503, "x"), ("crm", "status.5xx")),
        (LookedUp(403, {}), ("crm", "failed")),
        (LookupFailed("timeout"), ("crm", "failed")),
    ],
)
def test_http_leaves_by_status(event: Event, expected: tuple[str, str]) -> None:
    walk = to_crm()
    walk.feed(event)
    assert expected in [(s.step, s.exit) for s in walk.steps + walk.run.take_steps()]
    assert not walk.run.take_faults()


def test_values_are_spoken_in_fragments() -> None:
    walk = to_crm()
    said = walk.feed(LookedUp(200, {"vip": False, "solde": 12.5}))
    assert isinstance(said, Play)
    assert said.media[0] == FR["Solde"]
    assert len(said.media) > 1
    assert all(media.startswith("say/fr/") for media in said.media[1:])
    assert set(said.media) <= walk.release.media()


@pytest.mark.parametrize("solde", ["beaucoup", 1e300, [], {"a": 1}])
def test_a_value_that_cannot_be_spoken_is_an_apology(solde: Any) -> None:
    text = ACCUEIL.replace("{when: 'solde > 0.0', go: dire}", "{when: 'true', go: dire}")
    walk = Walk(release(text))
    walk.press("3")
    walk.press("4321")
    apology = walk.feed(LookedUp(200, {"vip": False, "solde": solde}))
    assert apology == Play((EXCUSE,), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    assert walk.run.ending.disposition is Disposition.FAILED
    assert str(solde) not in walk.run.ending.reason


def test_hours_follow_the_calendar() -> None:
    for at, expected in (
        (datetime(2026, 11, 24, 10, 0, tzinfo=UTC), "open"),
        (datetime(2026, 11, 24, 11, 30, tzinfo=UTC), "closed"),
        (datetime(2026, 12, 24, 10, 0, tzinfo=UTC), "closed"),
        (datetime(2026, 12, 25, 10, 0, tzinfo=UTC), "closed"),
    ):
        run = FlowRun.begin(release(), "accueil", CallFacts(), at)
        run.start(at)
        for event in (Answered(), Played(), Collected("1", CollectEnd.COMPLETE)):
            run.feed(event, at)
        assert ("heures", expected) in [(step.step, step.exit) for step in run.take_steps()]


@pytest.mark.parametrize("waits", range(12))
def test_a_hang_up_at_any_wait_ends_the_run(waits: int) -> None:
    walk = Walk(release())
    script: list[Event] = [
        Answered(),
        Played(),
        Collected("3", CollectEnd.COMPLETE),
        Collected("1", CollectEnd.TERMINATED),
        Collected("4321", CollectEnd.TERMINATED),
        LookedUp(200, {"vip": True, "solde": 1}),
        Dialled(DialOutcome.BUSY, 17),
        Collected("9", CollectEnd.COMPLETE),
        Collected("0", CollectEnd.COMPLETE),
        Dialled(DialOutcome.TALKED, 16, 3.0),
        Played(),
    ]
    for event in script[:waits]:
        assert walk.command is not None
        walk.feed(event)
    if isinstance(walk.command, Hangup):
        return
    assert walk.feed(HungUp(16)) is None
    assert walk.run.finished
    assert walk.run.ending.by is EndedBy.CALLER
    expected = Disposition.TALKED if waits >= 10 else Disposition.ABANDONED
    assert walk.run.ending.disposition is expected
    if waits:
        assert walk.steps[-1].exit == "hung_up"


def test_hanging_up_while_talking_is_talked() -> None:
    walk = Walk(release())
    walk.press("0")
    assert walk.feed(HungUp(16, talk_s=8.0)) is None
    assert walk.run.ending.disposition is Disposition.TALKED


def test_hanging_up_during_the_last_words_is_completed() -> None:
    walk = Walk(release(flow("a: {type: hangup, prompt: p}", NOBODY)))
    walk.feed(Answered())
    walk.feed(HungUp(16))
    assert walk.run.ending.disposition is Disposition.COMPLETED


HANGUP_FLOW = flow(
    "a: {type: menu, prompt: p, choices: {1: z}, no_input: {then: z}, invalid: {then: z}}\n"
    "gone: {type: set, set: {why: '\"left\"'}, next: tell}\n"
    "tell: {type: http, post: https://crm.example/left, body: {why: why}, next: z, failed: z}\n"
    "z: {type: hangup}",
    f"{NOBODY}\non_hangup: gone",
)


def test_on_hangup_runs_when_the_caller_has_gone() -> None:
    walk = Walk(release(HANGUP_FLOW))
    walk.until(Collect)
    request = walk.feed(HungUp(16))
    assert isinstance(request, Lookup)
    assert request.body == {"why": "left"}
    assert walk.feed(LookupFailed("timeout")) is None
    visits = [(s.step, s.exit) for s in walk.steps + walk.run.take_steps()]
    assert visits == [("a", "hung_up"), ("gone", "next"), ("tell", "failed"), ("z", "end")]
    assert walk.run.ending.disposition is Disposition.ABANDONED


def test_a_failed_command_is_an_apology_and_the_end() -> None:
    walk = Walk(release())
    walk.until(Collect)
    assert walk.feed(Failed("no such audio")) == Play((EXCUSE,), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    ending = walk.run.ending
    assert (ending.disposition, ending.by) == (Disposition.FAILED, EndedBy.SYSTEM)
    assert "no such audio" in ending.reason


def test_on_failure_follows_the_apology_once() -> None:
    text = ACCUEIL.replace("start: salut", "start: salut\non_failure: poste")
    walk = Walk(release(text))
    walk.until(Collect)
    walk.feed(Failed("no such audio"))
    assert isinstance(walk.feed(Played()), Dial)
    assert walk.feed(Failed("no such endpoint")) == Play((EXCUSE,), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    assert walk.run.ending.disposition is Disposition.FAILED


RECOVERING_SUB = """
flow: sub
start: a
languages: [fr, en]
on_failure: z
prompts: {p: {fr: Un., en: One.}}
steps:
  a: {type: say, prompt: p, next: z}
  z: {type: return, exit: done}
"""


def test_an_entered_flow_that_recovers_returns_as_if_nothing_had_been() -> None:
    main = flow("a: {type: subflow, flow: sub, exits: {done: b}}\nb: {type: hangup, prompt: p}", NOBODY)
    walk = Walk(release(main, sub=RECOVERING_SUB))
    walk.until(Play)
    assert walk.feed(Failed("x")) == Play((EXCUSE,), bargein=False)
    assert walk.feed(Played()) == Play((FR["Un."],), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    assert walk.visits == [("a", "fault"), ("z", "done"), ("a", "done"), ("b", "hangup")]
    assert walk.run.ending.disposition is Disposition.COMPLETED


@pytest.mark.parametrize("waits", [0, 3])
def test_when_even_the_apology_fails_the_call_ends(waits: int) -> None:
    walk = Walk(release())
    if waits:
        walk.until(Collect)
        walk.feed(Failed("x"))
    assert walk.feed(Failed("y")) == Hangup(41)
    assert walk.run.ending.disposition is Disposition.FAILED


def test_a_driver_that_answers_nonsense_is_a_fault() -> None:
    walk = Walk(release())
    walk.until(Collect)
    assert walk.feed(Dialled(DialOutcome.TALKED)) == Play((EXCUSE,), bargein=False)


def test_a_bug_in_a_step_ends_in_an_apology(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Language, run: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(Language, "enter", broken)
    walk = Walk(release())
    assert walk.press("2") == Play((EXCUSE,), bargein=False)
    fault = walk.run.take_faults()[0]
    assert (fault.step, "boom" in fault.traceback) == ("anglais", True)


def test_the_time_limit_is_an_apology() -> None:
    walk = Walk(release(ACCUEIL.replace("start: salut", "start: salut\nlimits: {duration: 1m, steps: 50}")))
    walk.until(Collect)
    assert walk.feed(Collected("2", CollectEnd.COMPLETE), after_s=120) == Play((EXCUSE,), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    ending = walk.run.ending
    assert (ending.disposition, ending.reason) == (Disposition.LIMIT, "longer than 60 s (limits: duration)")


def test_a_conversation_does_not_count_towards_the_time_limit() -> None:
    walk = Walk(release(ACCUEIL.replace("start: salut", "start: salut\nlimits: {duration: 1m, steps: 50}")))
    walk.press("0")
    assert isinstance(walk.feed(Dialled(DialOutcome.TALKED, 16, 3600.0), after_s=3610), Play)
    assert isinstance(walk.feed(Played()), Hangup)
    assert walk.run.ending.disposition is Disposition.TALKED


def test_the_step_limit_is_an_apology() -> None:
    walk = Walk(release(ACCUEIL.replace("start: salut", "start: salut\nlimits: {duration: 15m, steps: 9}")))
    for _ in range(20):
        walk.until(Collect)
        walk.feed(Collected("2", CollectEnd.COMPLETE))
        if isinstance(walk.command, Play):
            break
    assert walk.command == Play((tts_id("en", "Sorry, a fault."),), bargein=False)
    assert walk.feed(Played()) == Hangup(16)
    assert walk.run.ending.disposition is Disposition.LIMIT


def test_without_a_prompt_of_the_centre_the_fragment_apologises() -> None:
    walk = Walk(release(flow("a: {type: say, prompt: p, next: b}\nb: {type: hangup}", NOBODY), CENTRE_PLAIN))
    walk.feed(Answered())
    assert walk.feed(Failed("x")) == Play(("say/fr/excuse",), bargein=False)


CENTRE_PLAIN = "numbers: {'100': {flow: accueil}}\n"

SUB = """
flow: sub
start: a
languages: [fr, en]
inputs: [x, pin]
variables: {tries: "0", y: '"?"'}
prompts: {p: {fr: Un., en: One.}}
steps:
  a: {type: set, set: {tries: tries + 1, y: 'x + "!"'}, next: b}
  b: {type: say, prompt: p, next: c}
  c: {type: switch, cases: [{when: tries < 2, go: a}], else: d}
  d: {type: return, exit: done, values: {y: y, pin: pin}}
"""
MAIN = flow(
    "a: {type: subflow, flow: sub, with: {x: caller.name, pin: '\"1\"'}, save: {z: result.y}, exits: {done: b}}\n"
    "b: {type: http, post: 'https://crm.example/${z}', body: {z: z, at: now, from: called.number}, "
    "next: c, failed: c}\nc: {type: hangup}",
    NOBODY,
)


def test_subflows_have_variables_of_their_own() -> None:
    walk = Walk(release(MAIN, sub=SUB))
    request = walk.until(Lookup)
    assert isinstance(request, Lookup)
    assert request.url == "https://crm.example/Zo%C3%A9%21"
    assert request.body["from"] == "+33123456789"
    assert request.body["at"].endswith("Z")
    assert walk.feed(LookedUp(200, None)) == Hangup(16)
    assert walk.visits == [
        *[("a", "next"), ("b", "next"), ("c", "cases.1")],
        *[("a", "next"), ("b", "next"), ("c", "else"), ("d", "done")],
        *[("a", "done"), ("b", "next"), ("c", "hangup")],
    ]
    assert [s.flow for s in walk.steps] == ["sub"] * 7 + ["accueil"] * 3


def test_a_hang_up_inside_a_subflow_leaves_both() -> None:
    walk = Walk(release(MAIN, sub=SUB))
    walk.until(Play)
    assert walk.feed(HungUp()) is None
    left = walk.steps + walk.run.take_steps()
    assert [(s.flow, s.step, s.exit) for s in left][-2:] == [("sub", "b", "hung_up"), ("accueil", "a", "hung_up")]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("..", "https://crm.example/%2E%2E"),
        ("a/../../b?c=d#e", "https://crm.example/a%2F..%2F..%2Fb%3Fc%3Dd%23e"),
        ("{{7*7}}${now}", "https://crm.example/%7B%7B7%2A7%7D%7D%24%7Bnow%7D"),
        ("a\r\nX: y", "https://crm.example/a%0D%0AX%3A%20y"),
    ],
)
def test_a_callers_name_is_data(name: str, url: str) -> None:
    steps = "a: {type: http, get: 'https://crm.example/${caller.name}', next: b, failed: b}\nb: {type: hangup}"
    walk = Walk(release(flow(steps, NOBODY)), CallFacts("100", "", name))
    assert isinstance(walk.command, Lookup)
    assert walk.command.url == url


def test_a_header_cannot_be_split() -> None:
    steps = (
        "a: {type: http, get: https://crm.example/, headers: {X-Name: '${caller.name}'}, next: b, failed: b}\n"
        "b: {type: hangup}"
    )
    walk = Walk(release(flow(steps, NOBODY)), CallFacts("100", "", "a\r\nHost: evil"))
    assert not isinstance(walk.command, Lookup)
    assert walk.run.ending.disposition is Disposition.FAILED


@pytest.mark.parametrize(
    ("caller", "country"),
    [("+33612345678", "FR"), ("0612345678", "FR"), ("+442079460000", "GB"), ("", "?"), ("anonymous", "?")],
)
def test_the_callers_country(caller: str, country: str) -> None:
    steps = f"a: {{type: switch, cases: [{{when: 'caller.country == \"{country}\"', go: b}}], else: c}}\n"
    steps += "b: {type: hangup}\nc: {type: hangup}"
    walk = Walk(release(flow(steps, NOBODY)), CallFacts("100", caller))
    assert walk.command == Hangup(16)
    assert walk.run.take_steps()[0].exit == ("cases.1" if country != "?" else "else")


def test_digits_by_the_hundred_are_an_invalid_entry() -> None:
    walk = Walk(release())
    walk.press("9" * 500)
    assert isinstance(walk.command, Collect)
    walk.feed(Collected("0", CollectEnd.COMPLETE))
    assert len(walk.run.take_steps()[-1].digits) <= 64


def test_resuming_on_another_release_or_with_rubbish_is_refused() -> None:
    run = FlowRun.begin(release(), "accueil", CallFacts(), AT)
    run.start(AT)
    with pytest.raises(FlowError, match="load that one"):
        FlowRun.resume(release(ACCUEIL.replace("Bonjour.", "Salut.")), run.state())
    with pytest.raises(FlowError, match="cannot be read"):
        FlowRun.resume(release(), b"{}")
    with pytest.raises(FlowError, match="no flow"):
        FlowRun.begin(release(), "nothing", CallFacts(), AT)


def test_the_language_of_the_number_counts_where_the_flow_speaks_it() -> None:
    assert FlowRun.begin(release(), "accueil", CallFacts(language="en"), AT).language == "en"
    assert FlowRun.begin(release(), "accueil", CallFacts(language="xx"), AT).language == "fr"


def test_times_of_steps_are_the_times_fed() -> None:
    walk = Walk(release())
    walk.feed(Answered(), after_s=2)
    walk.feed(Played(), after_s=3)
    walk.feed(HungUp(), after_s=5)
    steps = walk.steps + walk.run.take_steps()
    assert [(s.entered_at - AT, s.left_at - AT) for s in steps] == [
        (timedelta(0), timedelta(seconds=5)),
        (timedelta(seconds=5), timedelta(seconds=10)),
    ]


def test_what_is_written_down_holds_no_secret() -> None:
    walk = to_crm()
    assert b"4321" in walk.run.state()
    assert b"4321" not in walk.run.durable_state()


def test_after_a_restart_the_caller_is_asked_for_the_secret_again() -> None:
    walk = to_crm()
    walk.run.take_steps()
    run = FlowRun.resume(walk.release, walk.run.durable_state())
    assert run.step_name == "client"
    asked = run.pending
    assert isinstance(asked, Collect)
    assert asked.secret
    assert [(step.step, step.exit) for step in run.take_steps()] == [("crm", "asked_again")]
    request = run.feed(Collected("9876", CollectEnd.TERMINATED), AT)
    assert isinstance(request, Lookup)
    assert request.body["code"] == "9876"


SECRET_SUB = """
flow: sub
start: pin
languages: [fr, en]
prompts: {p: {fr: Code., en: Code.}}
steps:
  pin: {type: collect, prompt: p, digits: {max: 4}, save: pin, secret: true, next: ok, failed: ok}
  ok: {type: return, exit: ok, values: {pin: pin}}
"""
SECRET_MAIN = flow(
    "enter: {type: subflow, flow: sub, exits: {ok: talk}, save: {pin: result.pin}}\n"
    'talk: {type: dial, extension: "201", next: use, busy: use, no_answer: use, failed: use}\n'
    "use: {type: http, post: https://crm.example/x, body: {pin: pin}, next: z, failed: z}\n"
    "z: {type: hangup}"
)


def test_a_conversation_is_not_touched_and_the_secret_is_asked_for_when_it_is_needed() -> None:
    walk = Walk(release(SECRET_MAIN, sub=SECRET_SUB))
    walk.press("4711")
    assert isinstance(walk.command, Dial)
    state = walk.run.durable_state()
    assert b"4711" not in state
    run = FlowRun.resume(walk.release, state)
    assert run.pending == walk.command
    asked = run.feed(Dialled(DialOutcome.TALKED, 16, 5.0), AT)
    assert isinstance(asked, Collect)
    assert (run.flow_name, run.step_name) == ("sub", "pin")
    assert isinstance(run.feed(Collected("4712", CollectEnd.COMPLETE), AT), Dial)
    request = run.feed(Dialled(DialOutcome.BUSY, 17), AT)
    assert isinstance(request, Lookup)
    assert request.body == {"pin": "4712"}
