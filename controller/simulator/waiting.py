"""How a simulated visit to the queues and a simulated recording go: on the virtual clock, as the scenario says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from controller.flow.commands import Enqueue, Event, HungUp, MediaId, QueueExit, QueueLeft, Record, Recorded
from controller.flow.queuenow import QueueNow
from controller.flow.queues import QueuePlan

_AT_ONCE = frozenset({QueueExit.FULL, QueueExit.CLOSED, QueueExit.FAILED})


class QueueAnswer(msgspec.Struct, frozen=True):
    """How a visit goes, unless the caller ends it: an agent answers after `after_s` and talks for `talk_s`, or not.

    `now` is what conditions of the flow read of the queue.
    """

    exit: QueueExit = QueueExit.TALKED
    after_s: float = 10.0
    talk_s: float = 60.0
    agent: str = "agent"
    now: QueueNow = QueueNow()


class CallerEnd(Protocol):
    """What the waiting needs of the telephone."""

    def now(self) -> datetime:
        """Return the time of day."""

    def monotonic(self) -> float:
        """Return the time, in seconds since the call began."""

    def play(self, media: tuple[MediaId, ...], *, bargein: bool) -> bool:
        """Play `media`; see `SimulatedTelephone`."""

    def until_key(self, until: float, keys: str, *, listening: bool = True) -> str:
        """Let time pass until one of `keys` is pressed, which is returned, or `until`, or a hang-up: then "".

        Other keys are dropped. `listening`: the caller has nothing else to do than to think of a key.
        """

    def speaks(self, most_s: float) -> float:
        """Return for how long the caller speaks from now on."""

    @property
    def gone(self) -> HungUp | None:
        """The hang-up, once the caller has gone."""


Answer = Callable[[Enqueue], QueueAnswer]
Says = Callable[[tuple[MediaId, ...]], None]


def visit(caller: CallerEnd, command: Enqueue, answer: QueueAnswer, plan: QueuePlan | None, says: Says) -> Event:
    """Perform `command`: wait and talk, with the announcement, the first news and the offers on the way."""
    began = caller.monotonic()
    if answer.exit in _AT_ONCE or (answer.exit is QueueExit.NO_AGENTS and command.no_agents):
        return QueueLeft(answer.exit, command.queue)
    longest_s = max(0.0, (command.entered_at - caller.now()).total_seconds() + command.wait_s)
    answered = answer.exit is QueueExit.TALKED and answer.after_s <= longest_s
    ends = began + (answer.after_s if answered else longest_s)
    if plan is not None and plan.record is not None:
        says(plan.record.announcement(command.language))
    for at, media, keys in _told(command, answer, plan, began, ends):
        pressed = caller.until_key(at, keys)
        if pressed or caller.gone is not None:
            return _by_caller(caller, command, pressed, began)
        if media:
            says(media)
    waited_s = caller.monotonic() - began
    if not answered:
        return QueueLeft(QueueExit.TIMEOUT, command.queue, waited_s)
    caller.until_key(ends + answer.talk_s, "")
    talk_s = caller.monotonic() - ends
    if caller.gone is not None:
        return msgspec.structs.replace(caller.gone, talk_s=talk_s)
    return QueueLeft(QueueExit.TALKED, command.queue, waited_s, talk_s, answer.agent)


def _told(
    command: Enqueue, answer: QueueAnswer, plan: QueuePlan | None, began: float, ends: float
) -> list[tuple[float, tuple[MediaId, ...], str]]:
    """Return what is told while somebody waits: when, what, and the keys that count until then."""
    told: list[tuple[float, tuple[MediaId, ...], str]] = []
    if plan is not None and plan.news_every_s:
        news = plan.news(command.language, answer.now.waiting + 1, answer.now.estimate_s)
        told.append((began + plan.first_news_s, news, ""))
    offers: Mapping[str, float] = {
        key: after_s
        for key, after_s in (
            (command.callback_key, command.callback_after_s),
            (command.message_key, command.message_after_s),
        )
        if key
    }
    for key, after_s in offers.items():
        media: tuple[MediaId, ...] = ()
        if plan is not None:
            offer = plan.callback_offer if key == command.callback_key else plan.message_offer
            media = offer(command.language, key)
        told.append((began + after_s, media, ""))
    told = [each for each in sorted(told, key=lambda each: each[0]) if each[0] < ends]
    told.append((ends, (), ""))
    return [(at, media, "".join(k for k, after_s in offers.items() if began + after_s < at)) for at, media, _ in told]


def _by_caller(caller: CallerEnd, command: Enqueue, pressed: str, began: float) -> Event:
    if caller.gone is not None:
        return caller.gone
    how = QueueExit.CALLBACK if pressed == command.callback_key else QueueExit.MESSAGE
    return QueueLeft(how, command.queue, caller.monotonic() - began)


def record(caller: CallerEnd, command: Record) -> Event:
    """Perform `command`: the prompt, then what the caller says, until the end key, silence, or the limit."""
    caller.play(command.media, bargein=False)
    began = caller.monotonic()
    speaks_s = min(caller.speaks(command.max_s), command.max_s) if caller.gone is None else 0.0
    ended = caller.gone is not None or caller.until_key(began + speaks_s, command.end, listening=False)
    said_s = caller.monotonic() - began
    if not ended and caller.gone is None and said_s < command.max_s:
        caller.until_key(caller.monotonic() + min(command.silence_s, command.max_s - said_s), command.end)
    if caller.gone is not None:
        return msgspec.structs.replace(caller.gone, recorded_s=said_s)
    return Recorded(said_s)
