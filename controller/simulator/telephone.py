"""The caller's end of a simulated call: performs the flow's commands on a virtual clock, exact to the millisecond."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from controller.flow.commands import (
    AgentAct,
    AgentActed,
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Enqueue,
    Event,
    Hangup,
    HearMessage,
    HungUp,
    KeepMessage,
    ListMessages,
    MediaId,
    MessageKept,
    MessageReady,
    Play,
    Played,
    Record,
    Recorded,
    TreatMessage,
)
from controller.flow.digits import DigitCollector
from controller.flow.queues import QueuePlan
from controller.simulator.caller import HANG_UP, Caller
from controller.simulator.clock import VirtualClock
from controller.simulator.mailbox import SimulatedMailbox
from controller.simulator.waiting import QueueAnswer, record, visit

MAX_AHEAD = 64
"""Keys kept for the next entry, as on the real telephone."""


class DialAnswer(msgspec.Struct, frozen=True):
    """How the other side of a dial behaves: rings for `ring_s`, and if it talks, does so for `talk_s`."""

    outcome: DialOutcome = DialOutcome.TALKED
    ring_s: float = 5.0
    talk_s: float = 60.0
    cause: int = 0


class SimulatedTelephone:
    """`controller.ports.Telephone` on a virtual clock.

    Keys pressed while nothing listens are kept for the next `Collect`, as ARI does; while some wait, prompts that a
    key may stop are passed over. `seconds` tells how long media last, `dial` how a dial goes, `queue` a visit to the
    queues, `agent` why something an agent asks for is refused, `mailbox` the messages
    an agent finds. `on_key` is told of every key, and whether it was
    pressed into a secret entry; a hang-up is `HANG_UP`. `says` is told what is heard while waiting.
    """

    def __init__(
        self,
        clock: VirtualClock,
        caller: Caller,
        *,
        seconds: Callable[[tuple[MediaId, ...]], float],
        dial: Callable[[Dial], DialAnswer],
        on_key: Callable[[str, bool], None] = lambda _key, _secret: None,
        queue: Callable[[Enqueue], QueueAnswer] = lambda _command: QueueAnswer(),
        agent: Callable[[AgentAct], str] = lambda _command: "",
        mailbox: SimulatedMailbox | None = None,
        says: Callable[[tuple[MediaId, ...]], None] = lambda _media: None,
        plans: Mapping[str, QueuePlan] | None = None,
    ) -> None:
        self._clock = clock
        self._caller = caller
        self._seconds = seconds
        self._dial_answer = dial
        self._on_key = on_key
        self._queue_answer = queue
        self._agent_answer = agent
        self._mailbox = mailbox or SimulatedMailbox()
        self._began_at = clock.now()
        self._says = says
        self._plans = plans or {}
        self._recorded_s: dict[MediaId, float] = {}
        self._performers: dict[type[Command], Callable[[Any], Event]] = {
            Answer: lambda _command: Answered(),
            Play: self._play,
            Collect: self._collect,
            Dial: self._dial,
            Enqueue: self._enqueue,
            Record: self._record,
            KeepMessage: lambda _command: MessageKept(),
            AgentAct: lambda command: AgentActed(self._agent_answer(command)),
            ListMessages: self._with_messages,
            HearMessage: self._with_messages,
            TreatMessage: self._with_messages,
            Hangup: self._hang_up,
        }
        self._ahead: deque[str] = deque(maxlen=MAX_AHEAD)
        self._secret = False
        self._gone: HungUp | None = None

    async def perform(self, command: Command) -> Event:
        """See `Telephone.perform`; never waits for anything but the caller's imagination."""
        return self.carry_out(command)

    def carry_out(self, command: Command) -> Event:
        """Perform `command`, advancing the clock by what it takes, and report how it went."""
        if self._gone is not None:
            return self._gone
        self._secret = isinstance(command, Collect) and command.secret
        performer = self._performers.get(type(command))
        if performer is not None:
            return performer(command)
        raise TypeError(f"{type(command).__name__} is not for the telephone")

    def let_pass(self, seconds: float) -> HungUp | None:
        """Let time pass in which the flow does something else; return `HungUp` if the caller left in it."""
        until = self._clock.monotonic() + seconds
        while self._next_key(until) is not None:  # bounded by what the caller does
            pass
        return self._gone

    @property
    def gone(self) -> HungUp | None:
        """The hang-up, once the caller has gone."""
        return self._gone

    def now(self) -> datetime:
        """Return the time of day."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds since the call began."""
        return self._clock.monotonic()

    def until_key(self, until: float, keys: str, *, listening: bool = True) -> str:
        """See `controller.simulator.waiting.CallerEnd`."""
        while (key := self._next_key(until, listening=listening and bool(keys), keys=keys)) is not None:
            self._ahead.clear()
            if key in keys:
                return key
        return ""

    def speaks(self, most_s: float) -> float:
        """Return for how long the caller speaks from now on."""
        return self._caller.speak(self._clock.monotonic(), most_s)

    def _hang_up(self, command: Hangup) -> Event:
        self._gone = HungUp(command.cause)
        return self._gone

    def _enqueue(self, command: Enqueue) -> Event:
        self._ahead.clear()
        event = visit(self, command, self._queue_answer(command), self._plans.get(command.queue), self._says)
        self._ahead.clear()
        self._gone = event if isinstance(event, HungUp) else None
        return event

    def _record(self, command: Record) -> Event:
        event = record(self, command)
        self._ahead.clear()
        self._gone = event if isinstance(event, HungUp) else None
        if isinstance(event, Recorded):
            self._recorded_s[f"recording/{command.number}"] = event.duration_s
        return event

    def _with_messages(self, command: ListMessages | HearMessage | TreatMessage) -> Event:
        event = self._mailbox.perform(command, self._began_at)
        if isinstance(event, MessageReady) and event.media:
            self._recorded_s[event.media] = self._mailbox.seconds(event.media)
        return event

    def _play(self, command: Play) -> Event:
        interrupted = self.play(command.media, bargein=command.bargein)
        return self._gone or Played(interrupted=interrupted)

    def play(self, media: tuple[MediaId, ...], *, bargein: bool) -> bool:
        """Play `media`; return whether a key has kept the caller from hearing all of it."""
        if bargein and self._ahead:
            return True
        own_s = sum(self._recorded_s.get(each, 0.0) for each in media)
        others = tuple(each for each in media if each not in self._recorded_s)
        until = self._clock.monotonic() + own_s + self._seconds(others)
        while self._next_key(until) is not None:
            if bargein:
                return True
        return False

    def _collect(self, command: Collect) -> Event:
        collector = DigitCollector(command.rules)
        if command.bargein and (end := self._hand_over(collector)):
            return Collected(collector.digits, end)
        if not collector.digits:
            self.play(command.media, bargein=command.bargein)
            if not command.bargein:
                self._ahead.clear()
        collector.prompt_done(self._clock.monotonic())
        while self._gone is None:  # bounded by the collector's total clock
            end = self._hand_over(collector)
            if end is None:
                deadline = collector.deadline()
                if deadline is None:
                    raise AssertionError("an entry that has not ended has a clock")
                if self._next_key(deadline, listening=True) is None and self._gone is None:
                    end = collector.expire(deadline)
            if end is not None:
                return Collected(collector.digits, end)
        return self._gone

    def _hand_over(self, collector: DigitCollector) -> CollectEnd | None:
        """Press the keys that are there, until the entry ends; the rest stays for the next one."""
        while self._ahead:
            if end := collector.press(self._ahead.popleft(), self._clock.monotonic()):
                return end
        return None

    def _dial(self, command: Dial) -> Event:
        answer = self._dial_answer(command)
        talks = answer.outcome is DialOutcome.TALKED
        if answer.outcome is DialOutcome.NO_ANSWER or answer.ring_s > command.ring_s:
            talks, outcome, ring_s = False, DialOutcome.NO_ANSWER, command.ring_s
        else:
            outcome, ring_s = answer.outcome, answer.ring_s
        talk_s = min(answer.talk_s, command.max_talk_s) if talks else 0.0
        answered_at = self._clock.monotonic() + ring_s
        if self.let_pass(ring_s + talk_s) is not None:
            talked_s = max(0.0, self._clock.monotonic() - answered_at) if talks else 0.0
            self._gone = HungUp(talk_s=talked_s)
            return self._gone
        self._ahead.clear()  # keys pressed in a conversation are the conversation's
        return Dialled(outcome, answer.cause or _CAUSES[outcome], talk_s)

    def _next_key(self, until: float, *, listening: bool = False, keys: str = "") -> str | None:
        """Let time pass until the caller does something, or `until`; keys are kept, a hang-up ends the call."""
        if self._gone is not None:
            return None
        acted = self._caller.act(self._clock.monotonic(), until, listening, keys)
        if acted is None:
            self._clock.advance_to(until)
            return None
        at, key = acted
        self._clock.advance_to(at)
        self._on_key(key, self._secret)
        if key == HANG_UP:
            self._gone = HungUp()
            return None
        self._ahead.append(key)
        return key


_CAUSES = {
    DialOutcome.TALKED: 16,
    DialOutcome.BUSY: 17,
    DialOutcome.NO_ANSWER: 19,
    DialOutcome.REFUSED: 21,
    DialOutcome.UNREACHABLE: 20,
    DialOutcome.FAILED: 38,
}
"""Q.850 causes that such dials usually end with."""
