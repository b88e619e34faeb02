"""Visits to the queues, voice messages and agents' wishes on the virtual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.acd.model import Queue
from controller.flow.commands import (
    AgentAct,
    AgentActed,
    AgentActKind,
    Collect,
    Collected,
    CollectEnd,
    DigitRules,
    Enqueue,
    HungUp,
    KeepMessage,
    MessageKept,
    Play,
    Played,
    QueueExit,
    QueueLeft,
    Record,
    Recorded,
)
from controller.flow.queuenow import QueueNow
from controller.flow.queues import QueuePlan, RecordRule
from controller.simulator.caller import HangUp, Press, RandomCaller, ScriptedCaller, Speak, Wait
from controller.simulator.clock import VirtualClock
from controller.simulator.console import simulate
from controller.simulator.scenario import read_scenarios
from controller.simulator.scenariorun import run_scenario
from controller.simulator.suite import run_fuzz, run_random
from controller.simulator.telephone import SimulatedTelephone
from controller.simulator.waiting import QueueAnswer
from tests.unit.simulator.centre import CENTRE, release

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
PLAN = QueuePlan(rules=Queue(name="support"), first_news_s=20.0, comfort_every_s=0.0)
ANSWERED = QueueAnswer()
COMMAND = Enqueue("support", 1, AT, "fr", wait_s=300.0, message_key="2", message_after_s=30.0)


class Line:
    """A telephone with a scripted caller and one answer of the queue; media last three seconds a piece."""

    def __init__(self, *acts, answer=ANSWERED, plan=PLAN, agent=""):
        self.clock = VirtualClock(AT)
        self.caller = ScriptedCaller(acts)
        self.said = []
        self.telephone = SimulatedTelephone(
            self.clock,
            self.caller,
            seconds=lambda media: 3.0 * len(media),
            dial=lambda _: pytest.fail("nobody dials here"),
            queue=lambda _: answer,
            agent=lambda _: agent,
            says=lambda media: self.said.append((self.clock.monotonic(), media)),
            plans={"support": plan} if plan else {},
        )

    def do(self, command):
        event = self.telephone.carry_out(command)
        return event, round(self.clock.monotonic(), 6)


def test_an_agent_answers_and_talks():
    line = Line(answer=QueueAnswer(after_s=40, talk_s=90, agent="claire.d"))
    assert line.do(COMMAND) == (QueueLeft(QueueExit.TALKED, "support", 40.0, 90.0, "claire.d"), 130)


@pytest.mark.parametrize("how", [QueueExit.FULL, QueueExit.CLOSED, QueueExit.FAILED])
def test_what_is_known_at_once_takes_no_time(how):
    assert Line(answer=QueueAnswer(how)).do(COMMAND) == (QueueLeft(how, "support"), 0)


def test_nobody_logged_in_is_left_at_once_only_where_the_step_wants_it():
    answer = QueueAnswer(QueueExit.NO_AGENTS)
    patient, hasty = COMMAND, Enqueue("support", 1, AT, "fr", wait_s=300.0, no_agents=True)
    assert Line(answer=answer).do(hasty) == (QueueLeft(QueueExit.NO_AGENTS, "support"), 0)
    assert Line(answer=answer).do(patient) == (QueueLeft(QueueExit.TIMEOUT, "support", 300.0), 300)


@pytest.mark.parametrize("answer", [QueueAnswer(QueueExit.TIMEOUT), QueueAnswer(after_s=301)])
def test_the_longest_wait_ends_it(answer):
    assert Line(answer=answer).do(COMMAND) == (QueueLeft(QueueExit.TIMEOUT, "support", 300.0), 300)


def test_the_longest_wait_counts_from_the_entry():
    line = Line(answer=QueueAnswer(QueueExit.TIMEOUT))
    before = Enqueue("support", 2, AT - timedelta(seconds=100), "fr", wait_s=300.0)
    assert line.do(before) == (QueueLeft(QueueExit.TIMEOUT, "support", 200.0), 200)


def test_an_offered_key_ends_the_wait():
    line = Line(Press("2"), answer=QueueAnswer(after_s=100))
    assert line.do(COMMAND) == (QueueLeft(QueueExit.MESSAGE, "support", 30.5), 30.5)
    both = Enqueue("support", 1, AT, "fr", wait_s=300.0, callback_key="1", callback_after_s=60.0, message_key="2")
    line = Line(Press("1"), answer=QueueAnswer(after_s=100))
    assert line.do(both) == (QueueLeft(QueueExit.CALLBACK, "support", 60.5), 60.5)


def test_a_key_counts_once_it_was_offered_and_others_never():
    line = Line(Wait(10), Press("2"), Wait(30), Press("7"), answer=QueueAnswer(after_s=100))
    assert line.do(COMMAND)[0].exit is QueueExit.TALKED
    line = Line(Press("7"), Press("2"), answer=QueueAnswer(after_s=100))
    assert line.do(COMMAND)[0].exit is QueueExit.TALKED
    assert line.caller.left == (Press("7"), Press("2"))  # for what comes next


def test_keys_pressed_before_and_meanwhile_are_not_the_next_entrys():
    line = Line(Wait(1), Press("9"), Wait(20), Press("8"), answer=QueueAnswer(after_s=25, talk_s=1))
    line.do(Play(("a",), bargein=False))
    line.do(COMMAND)
    assert line.do(Collect((), DigitRules()))[0] == Collected("", CollectEnd.NO_INPUT)


def test_a_caller_may_leave_while_waiting_and_while_talking():
    assert Line(Wait(12), HangUp(), answer=QueueAnswer(after_s=40)).do(COMMAND) == (HungUp(), 12)
    line = Line(Wait(50), HangUp(), answer=QueueAnswer(after_s=40))
    assert line.do(COMMAND) == (HungUp(talk_s=10.0), 50)
    assert line.do(Play(("a",)))[0] == HungUp(talk_s=10.0)


def test_what_is_told_while_waiting():
    plan = QueuePlan(rules=Queue(name="support"), record=RecordRule({"fr": ("fr/annonce",)}, 1.0))
    line = Line(plan=plan, answer=QueueAnswer(after_s=100, now=QueueNow(waiting=2, estimate_s=90.0)))
    line.do(COMMAND)
    assert line.said == [
        (0.0, ("fr/annonce",)),
        (20.0, ("say/fr/place-3", "say/fr/wait-2")),
        (30.0, ("say/fr/offer-message-2",)),
    ]
    line = Line(answer=QueueAnswer(after_s=15))
    line.do(COMMAND)
    assert line.said == []


def test_a_queue_without_a_plan_is_waited_in_silently():
    line = Line(Press("2"), plan=None, answer=QueueAnswer(after_s=100))
    assert line.do(COMMAND)[0].exit is QueueExit.MESSAGE
    assert line.said == []


# --- messages ---------------------------------------------------------------------------------------------

TAKE = Record(("fr/greeting",), 1, max_s=60.0, silence_s=5.0)


@pytest.mark.parametrize(
    ("acts", "event", "at"),
    [
        ([Speak(10)], Recorded(10.0), 18),  # three of greeting, ten of speech, five of silence
        ([Speak(10), Press("#")], Recorded(10.0), 13.5),
        ([], Recorded(0.0), 8),
        ([Press("#")], Recorded(0.0), 3.5),
        ([Speak(100)], Recorded(60.0), 63),
        ([Speak(58)], Recorded(58.0), 63),
        ([Speak(10), Wait(4), Press("#")], Recorded(4.0), 7),
        ([Speak(10), Wait(4), HangUp()], HungUp(recorded_s=4.0), 7),
        ([Wait(1), HangUp()], HungUp(), 1),
        ([Speak(10), HangUp()], HungUp(recorded_s=10.0), 13.5),
    ],
)
def test_a_message_ends_by_key_silence_length_or_hang_up(acts, event, at):
    assert Line(*acts).do(TAKE) == (event, at)


def test_a_message_is_heard_again_at_its_length():
    line = Line(Speak(10))
    line.do(TAKE)
    assert line.do(Play(("recording/1", "fr/more"))) == (Played(), 18 + 10 + 3)
    assert line.do(KeepMessage("support", 1, 10.0)) == (MessageKept(), 31)


@pytest.mark.parametrize("word", ["", "in_a_call"])
def test_an_agents_wish_is_done_or_refused(word):
    assert Line(agent=word).do(AgentAct(AgentActKind.LOGIN)) == (AgentActed(word), 0)


# --- scenarios --------------------------------------------------------------------------------------------

FLOW = """
flow: file
start: tri
languages: [fr]
prompts: {foule: {fr: "Il y a foule."}, encore: {fr: "Encore un instant."}}
steps:
  tri:
    type: switch
    cases: [{when: queues.support.waiting > 5, go: foule}]
    else: attente
  foule: {type: say, prompt: foule, next: attente}
  attente:
    type: queue
    queue: support
    leave_message: {key: 2, after: 20s, go: message}
    next: fin
    timeout: encore
    full: encore
    closed: message
    failed: message
  encore: {type: menu, prompt: encore, choices: {1: tri}, no_input: {then: message}, invalid: {then: message}}
  message: {type: voicemail, queue: support, next: fin, none: fin}
  fin: {type: hangup}
"""
AGENTS = """
flow: codes
start: login
languages: [fr]
human_exit: {none: a test}
steps:
  login: {type: agent_login, done: fin, refused: fin}
  fin: {type: hangup}
"""
QUEUES = "queues:\n  support: {wait: 5m}\n  autre: {}\n"


def centre():
    text = CENTRE.replace("calendars:", f"{QUEUES}calendars:").replace(
        "numbers:", 'numbers:\n  "100": {flow: file}\n  "*11": {flow: codes}'
    )
    return release(**{"centre.yaml": text, "file.yaml": FLOW, "codes.yaml": AGENTS})


def run(text, file="file.test.yaml"):
    found = centre()
    scenarios, findings = read_scenarios(text.encode(), file, found)
    assert [str(each) for each in findings] == []
    return [run_scenario(found, each) for each in scenarios]


GOOD = """
- name: somebody answers
  queues: {support: {after: 40s, talk: 2m, agent: claire.d}}
  expect: {path: [tri, attente, fin], queues: [support], messages: [], disposition: talked}
- name: first a crowd, then not
  do: [{press: 1}]
  queues: {support: [{outcome: timeout, waiting: 9}, talked]}
  expect: {path: [tri, foule, attente, encore, tri, attente, fin], queues: [support, support]}
- name: a message
  do: [{press: 2}, {speak: 8s}, {press: "#"}, {press: 1}]
  queues: {support: {after: 2m}}
  expect: {path: [tri, attente, message, fin], messages: [support], says: ["Pour laisser un message"]}
- name: closed, and nothing is said
  queues: {support: closed}
  expect: {path: [tri, attente, message, fin], messages: [], says: ["Nous n'avons rien entendu."]}
- name: a code
  to: "*11"
  agent: {login: not_today}
  expect: {path: [login, fin], acts: [login]}
"""


def test_scenarios_say_how_the_queues_are_and_what_comes_of_them():
    assert [(each.scenario.name, each.problems) for each in run(GOOD) if not each.passed] == []


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ("- {name: x}", "the queue support was entered, and the scenario does not say how it went"),
        ("- {name: x, queues: {support: talked}, expect: {queues: []}}", "queues: (- expected, + what came)"),
        ("- {name: x, queues: {support: closed}, expect: {messages: [support]}}", "messages: (- expected"),
        ("- {name: x, queues: {support: talked}, expect: {acts: [login]}}", "acts: (- expected"),
        ("- {name: x, queues: {support: talked}, do: [{speak: 3s}]}", "left are speak"),
    ],
)
def test_what_does_not_come_is_told(scenario, problem):
    (result,) = run(scenario)
    assert any(problem in each for each in result.problems), result.problems


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("- {name: x, queues: {suport: talked}}", "unknown-queue"),
        ("- {name: x, expect: {queues: [suport]}}", "unknown-queue"),
        ("- {name: x, queues: {support: answered}}", "word"),
        ("- {name: x, queues: {support: callback}}", "word"),
        ("- {name: x, queues: {support: {after: 5}}}", "duration"),
        ("- {name: x, agent: {log_in: done}}", "form"),
        ("- {name: x, do: [{shout: 3s}]}", "act"),
    ],
)
def test_what_is_wrong_in_a_scenario_is_found(text, rule):
    _, findings = read_scenarios(text.encode(), "file.test.yaml", centre())
    assert rule in [each.rule for each in findings]


def test_calls_at_random_through_queues_always_end():
    found = centre()
    assert [(each.seed, each.problems) for each in run_fuzz(found, calls=60) if each.problems] == []
    ways = {name for seed in range(80) for name in run_random(found, "file", seed).call.visits}
    assert {"file.attente", "file.message", "file.foule", "file.encore"} <= ways


def test_callers_at_random_press_offered_keys_too():
    keys = [RandomCaller(seed).act(0.0, 60.0, True, "2") for seed in range(200)]
    pressed = [key for _, key in filter(None, keys)]
    assert pressed.count("2") > len(pressed) / 6
    assert {RandomCaller(seed).speak(0.0, 90.0) for seed in range(100)} == {0.0, 0.4, 5.0, 40.0, 90.0}


def terminal(*lines, flow="file"):
    waiting, asked, written = list(lines), [], []

    def read(prompt):
        asked.append(prompt)
        return waiting.pop(0) if waiting else None

    call = simulate(centre(), flow, at=AT, read=read, write=written.append)
    return call, asked, written


def test_at_the_terminal_a_person_is_queue_agent_and_voice():
    call, asked, _ = terminal("", "", "2", "8", "1")
    assert call.queued == ["support"]
    assert call.ending is not None
    call, asked, written = terminal("nonsense", "timeout", "", "2", "soon", "8", "1")
    assert asked[:3] == ["support> ", "support> ", "keys (2)> "]
    assert any("write one of talked" in line for line in written)
    call, asked, _ = terminal("in_a_call", flow="codes")
    assert (asked, call.acts, call.visits) == (["login> "], ["login"], ["codes.login", "codes.fin"])
    assert terminal()[0].ending is not None
