from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Dial,
    Dialled,
    DialOutcome,
    DigitRules,
    Hangup,
    HungUp,
    Lookup,
    Play,
    Played,
)
from controller.simulator.caller import HangUp, Press, RandomCaller, ScriptedCaller, Wait
from controller.simulator.clock import VirtualClock
from controller.simulator.telephone import DialAnswer, SimulatedTelephone

MENU = DigitRules(choices=("1", "2"), first_digit_s=5, inter_digit_s=2, total_s=20)
NUMBER = DigitRules(min=2, max=6, end="#", first_digit_s=5, inter_digit_s=2, total_s=20)
PROMPT = ("fr/prompt",)


class Line:
    """A telephone with a scripted caller; every piece of media lasts three seconds."""

    def __init__(self, *acts, dial=None):
        self.clock = VirtualClock(datetime(2026, 11, 24, 9, tzinfo=UTC))
        self.keys = []
        self.caller = ScriptedCaller(acts)
        self.telephone = SimulatedTelephone(
            self.clock,
            self.caller,
            seconds=lambda media: 3.0 * len(media),
            dial=lambda _: dial or DialAnswer(),
            on_key=lambda key, secret: self.keys.append((self.clock.monotonic(), key, secret)),
        )

    def do(self, command):
        event = self.telephone.carry_out(command)
        return event, round(self.clock.monotonic(), 6)


def test_answering_takes_no_time():
    assert Line().do(Answer()) == (Answered(), 0)


def test_a_prompt_takes_as_long_as_its_audio():
    assert Line().do(Play(PROMPT * 2)) == (Played(), 6)


def test_a_caller_reacts_once_the_prompt_is_over():
    line = Line(Press("2"))
    assert line.do(Collect(PROMPT, MENU)) == (Collected("2", CollectEnd.COMPLETE), 3.5)


def test_keys_of_one_entry_follow_each_other():
    line = Line(Press("123#"))
    assert line.do(Collect(PROMPT, NUMBER)) == (Collected("123", CollectEnd.TERMINATED), 4.1)


def test_silence_ends_with_the_first_digit_clock():
    assert Line().do(Collect(PROMPT, MENU)) == (Collected("", CollectEnd.NO_INPUT), 8)


def test_an_unfinished_entry_ends_with_the_inter_digit_clock():
    assert Line(Press("1")).do(Collect(PROMPT, NUMBER)) == (Collected("1", CollectEnd.INTER_DIGIT), 5.5)


def test_the_total_clock_runs_from_the_end_of_the_prompt():
    acts = [act for _ in range(20) for act in (Press("1"), Wait(1.9))]
    rules = DigitRules(min=1, max=20, first_digit_s=5, inter_digit_s=2, total_s=10)
    event, at = Line(*acts).do(Collect(PROMPT, rules))
    assert (event.end, at) == (CollectEnd.TOTAL, 13)


def test_after_a_wait_a_key_stops_the_prompt():
    assert Line(Wait(1), Press("1")).do(Collect(PROMPT, MENU)) == (Collected("1", CollectEnd.COMPLETE), 1)


def test_waits_add_up():
    assert Line(Wait(1), Wait(0.5), Press("1")).do(Collect(PROMPT, MENU))[1] == 1.5


def test_a_key_that_stops_a_prompt_counts_for_the_next_entry():
    line = Line(Wait(1), Press("1"))
    assert line.do(Play(PROMPT)) == (Played(interrupted=True), 1)
    assert line.do(Collect(PROMPT, MENU)) == (Collected("1", CollectEnd.COMPLETE), 1)


def test_what_is_typed_ahead_passes_over_prompts_and_reaches_the_entries_after():
    line = Line(Wait(0.5), Press("121"))
    assert line.do(Collect(PROMPT, MENU)) == (Collected("1", CollectEnd.COMPLETE), 0.5)
    assert line.do(Collect(PROMPT, MENU)) == (Collected("2", CollectEnd.COMPLETE), 0.7)
    assert line.do(Play(PROMPT)) == (Played(interrupted=True), 0.9)
    assert line.do(Play(PROMPT)) == (Played(interrupted=True), 0.9)
    assert line.do(Collect(PROMPT, MENU)) == (Collected("1", CollectEnd.COMPLETE), 0.9)


def test_a_prompt_without_bargein_goes_on_and_keeps_the_key():
    line = Line(Wait(1), Press("1"))
    assert line.do(Play(PROMPT, bargein=False)) == (Played(), 3)
    assert line.do(Collect(PROMPT, MENU)) == (Collected("1", CollectEnd.COMPLETE), 3)


def test_an_entry_without_bargein_drops_what_came_before_it():
    line = Line(Wait(1), Press("1"), Press("2"))
    assert line.do(Collect(PROMPT, MENU, bargein=False)) == (Collected("2", CollectEnd.COMPLETE), 3.5)


def test_at_most_64_keys_are_kept():
    line = Line(Wait(0), *[Press("1" * 50)] * 2)
    line.do(Play(PROMPT * 20, bargein=False))
    assert len(line.telephone._ahead) == 50
    line.telephone._ahead.extend("2" * 40)
    assert len(line.telephone._ahead) == 64


def test_a_secret_entry_says_so_with_every_key():
    line = Line(Press("12"))
    line.do(Collect(PROMPT, NUMBER, secret=True))
    assert [(key, secret) for _, key, secret in line.keys] == [("1", True), ("2", True)]


@pytest.mark.parametrize(
    "command", [Play(PROMPT), Play(PROMPT, bargein=False), Collect(PROMPT, MENU), Dial("201", 1)]
)
def test_a_hang_up_ends_everything(command):
    line = Line(Wait(1), HangUp())
    event, at = line.do(command)
    assert isinstance(event, HungUp)
    assert at == 1
    assert line.do(Answer()) == (event, 1)
    assert line.do(Collect(PROMPT, MENU)) == (event, 1)


def test_a_hang_up_without_a_wait_comes_when_the_flow_listens():
    line = Line(HangUp())
    assert line.do(Play(PROMPT)) == (Played(), 3)
    assert line.do(Collect(PROMPT, MENU)) == (HungUp(), 6.5)


def test_time_passes_outside_the_telephone_too():
    line = Line(Wait(1), Press("1"), Wait(1), HangUp())
    assert line.telephone.let_pass(1.5) is None
    assert line.telephone.let_pass(1.5) == HungUp()
    assert line.clock.monotonic() == 2


@pytest.mark.parametrize(
    ("answer", "event", "at"),
    [
        (DialAnswer(), Dialled(DialOutcome.TALKED, 16, 60), 65),
        (DialAnswer(talk_s=999), Dialled(DialOutcome.TALKED, 16, 100), 105),
        (DialAnswer(DialOutcome.BUSY, ring_s=1), Dialled(DialOutcome.BUSY, 17), 1),
        (DialAnswer(DialOutcome.NO_ANSWER), Dialled(DialOutcome.NO_ANSWER, 19), 20),
        (DialAnswer(ring_s=30), Dialled(DialOutcome.NO_ANSWER, 19), 20),
        (DialAnswer(DialOutcome.FAILED, cause=41), Dialled(DialOutcome.FAILED, 41), 5),
    ],
)
def test_dials(answer, event, at):
    assert Line(dial=answer).do(Dial("201", 1, ring_s=20, max_talk_s=100)) == (event, at)


def test_a_hang_up_in_a_conversation_says_how_long_it_lasted():
    assert Line(Wait(15), HangUp()).do(Dial("201", 1))[0] == HungUp(talk_s=10)
    assert Line(Wait(3), HangUp()).do(Dial("201", 1))[0] == HungUp(talk_s=0)
    busy = DialAnswer(DialOutcome.BUSY, ring_s=20)
    assert Line(Wait(15), HangUp(), dial=busy).do(Dial("201", 1))[0] == HungUp(talk_s=0)


def test_keys_of_a_conversation_are_not_for_the_flow():
    line = Line(Wait(10), Press("1"))
    line.do(Dial("201", 1))
    assert line.do(Collect(PROMPT, MENU))[0] == Collected("", CollectEnd.NO_INPUT)


def test_hanging_up_is_final():
    line = Line()
    assert line.do(Hangup(17))[0] == HungUp(17)
    assert line.do(Play(PROMPT))[0] == HungUp(17)


def test_a_lookup_is_not_for_the_telephone():
    with pytest.raises(TypeError, match="Lookup"):
        Line().do(Lookup("crm", "GET", "https://crm.example"))


async def test_it_is_the_telephone_of_the_port():
    assert await Line().telephone.perform(Answer()) == Answered()


commands = st.lists(
    st.sampled_from(
        [
            Play(PROMPT),
            Play(PROMPT, bargein=False),
            Collect(PROMPT, MENU),
            Collect(PROMPT, NUMBER, bargein=False),
            Dial("1", 1),
        ]
    ),
    max_size=30,
)


@given(seed=st.integers(0, 10_000), commands=commands)
def test_any_caller_is_borne_and_time_never_goes_back(seed, commands):
    clock = VirtualClock(datetime(2026, 11, 24, 9, tzinfo=UTC))
    telephone = SimulatedTelephone(clock, RandomCaller(seed), seconds=lambda _: 2.0, dial=lambda _: DialAnswer())
    for command in commands:
        before = clock.monotonic()
        telephone.carry_out(command)
        longest = 90.0 if isinstance(command, Dial) else 2.0 + 5 + 20
        assert before <= clock.monotonic() <= before + longest
