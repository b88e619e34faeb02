"""Runs that wait for agents, leave messages, and are an agent's: command by command, saved and read back at each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from controller.flow.commands import (
    AgentAct,
    AgentActed,
    AgentActKind,
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Enqueue,
    Event,
    Failed,
    Hangup,
    HungUp,
    KeepMessage,
    MessageKept,
    Play,
    Played,
    QueueExit,
    QueueLeft,
    Record,
    Recorded,
    VisitProgress,
)
from controller.flow.interpreter import CallFacts, Disposition, EndedBy, FlowRun
from controller.flow.loader import compile_release
from controller.flow.queuenow import QueueNow
from controller.flow.release import Release
from controller.flow.visits import NEW
from tests.unit.flow.centres import AT, CENTRE, RECORDINGS, Walk, flow, rules, sources

QUEUES = """
skills: {vae: Vélos}
queues:
  support: {wait: 10m, skills: [{until: 1m}, {}]}
  autre: {message: {greeting: bonjour}}
"""
HEAD = "  bonjour: {fr: Parlez., en: Speak.}\n"
QUEUE = """
q:
  type: queue
  queue: support
  priority: 3
  skills: {vae: 2}
  wait: 5m
  offer_callback: {key: 1, go: encore}
  leave_message: {key: 2, after: 30s, go: m}
  next: fin
  timeout: encore
  full: fin_full
  closed: fin_closed
  failed: fin_failed
encore: {type: menu, prompt: p, choices: {1: q, 2: autre}, no_input: {then: fin}, invalid: {then: fin}}
autre: {type: queue, queue: autre, next: q, timeout: q, full: fin, closed: fin, failed: fin, no_agents: m}
m: {type: voicemail, queue: autre, next: fin, none: rien}
rien: {type: say, prompt: q, next: fin}
fin: {type: hangup}
fin_full: {type: hangup}
fin_closed: {type: hangup}
fin_failed: {type: hangup}
"""
MESSAGE = """
m: {type: voicemail, queue: support, max: 1m, silence: 3s, next: fin, none: rien}
rien: {type: say, prompt: q, next: fin}
fin: {type: hangup}
"""


def centre(steps: str, head: str = "") -> Release:
    text = CENTRE.rstrip() + "\n" + HEAD + QUEUES
    return compile_release(sources(flow(steps, head), text), RECORDINGS)


def waiting(steps: str = QUEUE, head: str = "") -> Walk:
    walk = Walk(centre(steps, head))
    walk.until(Enqueue)
    return walk


def command(walk: Walk) -> Enqueue:
    assert isinstance(walk.command, Enqueue)
    return walk.command


def left(how: QueueExit, waited_s: float = 20.0, talk_s: float = 0.0, agent: str = "") -> QueueLeft:
    return QueueLeft(how, "support", waited_s, talk_s, agent)


# --- waiting ----------------------------------------------------------------------------------------------


def test_the_call_is_answered_and_waits_as_the_step_says() -> None:
    walk = waiting()
    assert [type(each) for each in walk.commands] == [Answer, Enqueue]
    assert command(walk) == Enqueue(
        queue="support",
        number=1,
        entered_at=AT,
        language="fr",
        priority=3,
        needs={"vae": 2},
        wait_s=300.0,
        callback_key="1",
        callback_after_s=60.0,
        message_key="2",
        message_after_s=30.0,
    )


def test_a_queue_waits_no_longer_than_it_is_declared_to() -> None:
    assert command(waiting(QUEUE.replace("wait: 5m", "wait: 30m"))).wait_s == 600.0
    assert command(waiting(QUEUE.replace("  wait: 5m\n", ""))).wait_s == 600.0


def test_only_a_step_with_an_exit_for_it_leaves_when_nobody_is_logged_in() -> None:
    assert not command(waiting()).no_agents
    walk = waiting()
    walk.feed(left(QueueExit.TIMEOUT))
    walk.press("2")
    assert (command(walk).queue, command(walk).no_agents) == ("autre", True)


@pytest.mark.parametrize(
    ("how", "exit_name"),
    [
        (QueueExit.TALKED, "next"),
        (QueueExit.TIMEOUT, "timeout"),
        (QueueExit.FULL, "full"),
        (QueueExit.CLOSED, "closed"),
        (QueueExit.NO_AGENTS, "timeout"),
        (QueueExit.FAILED, "failed"),
        (QueueExit.CALLBACK, "offer_callback"),
        (QueueExit.MESSAGE, "leave_message"),
    ],
)
def test_every_way_out_has_its_exit(how: QueueExit, exit_name: str) -> None:
    walk = waiting()
    walk.feed(left(how))
    walk.feed(HungUp())
    assert walk.visits[0] == ("q", exit_name)
    assert walk.steps[0].detail["left"] == how.value


def test_a_key_that_the_step_does_not_offer_is_a_failure_of_the_driver() -> None:
    walk = waiting(
        "q: {type: queue, queue: support, next: n, timeout: n, full: n, closed: n, failed: n}\nn: {type: hangup}"
    )
    walk.feed(left(QueueExit.CALLBACK))
    assert walk.visits[0] == ("q", "failed")


def test_the_record_says_who_talked_and_where() -> None:
    walk = waiting()
    walk.feed(QueueLeft(QueueExit.TALKED, "autre", 12.3456, 61.5, "claire.d"))
    assert walk.steps[0].detail == {
        "left": "talked",
        "waited_s": 12.346,
        "last_queue": "autre",
        "agent": "claire.d",
        "talk_s": 61.5,
    }
    assert walk.run.ending.disposition is Disposition.TALKED


def test_a_driver_that_cannot_wait_for_agents_is_an_exit_and_a_fault_in_the_log() -> None:
    walk = waiting()
    walk.feed(Failed("queues need ARI"))
    assert walk.visits == [("q", "failed"), ("fin_failed", "hangup")]
    assert walk.steps[0].detail["fault"] == "Enqueue: queues need ARI"
    assert [fault.reason for fault in walk.run.take_faults()] == ["Enqueue: queues need ARI"]


def test_a_caller_who_leaves_while_waiting_has_abandoned_and_one_who_talked_has_talked() -> None:
    walk = waiting()
    walk.feed(HungUp())
    assert (walk.run.ending.disposition, walk.run.ending.by) == (Disposition.ABANDONED, EndedBy.CALLER)
    walk = waiting()
    walk.feed(HungUp(talk_s=3.0))
    assert walk.run.ending.disposition is Disposition.TALKED
    walk = waiting()
    walk.feed(left(QueueExit.TIMEOUT, 100.0, 30.0, "claire.d"))  # talked, was sent on, and nobody came
    walk.feed(HungUp())
    assert walk.run.ending.disposition is Disposition.TALKED


# --- the place --------------------------------------------------------------------------------------------


def again(after_s: float, how: QueueExit = QueueExit.TIMEOUT) -> Enqueue:
    walk = waiting()
    walk.feed(left(how, 300.0), 300.0)
    walk.until(Collect)
    walk.feed(Collected("1", CollectEnd.COMPLETE), after_s)
    return command(walk)


def test_who_comes_back_soon_has_the_same_place_and_the_whole_wait_again() -> None:
    back = again(20.0)
    assert (back.number, back.entered_at) == (2, AT)
    assert back.wait_s == 1 + 300 + 20 + 300  # answered, waited, asked, and five minutes from now on


def test_who_comes_back_late_begins_anew() -> None:
    back = again(125.0)
    assert back.entered_at > AT + timedelta(seconds=400)
    assert back.wait_s == 300.0


def test_the_key_of_an_offer_keeps_the_place_too() -> None:
    assert again(20.0, QueueExit.CALLBACK).entered_at == AT


@pytest.mark.parametrize("how", [QueueExit.TALKED, QueueExit.FULL, QueueExit.CLOSED])
def test_who_has_talked_or_never_had_a_place_begins_anew(how: QueueExit) -> None:
    steps = QUEUE.replace("next: fin\n", "next: encore\n").replace("fin_full\n", "encore\n", 1)
    steps = steps.replace("closed: fin_closed", "closed: encore")
    walk = waiting("\n".join(line for line in steps.splitlines() if not line.startswith(("fin_full", "fin_closed"))))
    walk.feed(left(how), 30.0)
    walk.press("1")
    assert command(walk).entered_at > AT


def test_another_queue_is_another_place() -> None:
    walk = waiting()
    walk.feed(left(QueueExit.TIMEOUT), 30.0)
    walk.press("2")
    assert (command(walk).queue, command(walk).number) == ("autre", 2)
    assert command(walk).entered_at > AT
    walk.feed(QueueLeft(QueueExit.TIMEOUT, "autre", 10.0), 10.0)
    assert (command(walk).queue, command(walk).number, command(walk).entered_at) == ("support", 3, AT)


def test_a_later_visit_goes_on_with_the_numbers_of_the_last_one() -> None:
    walk = waiting()
    used = VisitProgress(
        queue="autre",
        visit=3,
        leg=1007,
        bridge=1004,
        recording=1002,
        offer=9,
        phase="talking",
        agent="claire.d",
        legs=(1007,),
        connected_at=AT,
        detail={"announced": True},
    )
    walk.run.amend(msgspec.structs.replace(command(walk), progress=used))
    walk.command = walk.run.pending
    walk.feed(left(QueueExit.TIMEOUT))
    walk.press("1")
    assert command(walk).number == 4
    assert command(walk).progress == VisitProgress(
        queue="support",
        visit=4,
        leg=1007,
        bridge=1004,
        recording=1002,
        offer=9,
        phase=NEW,
        detail={"announced": True},
    )


def test_waiting_and_talking_do_not_count_for_the_duration_and_waiting_for_ever_does() -> None:
    walk = waiting(head="limits: {duration: 1m, steps: 100}")
    walk.feed(left(QueueExit.TIMEOUT, 3000.0, 50.0), 3050.0)
    walk.press("1")
    walk.feed(left(QueueExit.TIMEOUT, 11_000.0), 11_000.0)
    assert isinstance(walk.command, Collect)
    walk.press("1")
    walk.feed(left(QueueExit.TIMEOUT, 500.0), 500.0)
    assert walk.run.ending.disposition is Disposition.LIMIT
    assert "waited" in walk.run.ending.reason


# --- messages ---------------------------------------------------------------------------------------------


def recording(steps: str = MESSAGE) -> Walk:
    walk = Walk(centre(steps))
    walk.until(Record)
    return walk


def test_a_message_is_recorded_after_the_greeting() -> None:
    walk = recording()
    assert walk.command == Record(("say/fr/message-greeting",), 1, 60.0, 3.0, "#")
    assert recording(MESSAGE.replace("queue: support", "queue: autre")).command == Record(
        walk.release.queues["autre"].message_greeting("fr"), 1, 60.0, 3.0, "#"
    )
    own = recording(MESSAGE.replace("max: 1m", "max: 1m, prompt: p")).command
    assert isinstance(own, Record)
    assert own.media == walk.release.flows["accueil"].prompts["p"].fixed["fr"]


def test_a_message_is_heard_again_changed_and_sent() -> None:
    walk = recording()
    walk.feed(Recorded(8.0))
    assert isinstance(walk.command, Collect)
    assert walk.command.media == ("say/fr/message-review",)
    walk.press("2")
    assert isinstance(walk.command, Collect)
    assert walk.command.media == ("recording/1", "say/fr/message-review")
    walk.press("3")
    assert isinstance(walk.command, Record)
    assert (walk.command.number, walk.command.media) == (2, ())
    walk.feed(Recorded(5.5))
    walk.press("1")
    assert walk.command == KeepMessage("support", 2, 5.5)
    walk.feed(MessageKept())
    assert walk.command == Play(("say/fr/message-kept",))
    walk.feed(Played())
    assert walk.visits == [("m", "next"), ("fin", "hangup")]
    assert walk.steps[0].detail == {"queue": "support", "recording": 2, "seconds": 5.5, "kept": True}
    assert walk.run.ending.disposition is Disposition.COMPLETED


def test_without_review_a_message_is_kept_at_once() -> None:
    walk = recording(MESSAGE.replace("max: 1m", "max: 1m, review: false"))
    assert walk.feed(Recorded(8.0)) == KeepMessage("support", 1, 8.0)


def test_who_says_nothing_is_asked_once_more() -> None:
    walk = recording()
    walk.feed(Recorded(0.4))
    assert walk.command == Record(("say/fr/message-empty", "say/fr/message-greeting"), 2, 60.0, 3.0, "#")
    walk.feed(Recorded(0.0))
    assert walk.command == Play(("say/fr/message-empty",))
    walk.feed(Played())
    walk.feed(Played())
    assert walk.visits == [("m", "none"), ("rien", "next"), ("fin", "hangup")]


def test_the_question_is_bounded_and_silence_sends() -> None:
    walk = recording()
    walk.feed(Recorded(8.0))
    walk.feed(Collected("", CollectEnd.NO_INPUT))
    assert walk.command == KeepMessage("support", 1, 8.0)
    walk = recording()
    for _ in range(60):
        event: Event = Recorded(8.0) if isinstance(walk.command, Record) else Collected("3", CollectEnd.COMPLETE)
        if isinstance(walk.feed(event), KeepMessage):
            break
    assert walk.command == KeepMessage("support", 4, 8.0)


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        ([HungUp(recorded_s=12.0)], KeepMessage("support", 1, 12.0)),
        ([HungUp(recorded_s=0.5)], None),
        ([HungUp()], None),
        ([Recorded(8.0), HungUp()], KeepMessage("support", 1, 8.0)),
        ([Recorded(0.2), HungUp(recorded_s=4.0)], KeepMessage("support", 2, 4.0)),
        ([Recorded(8.0), Collected("3", CollectEnd.COMPLETE), HungUp(recorded_s=0.3)], None),
    ],
)
def test_a_hang_up_leaves_what_was_said(events: list[Event], kept: KeepMessage | None) -> None:
    walk = recording()
    for event in events:
        walk.feed(event)
    assert walk.command == kept
    if kept is not None:
        assert not walk.run.finished
        walk.feed(MessageKept())
    walk.steps += walk.run.take_steps()
    assert (walk.command, walk.run.finished) == (None, True)
    assert walk.visits == [("m", "hung_up")]
    assert walk.run.ending.disposition is (Disposition.COMPLETED if kept else Disposition.ABANDONED)
    assert walk.run.ending.by is EndedBy.CALLER


def test_a_hang_up_after_the_message_was_sent_keeps_it_once() -> None:
    walk = recording()
    walk.feed(Recorded(8.0))
    walk.press("1")
    walk.feed(HungUp())  # a driver answers so to any command once the caller has gone
    assert (walk.command, walk.run.finished) == (None, True)
    walk = recording()
    walk.feed(Recorded(8.0))
    walk.press("1")
    walk.feed(MessageKept())
    walk.feed(HungUp())
    assert (walk.command, walk.run.ending.disposition) == (None, Disposition.COMPLETED)


def test_a_message_that_cannot_be_kept_is_a_fault() -> None:
    walk = recording()
    walk.feed(Recorded(8.0))
    walk.press("1")
    walk.feed(Failed("the disk is full"))
    assert isinstance(walk.command, Play)
    walk.feed(Played())
    assert walk.run.ending.disposition is Disposition.FAILED
    walk = recording()
    walk.feed(HungUp(recorded_s=5.0))
    walk.feed(Failed("the disk is full"))
    assert (walk.command, walk.run.finished) == (None, True)


def test_on_hangup_runs_after_the_message_of_a_caller_who_has_left() -> None:
    steps = MESSAGE + "note: {type: set, set: {x: '1'}, next: fin}\n"
    walk = Walk(centre(steps, "on_hangup: note"))
    walk.until(Record)
    walk.feed(HungUp(recorded_s=5.0))
    assert isinstance(walk.command, KeepMessage)
    walk.feed(MessageKept())
    walk.steps += walk.run.take_steps()
    assert [name for name, _ in walk.visits] == ["m", "note", "fin"]
    assert walk.run.finished


def test_recordings_of_a_call_are_counted_through() -> None:
    walk = recording(
        MESSAGE.replace(
            "next: fin, none: rien}",
            "next: m2, none: rien}\nm2: {type: voicemail, queue: autre, next: fin, none: fin}",
        )
    )
    walk.feed(Recorded(8.0))
    walk.press("1")
    walk.feed(MessageKept())
    walk.feed(Played())
    assert isinstance(walk.command, Record)
    assert walk.command.number == 2


# --- agents -----------------------------------------------------------------------------------------------

AGENT = """
a: {{type: {}, save: motif, done: oui, refused: quoi}}
quoi: {{type: switch, cases: [{{when: 'motif == "in_a_call"', go: non}}], else: oui}}
oui: {{type: hangup, prompt: p}}
non: {{type: hangup, prompt: q}}
"""


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("agent_login", AgentActKind.LOGIN),
        ("agent_logout", AgentActKind.LOGOUT),
        ("agent_resume", AgentActKind.RESUME),
        ("agent_ready", AgentActKind.END_WRAP_UP),
    ],
)
def test_an_agent_asks_before_the_call_is_answered(kind: str, act: AgentActKind) -> None:
    walk = Walk(centre(AGENT.format(kind), "human_exit: {none: a test}"))
    assert walk.command == AgentAct(act)
    walk.feed(AgentActed())
    assert walk.visits == []
    assert walk.command == Answer()
    walk.feed(Answered())
    walk.feed(Played())
    assert walk.visits == [("a", "done"), ("oui", "hangup")]


def test_what_is_refused_is_told_in_a_variable() -> None:
    walk = Walk(centre(AGENT.format("agent_pause, reason: lunch"), "human_exit: {none: a test}"))
    assert walk.command == AgentAct(AgentActKind.PAUSE, "lunch")
    walk.feed(AgentActed("in_a_call"))
    walk.feed(Answered())
    walk.feed(Played())
    assert walk.visits == [("a", "refused"), ("quoi", "cases.1"), ("non", "hangup")]
    assert walk.steps[0].detail == {"refused": "in_a_call"}


def test_codes_are_numbers_and_found_as_they_are_written() -> None:
    codes = CENTRE.replace('  "100"', '  "*11": {flow: accueil}\n  "11": {flow: accueil, title: eleven}\n  "100"')
    found = compile_release(sources(flow("fin: {type: hangup}", "human_exit: {none: a test}"), codes), RECORDINGS)
    star, plain = found.number("*11"), found.number("11")
    assert star is not None
    assert plain is not None
    assert (star.title, plain.title) == ("", "eleven")
    assert found.number("*12") is None
    assert "form" in rules(centre=CENTRE.replace('"100":', '"*":'))


# --- conditions -------------------------------------------------------------------------------------------

TRI = """
tri:
  type: switch
  cases:
    - {when: 'queues.support.waiting > 3 && queues.support.open', go: un}
    - {when: 'queues.autre.estimate_s < 60.0 || queues.autre.free_agents == 2', go: deux}
  else: trois
un: {type: say, prompt: p, next: fin}
deux: {type: say, prompt: p, next: fin}
trois: {type: say, prompt: p, next: fin}
fin: {type: hangup}
"""


@pytest.mark.parametrize(
    ("queues", "way"),
    [
        ({"support": QueueNow(waiting=4)}, "cases.1"),
        ({"support": QueueNow(waiting=4, open=False)}, "else"),
        ({"support": QueueNow(), "autre": QueueNow(estimate_s=30.0)}, "cases.2"),
        ({"support": QueueNow(), "autre": QueueNow(free_agents=2)}, "cases.2"),
        ({"autre": QueueNow(estimate_s=90.0)}, "else"),
        ({}, "else"),
    ],
)
def test_conditions_read_how_the_queues_are(queues: dict[str, QueueNow], way: str) -> None:
    found = centre(TRI, "human_exit: {none: a test}")
    run = FlowRun.begin(found, "accueil", CallFacts(), AT, queues=queues)
    run.start(AT)
    assert [(step.step, step.exit) for step in run.take_steps()] == [("tri", way)]


def test_conditions_know_the_queues_there_are() -> None:
    text = CENTRE.rstrip() + "\n" + HEAD + QUEUES
    wrong = TRI.replace("queues.support.waiting", "queues.suport.waiting").replace(
        "free_agents == 2", "busy_agents == 2"
    )
    assert rules(flow(wrong, "human_exit: {none: a test}"), text).count("expression") == 2
    reserved = "s: {type: set, set: {queues: '1'}, next: fin}\nfin: {type: hangup}"
    assert "reserved-name" in rules(flow(reserved, "human_exit: {none: a test}"), text)


def test_a_resumed_run_reads_the_queues_too() -> None:
    steps = "dit: {type: say, prompt: p, next: tri}\n" + TRI.strip()
    found = centre(steps, "human_exit: {none: a test}")
    run = FlowRun.begin(found, "accueil", CallFacts(), AT)
    run.start(AT)
    run.feed(Answered(), AT)
    again_ = FlowRun.resume(found, run.durable_state(), queues={"support": QueueNow(waiting=9)})
    again_.feed(Played(), AT)
    assert [(step.step, step.exit) for step in again_.take_steps()] == [("dit", "next"), ("tri", "cases.1")]


def test_times_are_of_the_calls_clock() -> None:
    noon = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    run = FlowRun.begin(centre(QUEUE), "accueil", CallFacts(), noon)
    pending: Command | None = run.start(noon)
    assert pending == Answer()
    pending = run.feed(Answered(), noon + timedelta(seconds=1))
    assert isinstance(pending, Enqueue)
    assert pending.entered_at == noon
    assert isinstance(run.feed(HungUp(), noon), Hangup | None)
