"""The step that plays an agent the messages of their queues: command by command, saved and read back at each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Failed,
    Hangup,
    HearMessage,
    HungUp,
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
from controller.flow.loader import compile_release
from controller.flow.release import Release
from controller.flow.spoken.mailbox import MAILBOX, count_notice
from controller.flow.steps.messages import MAX_ANSWERS
from tests.unit.flow.centres import CENTRE, RECORDINGS, Walk, flow, rules, sources

QUEUES = """  bonjour: {fr: Parlez., en: Speak.}
  nom: {fr: Pour le support., en: For support.}
queues:
  support: {message: {name: nom}}
  autre: {whisper: bonjour}
"""
STEPS = """
m: {type: messages, save: motif, done: fin, none: rien, refused: non}
fin: {type: hangup}
rien: {type: hangup, prompt: p}
non: {type: hangup, prompt: q}
"""
LEFT = datetime(2026, 11, 23, 17, 5, tzinfo=UTC)  # a Monday, 18:05 in Paris
ONE = MessageNote("r1", "support", LEFT, "+33612345678", new=True)
TWO = MessageNote("r2", "autre", LEFT, "", new=False)


def centre() -> Release:
    text = CENTRE.rstrip() + "\n" + QUEUES
    return compile_release(sources(flow(STEPS, "human_exit: {none: a test}"), text), RECORDINGS)


def listed(*messages: MessageNote) -> Walk:
    walk = Walk(centre())
    assert walk.command == ListMessages(50)
    walk.feed(MessagesListed(messages))
    assert walk.command == Answer()
    walk.feed(Answered())
    return walk


def hearing(*messages: MessageNote) -> Walk:
    """Up to the keys after the first message."""
    walk = listed(*messages)
    silent(walk)
    assert walk.command == HearMessage(messages[0].recording)
    walk.feed(MessageReady("message/x"))
    return walk


def silent(walk: Walk) -> None:
    assert isinstance(walk.command, Collect)
    walk.feed(Collected("", CollectEnd.NO_INPUT))


def press(walk: Walk, key: str) -> None:
    assert isinstance(walk.command, Collect)
    walk.feed(Collected(key, CollectEnd.COMPLETE))


def said(walk: Walk) -> list[str]:
    assert isinstance(walk.command, Collect | Play)
    return [media.removeprefix("say/fr/") for media in walk.command.media]


def visits(walk: Walk) -> list[tuple[str, str]]:
    walk.steps += walk.run.take_steps()
    return walk.visits


def test_new_messages_are_counted_and_told_with_queue_time_and_number() -> None:
    walk = listed(ONE, TWO)
    assert said(walk)[:2] == ["mailbox-new-1", "mailbox-item-new"]
    assert said(walk)[2].startswith("fr/tts/pour-le-support")
    assert said(walk)[3:] == [
        "w-1", "n-23", "m-11", "o-18", "n-5", "silence/300",
        "mailbox-caller", "n-0", "n-6", "n-12", "n-34", "n-56", "n-78", "silence/300",
    ]  # fmt: skip


def test_the_message_comes_after_the_access_is_written_down_and_then_the_keys() -> None:
    walk = hearing(ONE)
    assert said(walk) == ["message/x", "silence/300", "mailbox-keys"]
    press(walk, "1")
    assert walk.command == HearMessage("r1")


def test_everything_played_is_in_the_release() -> None:
    media = centre().media()
    for language, notices in MAILBOX.items():
        assert {f"say/{language}/{name}" for name in notices} <= media
    walk = listed(ONE, TWO)
    assert set(walk.command.media) <= media  # type: ignore[union-attr]


def test_a_message_passed_over_is_not_listened_to() -> None:
    walk = listed(ONE, TWO)
    press(walk, "2")
    assert said(walk)[:1] == ["mailbox-item-heard"]
    assert said(walk)[-2:] == ["mailbox-withheld", "silence/300"]
    press(walk, "2")
    assert said(walk) == ["mailbox-end"]
    walk.feed(Played())
    assert walk.command == Hangup(16)
    assert visits(walk) == [("m", "done"), ("fin", "hangup")]
    assert walk.steps[0].detail == {"messages": 2, "new": 1, "heard": 0, "erased": 0}
    assert walk.steps[0].digits == "2 2"


def test_erasing_is_asked_twice() -> None:
    walk = hearing(ONE, TWO)
    press(walk, "3")
    assert said(walk) == ["mailbox-erase"]
    press(walk, "*")
    assert said(walk) == ["mailbox-keys"]
    press(walk, "3")
    press(walk, "3")
    assert walk.command == TreatMessage("r1", MessageActKind.ERASE)
    walk.feed(MessageTreated())
    assert said(walk)[:2] == ["mailbox-erased", "mailbox-item-heard"]


def test_a_message_is_kept_as_new() -> None:
    walk = hearing(ONE)
    press(walk, "4")
    assert walk.command == TreatMessage("r1", MessageActKind.KEEP_NEW)
    walk.feed(MessageTreated())
    assert said(walk) == ["mailbox-kept", "mailbox-end"]


def test_silence_is_asked_once_more_and_the_star_ends_it() -> None:
    walk = hearing(ONE)
    silent(walk)
    assert said(walk) == ["mailbox-keys"]
    silent(walk)
    assert visits(walk)[0] == ("m", "done")
    walk = hearing(ONE)
    press(walk, "*")
    assert visits(walk)[0] == ("m", "done")


@pytest.mark.parametrize("act", ["hear", "treat"])
def test_a_message_that_is_gone_is_told_and_the_next_one_comes(act: str) -> None:
    if act == "hear":
        walk = listed(ONE, TWO)
        silent(walk)
        walk.feed(MessageReady(refused="gone"))
    else:
        walk = hearing(ONE, TWO)
        press(walk, "4")
        walk.feed(MessageTreated("gone"))
    assert said(walk)[:2] == ["mailbox-lost", "mailbox-item-heard"]


@pytest.mark.parametrize("when", ["list", "hear", "treat"])
def test_what_is_refused_is_told_in_a_variable(when: str) -> None:
    if when == "list":
        walk = Walk(centre())
        walk.feed(MessagesListed(refused="unavailable"))
    elif when == "hear":
        walk = listed(ONE)
        silent(walk)
        walk.feed(MessageReady(refused="unavailable"))
    else:
        walk = hearing(ONE)
        press(walk, "4")
        walk.feed(MessageTreated("unavailable"))
    assert visits(walk)[0] == ("m", "refused")
    assert walk.steps[0].detail["refused"] == "unavailable"


def test_no_message_at_all() -> None:
    walk = Walk(centre())
    walk.feed(MessagesListed())
    assert visits(walk) == [("m", "none")]


def test_no_agent_goes_on_for_ever() -> None:
    walk = hearing(ONE)
    for _ in range(MAX_ANSWERS):
        if visits(walk):
            break
        if isinstance(walk.command, HearMessage):
            walk.feed(MessageReady("message/x"))
        press(walk, "1")
    assert visits(walk)[0] == ("m", "done")


def test_a_hang_up_and_a_fault_end_it() -> None:
    walk = hearing(ONE)
    walk.feed(HungUp())
    assert visits(walk)[0] == ("m", "hung_up")
    walk = listed(ONE)
    silent(walk)
    walk.feed(Failed("no services"))
    assert visits(walk)[0] == ("m", "fault")


@pytest.mark.parametrize(
    ("new", "notice"), [(0, "0"), (1, "1"), (2, "2"), (10, "10"), (11, "over-10"), (50, "over-10")]
)
def test_how_many_are_new(new: int, notice: str) -> None:
    assert count_notice(new) == f"mailbox-new-{notice}"
    assert count_notice(new) in MAILBOX["fr"]


def test_a_caller_whose_number_cannot_be_said_and_a_queue_that_is_no_more() -> None:
    walk = listed(MessageNote("r3", "gone", LEFT, "alice", new=True))
    assert said(walk)[1:] == ["mailbox-item-new", "w-1", "n-23", "m-11", "o-18", "n-5", "silence/300", "silence/300"]


def test_its_exits_are_checked() -> None:
    assert "unknown-step" in rules(flow(STEPS.replace("none: rien", "none: ailleurs"), "human_exit: {none: a test}"))
