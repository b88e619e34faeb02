"""Drives one flow run over one telephone: command out, event in, the record written at every wait.

This is the only loop between interpreter and media; ARI and FastAGI calls both pass through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import structlog

from controller.calls.callback import inflow
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.centre import CentreNumbers
from controller.calls.queueing.services import Services
from controller.calls.queueing.stay import Stay
from controller.calls.queueing.talking import Talking
from controller.calls.queueing.visit import Visit
from controller.cdr.entries import CallAnswered, Entry, LegAnswered, StateSaved, StepTaken
from controller.flow.commands import (
    AgentAct,
    AgentActed,
    Answer,
    Answered,
    AskCallback,
    CancelCallback,
    ChangeCallback,
    Command,
    Enqueue,
    Event,
    Failed,
    FindCallback,
    Hangup,
    HearMessage,
    HungUp,
    KeepMessage,
    ListMessages,
    ListSlots,
    Lookup,
    MessageKept,
    OptOut,
    TreatMessage,
    VisitProgress,
)
from controller.flow.interpreter import FlowRun
from controller.ids import LegId, message_id
from controller.ports import Clock, LookupClient, Recorder, Telephone

log = structlog.get_logger(__name__)

_Here = Enqueue | KeepMessage | AgentAct | ListMessages | HearMessage | TreatMessage
"""What is not the telephone's to perform."""


class Entries:
    """Entries of one call's record, in order: `add` keeps them until `write`, which records them together.

    Recording costs a system call each time. Whoever adds an entry sees to it that it is written before anything is
    awaited: until then nobody outside can have noticed what it tells of.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._unwritten: list[Entry] = []

    def add(self, *entries: Entry) -> None:
        """Keep `entries` for the next `write`."""
        self._unwritten += entries

    def write(self) -> None:
        """Record what was added; it is durable on return (see `Recorder.record`)."""
        if self._unwritten:
            entries, self._unwritten = self._unwritten, []
            self._recorder.record(*entries)


@dataclass(slots=True)
class Drive:
    """One call on its way through its flow. Without `services` there are no queues, messages and agents.

    `run` returns the last event seen: `HungUp` of the caller, or what `Hangup` reported. The order of the record
    is the order of the call; the state is saved before every command, so that a successor repeats that command.
    The last steps are added to `record` and not yet written: the end of the call follows.
    """

    call: CallRef
    driver: str
    node: str
    flow_run: FlowRun
    telephone: Telephone
    lookups: LookupClient
    record: Entries
    clock: Clock
    services: Services | None = None

    async def run(self, first: Command) -> Event:
        """Perform `first` and everything the flow asks for after it, until the call is over."""
        command: Command | None = first
        event: Event = HungUp()
        while command is not None:  # bounded by the run's own step and duration limits
            self._record_wait()
            event = await self._perform(command)
            if isinstance(command, Hangup):
                break
            command = self.flow_run.feed(event, self.clock.now())
            self._log_faults()
        self.record.add(*self._steps())
        if self.services is not None:
            self.services.mailbox.over(self.call.call_id)
        return event

    def _log_faults(self) -> None:
        for fault in self.flow_run.take_faults():
            log.error(
                "flow.fault",
                flow=fault.flow,
                step=fault.step,
                reason=fault.reason,
                traceback=fault.traceback or None,
            )

    async def _perform(self, command: Command) -> Event:
        match command:
            case Lookup():
                return await self.lookups.fetch(command)
            case Enqueue() | KeepMessage() | AgentAct() | ListMessages() | HearMessage() | TreatMessage():
                return await self._perform_here(command)
            case (
                FindCallback() | ListSlots() | AskCallback() | ChangeCallback() | CancelCallback() | OptOut()
            ):  # for the telephone of no call: a caller who has gone is told of with the next command
                desk = self.services.callbacks if self.services is not None else None
                release = self.flow_run.release
                return await inflow.perform(desk, self.call, command, release, self.clock.now())
        event = await self.telephone.perform(command)
        if isinstance(command, Answer) and isinstance(event, Answered):
            call_id, now = self.call.call_id, self.clock.now()
            self.record.add(CallAnswered(call_id, now), LegAnswered(call_id, LegId(self.call.channel_id), now))
        return event

    async def _perform_here(self, command: _Here) -> Event:
        """Perform what is not the telephone's: waiting for an agent and talking, messages, what agents ask for."""
        if self.services is None:
            return Failed("this controller has no agents and no queues: start it with a distribution")
        call = msgspec.structs.replace(self.call, language=self.flow_run.language)
        match command:
            case Enqueue():
                return await self._visit(command, call, self.services)
            case KeepMessage(queue=queue, number=number, duration_s=duration_s):
                plan = self.flow_run.release.queues.get(queue)
                keep_s = plan.message_keep_s if plan else 0.0
                recording = message_id(call.call_id, number)
                refused = await self.services.keep_message(call, queue, recording, duration_s, keep_s)
                return Failed(f"{refused.code}: {refused.message}") if refused else MessageKept()
            case AgentAct(act=act, reason=reason):
                refused = self.services.act(call, act, reason)
                return AgentActed(refused.code if refused else "")
            case ListMessages() | HearMessage() | TreatMessage():
                return await self.services.mailbox.perform(call, command)

    async def _visit(self, command: Enqueue, call: CallRef, services: Services) -> Event:
        board = self.telephone.switchboard()
        if board is None:
            return Failed("queues need a call that reached us by ARI: this one came by FastAGI")

        def keep(progress: VisitProgress) -> None:
            self.flow_run.amend(msgspec.structs.replace(command, progress=progress))
            self._record_wait()

        release = self.flow_run.release
        stay = Stay(board, services.places, release.queues, call, command, self.clock, keep)
        talking = Talking(services.keeper, CentreNumbers(release, services))
        return await Visit(stay, talking).run()

    def _record_wait(self) -> None:
        state = StateSaved(
            call_id=self.call.call_id,
            at=self.clock.now(),
            channel_id=self.call.channel_id,
            driver=self.driver,
            release=self.flow_run.release.hash,
            node=self.node,
            state=self.flow_run.durable_state(),
        )
        self.record.add(*self._steps(), state)
        self.record.write()

    def _steps(self) -> list[Entry]:
        return [
            StepTaken(
                call_id=self.call.call_id,
                seq=step.seq,
                flow=step.flow,
                step=step.step,
                type=step.type,
                entered_at=step.entered_at,
                left_at=step.left_at,
                exit=step.exit,
                digits=step.digits,
                detail=step.detail,
            )
            for step in self.flow_run.take_steps()
        ]
