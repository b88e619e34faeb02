"""The messages that a simulated agent finds: their order, what becomes of them, and how scenarios write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.flow.commands import (
    HearMessage,
    ListMessages,
    MessageActKind,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    Play,
    Played,
    TreatMessage,
)
from controller.simulator.caller import ScriptedCaller
from controller.simulator.clock import VirtualClock
from controller.simulator.console import simulate
from controller.simulator.mailbox import LeftMessage, SimulatedMailbox
from controller.simulator.scenario import read_scenarios
from controller.simulator.scenariorun import run_scenario
from controller.simulator.suite import run_fuzz
from controller.simulator.telephone import SimulatedTelephone
from tests.unit.simulator.centre import CENTRE, release

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
FLOW = """
flow: ecoute
start: messages
languages: [fr]
human_exit: {none: for agents}
prompts: {fin: {fr: "Fin."}, rien: {fr: "Rien."}, non: {fr: "Non."}}
steps:
  messages: {type: messages, save: motif, done: fin, none: rien, refused: non}
  fin: {type: hangup, prompt: fin}
  rien: {type: hangup, prompt: rien}
  non: {type: hangup, prompt: non}
"""
QUEUES = CENTRE + "queues: {support: {wait: 5m}}\n"


def centre():
    return release(**{"ecoute.yaml": FLOW, "centre.yaml": QUEUES})


def mailbox() -> SimulatedMailbox:
    return SimulatedMailbox(
        [
            LeftMessage("support", "+331", ago_s=60),
            LeftMessage("support", heard=True, ago_s=300),
            LeftMessage("ventes", ago_s=900, seconds=40),
            LeftMessage("ventes", heard=True, ago_s=100),
        ]
    )


def test_new_ones_come_first_and_those_that_wait_longest_before_others():
    listed = mailbox().perform(ListMessages(), AT)
    assert isinstance(listed, MessagesListed)
    assert [each.recording for each in listed.messages] == ["3", "1", "4", "2"]
    assert listed.messages[0] == MessageNote("3", "ventes", AT - timedelta(minutes=15), "", new=True)
    assert len(mailbox().perform(ListMessages(2), AT).messages) == 2  # type: ignore[union-attr]
    assert SimulatedMailbox(refused="unavailable").perform(ListMessages(), AT) == MessagesListed(
        refused="unavailable"
    )


def test_what_is_erased_is_gone():
    box = mailbox()
    assert box.perform(HearMessage("3"), AT) == MessageReady("message/3")
    assert box.perform(TreatMessage("3", MessageActKind.KEEP_NEW), AT) == MessageTreated()
    assert box.perform(TreatMessage("3", MessageActKind.ERASE), AT) == MessageTreated()
    assert box.perform(TreatMessage("3", MessageActKind.ERASE), AT) == MessageTreated("gone")
    assert box.perform(HearMessage("3"), AT) == MessageReady(refused="gone")


def test_a_message_is_heard_at_its_length():
    clock = VirtualClock(AT)
    telephone = SimulatedTelephone(
        clock,
        ScriptedCaller(()),
        seconds=lambda media: 3.0 * len(media),
        dial=lambda _: pytest.fail("nobody dials here"),
        mailbox=mailbox(),
    )
    telephone.carry_out(HearMessage("3"))
    assert telephone.carry_out(Play(("message/3", "fr/more"))) == Played()
    assert clock.monotonic() == 43


def test_a_scenario_names_messages_and_what_is_done_with_them():
    text = """
- name: one is erased
  flow: ecoute
  mailbox: [{queue: support, caller: "+33612345678", ago: 2h, lasts: 4s}, {queue: support, heard: true}]
  do: [{press: 3}, {press: 3}, {press: "*"}]
  expect: {acts: [messages, listen, erase, listen], ends: fin, says: ["<message/1>", "Le message a été effacé."]}
- name: refused
  flow: ecoute
  agent: {messages: unknown_agent}
  expect: {ends: non, vars: {motif: unknown_agent}}
- name: wrong
  flow: ecoute
  mailbox: [{queue: suport}]
"""
    scenarios, findings = read_scenarios(text.encode(), "ecoute.test.yaml", centre())
    assert [(each.rule, each.line) for each in findings] == [("unknown-queue", 13)]
    for scenario in scenarios[:2]:
        assert run_scenario(centre(), scenario).problems == ()


def test_agents_at_random_always_come_to_an_end():
    assert [each.problems for each in run_fuzz(centre(), calls=60) if each.problems] == []


def test_at_the_terminal_each_queue_has_a_message():
    lines: list[str] = []
    answers = iter(["", "3", "3"])
    call = simulate(centre(), "ecoute", at=AT, read=lambda _: next(answers, None), write=lines.append)
    assert call.acts == ["messages", "listen", "erase"]
