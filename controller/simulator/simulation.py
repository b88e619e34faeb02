"""Runs one simulated call: a flow, a caller, the answers of other systems, on a virtual clock.

The state of the run is encoded and read back at every wait, so that a call that could not survive a restart of the
controller shows here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from controller.errors import FlowError
from controller.flow.commands import (
    AgentAct,
    AgentActed,
    Answer,
    AskCallback,
    CallbackFound,
    CancelCallback,
    ChangeCallback,
    Collect,
    Collected,
    Command,
    Dial,
    Dialled,
    Enqueue,
    Event,
    FindCallback,
    Hangup,
    HearMessage,
    KeepMessage,
    ListMessages,
    ListSlots,
    LookedUp,
    Lookup,
    LookupFailed,
    MediaId,
    MessageReady,
    MessagesListed,
    MessageTreated,
    OptOut,
    Play,
    QueueLeft,
    Record,
    Recorded,
    SlotsListed,
    TreatMessage,
)
from controller.flow.interpreter import CallFacts, Ending, FlowRun
from controller.flow.queuenow import NO_QUEUES, QueueNow, QueuesNow
from controller.flow.release import Release
from controller.flow.runstate import State
from controller.flow.trace import MASK, StepRecord
from controller.simulator.callbacks import CallbackCommand, CallbackEvent, SimulatedCallbacks, Wish
from controller.simulator.caller import HANG_UP, Caller
from controller.simulator.clock import VirtualClock
from controller.simulator.mailbox import SimulatedMailbox
from controller.simulator.telephone import DialAnswer, SimulatedTelephone
from controller.simulator.trace import TraceLine, detail, shown
from controller.simulator.waiting import QueueAnswer
from controller.simulator.wording import Wording

MAX_COMMANDS = 20_000
"""No flow within its limits asks for more; beyond, the call counts as endless."""

_CALLBACK_WORDS: dict[type[Command], str] = {
    FindCallback: "look for a request",
    ListSlots: "look for times",
    AskCallback: "ask",
    ChangeCallback: "change",
    CancelCallback: "cancel",
    OptOut: "never again",
}
_ACTS: dict[type[Command], str] = {ListMessages: "messages", HearMessage: "listen"}

Answers = Callable[[str, Lookup], tuple[LookedUp | LookupFailed, float]]
"""Returns what comes of a request of a flow (by name), and after how many seconds."""
Dials = Callable[[Dial], DialAnswer]
Queues = Callable[[Enqueue], QueueAnswer]
Agents = Callable[[AgentAct], str]
Observer = Callable[[TraceLine], None]


class CallResult(msgspec.Struct):
    """What became of a simulated call. `problems` are faults of the flow or of the simulation, for people."""

    trace: list[TraceLine] = []
    steps: list[StepRecord] = []
    said: list[str] = []
    asked: list[tuple[str, str]] = []
    """The http steps asked, each with `GET https://…` in full, also where the trace hides it."""
    dialled: list[str] = []
    queued: list[str] = []
    messages: list[str] = []
    """The queues a message was left for."""
    acts: list[str] = []
    """What an agent asked for."""
    wishes: list[Wish] = []
    """What the caller asked for of call-backs."""
    variables: dict[str, Any] = {}
    """The values given last, in whatever flow."""
    problems: list[str] = []
    ending: Ending | None = None
    language: str = ""
    elapsed_s: float = 0.0

    @property
    def visits(self) -> list[str]:
        """The steps left, in order, as `flow.step`."""
        return [f"{each.flow}.{each.step}" for each in self.steps]


class _WatchedRun(FlowRun):
    """A run that tells which variables it saves."""

    __slots__ = ("saved",)

    def __init__(self, release: Release, state: State) -> None:
        super().__init__(release, state)
        self.saved: dict[str, Any] = {}

    def save(self, name: str, value: Any, *, secret: bool = False) -> None:
        super().save(name, value, secret=secret)
        self.saved[name] = value


def _watched(run: FlowRun) -> _WatchedRun:
    if not isinstance(run, _WatchedRun):
        raise TypeError("a run of another class than was asked for")
    return run


class Simulation:
    """One call. `run` may be called once."""

    def __init__(
        self,
        release: Release,
        flow: str,
        facts: CallFacts,
        at: datetime,
        caller: Caller,
        *,
        answers: Answers,
        dials: Dials,
        queues: Queues = lambda _command: QueueAnswer(),
        queues_now: Callable[[], QueuesNow] = lambda: NO_QUEUES,
        agents: Agents = lambda _command: "",
        mailbox: SimulatedMailbox | None = None,
        callbacks: SimulatedCallbacks | None = None,
        wording: Wording | None = None,
        observer: Observer = lambda _line: None,
    ) -> None:
        self._release = release
        self._flow = flow
        self._facts = facts
        self._clock = VirtualClock(at)
        self._answers = answers
        self._wording = wording or Wording(release)
        self._observer = observer
        self._queues_now = queues_now
        self._callbacks = callbacks or SimulatedCallbacks(release)
        self._telephone = SimulatedTelephone(
            self._clock,
            caller,
            seconds=self._wording.seconds,
            dial=dials,
            on_key=self._key,
            queue=queues,
            agent=agents,
            mailbox=mailbox,
            says=self._say,
            plans=release.queues,
        )
        self._result = CallResult()

    def run(self) -> CallResult:
        """Simulate the call to its end; everything that goes wrong is in the result."""
        result = self._result
        run = _watched(_WatchedRun.begin(self._release, self._flow, self._facts, self._clock.now()))
        self._note(
            "call", f"{self._facts.caller or 'withheld'} → {self._facts.called or self._flow} ({run.language})"
        )
        run.queues = self._queues()
        command: Command | None = run.start(self._clock.now())
        for _ in range(MAX_COMMANDS):
            self._collect(run)
            if command is None:
                break
            run = self._reloaded(run, command)
            run.queues = self._queues()
            event = self._perform(run, command)
            if isinstance(command, Hangup):
                break
            command = run.feed(event, self._clock.now())
        else:
            result.problems.append(f"the call has not ended after {MAX_COMMANDS} commands")
        self._collect(run)
        result.ending, result.language = run.ending, run.language
        result.elapsed_s = self._clock.monotonic()
        ending = run.ending
        reason = f": {ending.reason}" if ending.reason else ""
        self._note("end", f"{ending.disposition} by {ending.by}, cause {ending.cause}{reason}")
        return result

    def _queues(self) -> QueuesNow:
        """Return how the queues are: as the scenario says, else empty and open by their calendars."""
        at, calendars = self._clock.now(), self._release.calendars
        plans = self._release.queues.items()
        opened = {name: not plan.calendar or calendars[plan.calendar].status(at) == "open" for name, plan in plans}
        return {**{name: QueueNow(open=is_open) for name, is_open in opened.items()}, **self._queues_now()}

    def _reloaded(self, run: _WatchedRun, command: Command) -> _WatchedRun:
        """Return the run as a restarted controller would find it."""
        saved = run.state()
        try:
            again = _watched(_WatchedRun.resume(self._release, saved))
        except FlowError as error:
            self._result.problems.append(f"the state could not be read back: {error}")
            return run
        if again.pending != command or again.state() != saved:
            self._result.problems.append(f"the state came back different before {type(command).__name__}")
            return run
        return again

    def _collect(self, run: _WatchedRun) -> None:
        """Take over what the run has done since the last command."""
        self._result.variables |= run.saved
        run.saved = {}
        for step in run.take_steps():
            self._result.steps.append(step)
            digits = f" [{step.digits}]" if step.digits else ""
            self._note("step", f"{step.flow}.{step.step}{digits} → {step.exit}{detail(step.detail)}")
        for fault in run.take_faults():
            self._note("fault", f"{fault.flow}.{fault.step}: {fault.reason}")
            if fault.traceback:
                self._result.problems.append(f"a bug in {fault.flow}.{fault.step}:\n{fault.traceback}")

    def _perform(self, run: _WatchedRun, command: Command) -> Event:
        if isinstance(command, Lookup):
            return self._look_up(run, command)
        if isinstance(command, AgentAct | ListMessages | HearMessage | TreatMessage):
            return self._act(command)
        if isinstance(command, CallbackCommand):
            return self._about_callback(command)
        if isinstance(command, Play | Collect | Record) and command.media:
            self._say(command.media)
        if isinstance(command, Enqueue):
            self._result.queued.append(command.queue)
            needs = f", needs {shown(command.needs)}" if command.needs else ""
            priority = f", priority {command.priority}" if command.priority else ""
            self._note("queues", f"{command.queue}{priority}{needs}")
        elif isinstance(command, KeepMessage):
            self._result.messages.append(command.queue)
            self._note("message", f"{command.queue}, {command.duration_s:g} s")
        elif isinstance(command, Answer):
            self._note("answers", "")
        elif isinstance(command, Hangup):
            self._note("hangs up", f"cause {command.cause}")
        elif isinstance(command, Dial):
            self._result.dialled.append(command.extension)
            self._note("dials", command.extension)
        event = self._telephone.carry_out(command)
        self._report(event, secret=isinstance(command, Collect) and command.secret)
        return event

    def _act(self, command: AgentAct | ListMessages | HearMessage | TreatMessage) -> Event:
        act = command.act.value if isinstance(command, AgentAct | TreatMessage) else _ACTS[type(command)]
        self._result.acts.append(act)
        event = self._telephone.carry_out(command)
        if isinstance(event, AgentActed | MessagesListed | MessageReady | MessageTreated):
            reason = f" ({command.reason})" if isinstance(command, AgentAct) and command.reason else ""
            self._note("agent", f"{act}{reason}: {event.refused or 'done'}")
        return event

    def _about_callback(self, command: CallbackCommand) -> Event:
        event = self._callbacks.perform(command, self._clock.now())
        self._result.wishes = list(self._callbacks.wishes)
        told = _CALLBACK_WORDS[type(command)]
        if isinstance(command, AskCallback | ChangeCallback):
            told += f" {command.when}" + (f" {command.slot_at.isoformat()}" if command.slot_at else "")
        if isinstance(command, AskCallback):
            told += f", {command.queue} {command.phone}" + (", place kept" if command.entered_at else "")
        self._note("callback", f"{told}: {_outcome(event)}")
        return event

    def _look_up(self, run: _WatchedRun, command: Lookup) -> Event:
        request = f"{command.method} {command.url}"
        self._result.asked.append((command.step, request))
        body = "" if command.body is None else f" {shown(command.body)}"
        self._note("asks", f"{command.step}: {MASK if command.secret else request + body}")
        answer, takes_s = self._answers(run.flow_name, command)
        if takes_s > command.timeout_s:
            answer, takes_s = LookupFailed("timeout"), command.timeout_s
        self._telephone.let_pass(takes_s)  # a caller who leaves meanwhile is reported with the next command
        if isinstance(answer, LookedUp):
            self._note("answer", f"{answer.status} {shown(answer.body, secret=command.secret)}")
        else:
            self._note("answer", f"none: {answer.reason}")
        return answer

    def _report(self, event: Event, *, secret: bool) -> None:
        if isinstance(event, Collected):
            digits = MASK if secret and event.digits else event.digits
            self._note("entry", f"{digits or 'nothing'} ({event.end})")
        elif isinstance(event, Dialled):
            self._note("dialled", f"{event.outcome} {event.talk_s:g} s, cause {event.cause}")

        elif isinstance(event, QueueLeft):
            talk = f", {event.agent} talks {event.talk_s:g} s" if event.agent else ""
            self._note("queue", f"{event.exit} after {event.waited_s:g} s{talk}")
        elif isinstance(event, Recorded):
            self._note("records", f"{event.duration_s:g} s")

    def _say(self, media: tuple[MediaId, ...]) -> None:
        text = self._wording.text(media)
        self._result.said.append(text)
        self._note("says", text)

    def _key(self, key: str, secret: bool) -> None:
        if key == HANG_UP:
            self._note("caller", "hangs up")
        elif not secret:  # not even how many
            self._note("presses", key)

    def _note(self, kind: str, text: str) -> None:
        line = TraceLine(round(self._clock.monotonic(), 3), kind, text)
        self._result.trace.append(line)
        self._observer(line)


def _outcome(event: CallbackEvent) -> str:
    if event.refused:
        return event.refused
    if isinstance(event, CallbackFound):
        return "none" if event.request is None else f"{event.request.queue} {event.request.when}"
    return f"{len(event.slots)} times" if isinstance(event, SlotsListed) else "done"


def trace_lines(result: CallResult) -> list[str]:
    """Return the trace as text, the form of the golden files: stable from run to run, secrets masked."""
    return [str(line) for line in result.trace]
