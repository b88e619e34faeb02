from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from controller.flow.commands import LookupFailed
from controller.flow.interpreter import CallFacts, FlowRun
from controller.simulator import simulation as simulation_module
from controller.simulator.caller import ScriptedCaller
from controller.simulator.scenario import read_scenarios
from controller.simulator.scenariorun import run_scenario
from controller.simulator.simulation import Simulation, trace_lines
from controller.simulator.suite import coverage, run_fuzz, run_random, run_suite
from controller.simulator.telephone import DialAnswer
from controller.simulator.wording import Wording
from tests.unit.simulator.centre import ANGLAIS, release

RELEASE = release()
SECRET = b"""
- name: a secret number
  do: [{press: 2}, {press: "4071#"}]
  http: {crm: {body: {vip: true, solde: 99}}}
  dial: {201: busy}
"""
GOLDEN = """\
00:00.00  call     +33612345678 → accueil (fr)
00:00.00  step     accueil.horaires → open
00:00.00  answers
00:00.00  says     Tapez un, deux, trois ou zéro.
00:02.60  presses  2
00:02.60  entry    2 (complete)
00:02.60  step     accueil.menu [2] → 2
00:02.60  says     Votre numéro, puis dièse.
00:05.30  entry    •••• (terminated)
00:05.30  step     accueil.client [••••] → next
00:05.30  asks     crm: ••••
00:05.40  answer   200 ••••
00:05.40  step     accueil.crm → next (status: 200)
00:05.40  step     accueil.tri → cases.1
00:05.40  dials    201
00:10.40  dialled  busy 0 s, cause 17
00:10.40  step     accueil.conseiller → busy (cause: 17, dial: 1, extension: "201", outcome: "busy")
00:10.40  says     Nous sommes fermés.
00:11.45  step     accueil.ferme → next
00:11.45  says     Au revoir.
00:12.15  step     accueil.fin → hangup
00:12.15  hangs up cause 16
00:12.15  end      completed by flow, cause 16"""


def test_a_trace_is_the_same_every_time_and_holds_no_secret():
    ((scenario,), _) = read_scenarios(SECRET, "accueil.test.yaml", RELEASE)
    results = [run_scenario(RELEASE, scenario) for _ in range(2)]
    assert "\n".join(trace_lines(results[0].call)) == GOLDEN
    assert trace_lines(results[1].call) == trace_lines(results[0].call)


def test_a_suite_tells_what_passed_and_what_was_covered():
    suite = run_suite(
        RELEASE,
        {
            "anglais.test.yaml": b"- name: hello\n  expect: {ends: end}\n",
            "accueil.test.yaml": b"- name: lunch\n  at: 2026-11-24T12:45\n  expect: {ends: menu}\n",
        },
    )
    assert [(each.scenario.name, each.passed) for each in suite.results] == [("lunch", False), ("hello", True)]
    assert not suite.passed
    accueil, anglais = suite.coverage
    assert (anglais.flow, anglais.percent, anglais.missing_steps, anglais.missing_exits) == ("anglais", 100, (), ())
    assert accueil.percent == 100 * 3 // len(RELEASE.flows["accueil"].steps)
    assert "menu" in accueil.missing_steps
    assert "horaires: open" in accueil.missing_exits
    assert "horaires: closed" not in accueil.missing_exits


def test_findings_in_a_file_fail_the_suite():
    suite = run_suite(RELEASE, {"anglais.test.yaml": b"- nam: hello\n"})
    assert suite.results == ()
    assert not suite.passed


def test_calls_at_random_all_end_and_can_be_repeated():
    calls = run_fuzz(RELEASE, seed=7, calls=150)
    assert {each.flow for each in calls} == {"accueil", "anglais"}
    assert [each.problems for each in calls if each.problems] == []
    again = run_random(RELEASE, calls[3].flow, calls[3].seed)
    assert trace_lines(again.call) == trace_lines(calls[3].call)
    reached = coverage(RELEASE, (each.call for each in calls))
    assert all(each.missing_steps == () for each in reached)


LOOP = """
flow: anglais
start: hello
languages: [en]
human_exit: {none: a test}
limits: {steps: 20}
prompts: {hello: {en: "Press one."}}
steps:
  hello:
    type: menu
    prompt: hello
    choices: {1: hello}
    no_input: {prompt: hello, then: end}
    invalid: {prompt: hello, then: end}
  end: {type: hangup}
"""


def test_a_caller_in_a_circle_is_let_go_by_the_limit():
    (scenario,), _ = read_scenarios(
        b"- name: x\n  do: [{press: 1111111111111111111111111111111111111111}]\n  expect: {disposition: limit}",
        "anglais.test.yaml",
        looping := release(**{"anglais.yaml": LOOP}),
    )
    assert run_scenario(looping, scenario).problems == ()


def simulate(**more):
    options = {
        "answers": lambda _flow, _request: (LookupFailed("unreachable"), 0.0),
        "dials": lambda _command: DialAnswer(),
    }
    at = datetime(2026, 11, 24, 10, tzinfo=ZoneInfo("Europe/Paris"))
    caller = ScriptedCaller(())
    return Simulation(RELEASE, "anglais", CallFacts(), at, caller, **{**options, **more}).run()


def test_a_call_without_an_end_is_told(monkeypatch):
    monkeypatch.setattr(simulation_module, "MAX_COMMANDS", 2)
    assert simulate().problems == ["the call has not ended after 2 commands"]


def test_a_state_that_comes_back_different_is_told(monkeypatch):
    monkeypatch.setattr(FlowRun, "state", lambda self: b"{}")
    assert "could not be read back" in simulate().problems[0]


def test_every_line_is_shown_as_it_comes():
    seen = []
    call = simulate(observer=seen.append)
    assert seen == call.trace


class Audio:
    def path(self, media):
        raise KeyError(media)

    def duration_s(self, media):
        if media == "fr/known":
            return 7.25
        raise KeyError(media)


def test_wording_knows_texts_fragments_notices_and_silence():
    wording = Wording(release(**{"anglais.yaml": ANGLAIS}), Audio())
    media = RELEASE.flows["anglais"].prompts["hello"].fixed["en"]
    assert (
        wording.text((*media, "say/fr/n-71", "silence/500", "fr/known"))
        == "Hello there. soixante et onze … <fr/known>"
    )
    assert wording.text(("say/en/excuse",)).startswith("We are sorry")
    assert wording.seconds(("fr/known",)) == 7.25
    assert wording.seconds(("silence/500",)) == 0.5
    assert wording.seconds(("say/fr/n-71",)) == pytest.approx(1.05)
    assert wording.seconds(("fr/unknown",)) == 3.0
