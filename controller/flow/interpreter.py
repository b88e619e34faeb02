"""Runs a flow: fed one event, returns the next command. No I/O, no clock; the state is plain data.

::

    run = FlowRun.begin(release, "accueil", CallFacts(called="+33…", caller="+33…"), now)
    command = run.start(now)
    while command is not None:
        event = …perform command…           # save run.durable_state() first
        command = run.feed(event, now)
    run.ending

After a restart, `FlowRun.resume(release, state)` gives the run back, and `run.pending` the command to perform again.
Times are aware UTC datetimes. Nothing that a flow, a caller or a service does makes these methods raise: a fault is
an apology to the caller, then `on_failure` of the flow or the end of the call.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

import msgspec

from controller.errors import FlowError
from controller.flow import visits
from controller.flow.answers import ANSWERS, UNHEARD
from controller.flow.commands import (
    Answer,
    Answered,
    CallbackAsked,
    Command,
    Dialled,
    DialOutcome,
    Enqueue,
    Event,
    Failed,
    Hangup,
    HungUp,
    KeepMessage,
    Lookup,
    Play,
    QueueExit,
    QueueLeft,
)
from controller.flow.expressions import EvaluationError
from controller.flow.queuenow import NO_QUEUES, QueuesNow
from controller.flow.release import APOLOGY, Release
from controller.flow.runstate import CallFacts, Frame, Phase, Place, State, clean, decode, is_stripped
from controller.flow.runview import RunView
from controller.flow.steps.base import Enter, Go, Leave, Outcome, Returned
from controller.flow.trace import Disposition, EndedBy, Ending
from controller.flow.turn import SecretLostError, StepFaultError

__all__ = ["CallFacts", "Disposition", "EndedBy", "Ending", "FlowRun"]

NORMAL_CLEARING = 16
TEMPORARY_FAILURE = 41


class _LimitError(Exception):
    """The run has passed one of its flow's limits."""


class FlowRun(RunView):
    """One call on its way through a flow; see the module. Also the `Turn` that its steps see."""

    __slots__ = ()

    # --- life -------------------------------------------------------------------------------------------------

    @classmethod
    def begin(
        cls,
        release: Release,
        flow_name: str,
        call: CallFacts,
        at: datetime,
        *,
        queues: QueuesNow = NO_QUEUES,
        places: Mapping[str, Place] | None = None,
    ) -> Self:
        """Return a new run; raise `FlowError` if the release has no such flow.

        `queues` tells how the queues are; `places` are those that the call has in queues before it enters them.
        """
        flow = release.flows.get(flow_name)
        if flow is None:
            raise FlowError(f"release {release.hash} has no flow '{flow_name}': name one that it has")
        language = call.language if call.language in flow.languages else flow.languages[0]
        facts = (call.called, call.caller, call.caller_name, call.country, call.language)
        called, caller, caller_name, country, wished = (clean(fact) for fact in facts)
        call = CallFacts(called, caller, caller_name, country, wished, call.callback)
        state = State(release.hash, flow_name, call, language, at, places=dict(places or {}), callback=call.callback)
        run = cls(release, state)
        run.queues = queues
        return run

    @classmethod
    def resume(cls, release: Release, state: bytes, *, queues: QueuesNow = NO_QUEUES) -> Self:
        """Return the run that `state` was saved from; raise `FlowError` if it cannot go on with `release`."""
        try:
            saved = decode(state)
        except msgspec.MsgspecError as error:
            raise FlowError("the saved state of the call cannot be read: end the call") from error
        if saved.release != release.hash:
            raise FlowError(f"the call runs on release {saved.release}, not {release.hash}: load that one")
        run = cls(release, saved)
        run.queues = queues
        if is_stripped(saved.pending):
            run.at = saved.frames[-1].entered_at
            run._advance(run._ask_again)
        return run

    def start(self, at: datetime) -> Command:
        """Enter the flow; return the first command."""
        self.at = at
        state = self._state
        command = self._advance(lambda: self._open(state.flow, {}, frozenset()))
        return state.pending if command is None else command

    def feed(self, event: Event, at: datetime) -> Command | None:
        """Take what the driver reports on `pending`; return the next command, or None when the run has ended."""
        state = self._state
        if state.phase is Phase.ENDED:
            return None
        self.at = at
        if isinstance(event, HungUp):
            return self._gone(event)
        if isinstance(event, Failed) and isinstance(state.pending, Enqueue) and state.phase is Phase.STEPS:
            self._trail.fault(f"Enqueue: {event.reason}")  # its step has an exit for that
            event = QueueLeft(QueueExit.FAILED, state.pending.queue)
        pending = type(state.pending)
        if isinstance(event, Failed) or not isinstance(event, ANSWERS.get(pending, ())):
            reason = event.reason if isinstance(event, Failed) else f"the driver answered {type(event).__name__}"
            return self._fail(f"{pending.__name__}: {reason}", mute=pending is Answer)
        if isinstance(event, Answered):
            return self._answered()
        if state.phase is Phase.APOLOGY:
            return self._after_apology()
        return self._advance(lambda: self._resume_step(event))

    def amend(self, command: Enqueue) -> None:
        """Keep how far the pending visit to the queues has come: `command` is it, with other `progress`."""
        pending = self._state.pending
        if not isinstance(pending, Enqueue) or msgspec.structs.replace(command, progress=pending.progress) != pending:
            raise ValueError("only the progress of the pending Enqueue can be amended")
        self._state.pending = command

    # --- from step to step ------------------------------------------------------------------------------------

    def _advance(self, produce: Callable[[], Outcome]) -> Command | None:
        """Go on from what `produce` gives until there is a command; turn everything that goes wrong into one."""
        try:
            outcome = produce()
            while True:  # bounded: each turn but the last enters a step, and these are limited
                if isinstance(outcome, Go):
                    self._trail.leave(outcome.exit, self.at)
                    outcome = self._enter_step(outcome.target)
                elif isinstance(outcome, Enter):
                    outcome = self._open(outcome.flow, outcome.values, outcome.secret)
                elif isinstance(outcome, Leave):
                    self._trail.leave(outcome.exit, self.at)
                    if len(self._state.frames) == 1 or self._frame.in_hangup:
                        return self._emit(Hangup(NORMAL_CLEARING))
                    self._state.frames.pop()
                    outcome = self._step.resume(self, Returned(outcome.exit, outcome.values, outcome.secret))
                else:
                    return self._emit(outcome)
        except _LimitError as limit:
            return self._limit(str(limit))
        except SecretLostError:
            return self._advance(self._ask_again)  # once: what was lost is cleared
        except (StepFaultError, EvaluationError) as fault:
            return self._fail(str(fault))
        except Exception as error:  # noqa: BLE001 - one step's bug is that call's, and ends in an apology
            return self._fail(self._bug(error), traceback.format_exc() if not self.holds_secrets else "")

    def _open(self, name: str, values: Mapping[str, Any], secret: frozenset[str]) -> Outcome:
        """Begin a flow with `values` for its inputs."""
        flow = self.release.flows[name]
        frame = Frame(name, "", self.at)
        frame.variables.update(values)
        frame.secrets.update(secret)
        self._state.frames.append(frame)
        for variable, expr in flow.variables.items():
            self.save(variable, self.evaluate(expr), secret=self.is_secret(expr))
        return self._enter_step(flow.start)

    def _ask_again(self) -> Outcome:
        """Go back to where the secrets came from: the outermost flow that held some, the step that got the first."""
        frames = self._state.frames
        place = next((place for place, frame in enumerate(frames) if frame.lost), 0)
        frame = frames[place]
        if not frame.secret_step or self._state.phase is Phase.GONE:
            raise StepFaultError("a secret did not survive a restart")
        for each in reversed(frames[place:]):
            self._trail.leave("asked_again", self.at, each)
        del frames[place + 1 :]
        frame.lost = set()
        step, frame.secret_step = frame.secret_step, ""
        return self._enter_step(step)

    def _enter_step(self, name: str) -> Outcome:
        state = self._state
        frame = state.frames[-1]
        frame.step = name
        frame.entered_at = self.at
        frame.local, frame.detail, frame.digits = {}, {}, ""
        state.entered += 1
        limits = self.release.flows[state.flow].limits
        if state.entered > limits.steps + (limits.steps if state.phase is Phase.GONE else 0):
            raise _LimitError(f"more than {limits.steps} steps (limits: steps)")
        self._check_duration()
        return self.release.flows[frame.flow].steps[name].enter(self)

    def _resume_step(self, event: Event) -> Outcome:
        self._count_talk(event)
        if isinstance(event, CallbackAsked) and not event.refused:
            self._state.messaged = True
        self._check_duration()
        return self._step.resume(self, event)

    def _count_talk(self, event: Event) -> None:
        state = self._state
        if isinstance(event, Dialled) and event.outcome is DialOutcome.TALKED:
            state.talked = True
            state.talked_s += event.talk_s
        elif isinstance(event, QueueLeft) and isinstance(state.pending, Enqueue):
            visits.left(state, state.pending, event, self.at)

    def _check_duration(self) -> None:
        state = self._state
        if state.phase is Phase.GONE:
            return
        if state.waited_s > visits.LONGEST_WAIT_S:
            raise _LimitError(f"waited in queues for more than {visits.LONGEST_WAIT_S:g} s")
        limit = self.release.flows[state.flow].limits.duration_s
        if (self.at - state.began_at).total_seconds() - state.talked_s - state.waited_s > limit:
            raise _LimitError(f"longer than {limit:g} s (limits: duration)")

    def _emit(self, command: Command) -> Command | None:
        """Give `command` to the driver; answer first if it needs an answered call."""
        state = self._state
        if isinstance(command, Lookup):
            command = msgspec.structs.replace(command, step=self._frame.step)
        elif state.phase is Phase.GONE:
            return self._next_hangup_chain()
        if isinstance(command, Hangup):
            return self._hang_up(command)
        state.messaged = state.messaged or isinstance(command, KeepMessage)
        if not state.answered and not isinstance(command, UNHEARD):
            state.deferred = command
            command = Answer()
        state.pending = command
        return command

    def _answered(self) -> Command | None:
        state = self._state
        state.answered = True
        waiting, state.deferred = state.deferred, None
        if waiting is None:
            return self._fail("nothing was to follow the answer")
        state.pending = waiting
        return waiting

    # --- ends -------------------------------------------------------------------------------------------------

    def _hang_up(self, command: Hangup) -> Command:
        state = self._state
        self._trail.leave_all("hangup", self.at)
        if state.ending is None:
            disposition = Disposition.TALKED if state.talked else Disposition.COMPLETED
            state.ending = Ending(disposition, EndedBy.FLOW, command.cause)
        return self._end(command)

    def _end(self, command: Hangup) -> Command:
        state = self._state
        state.phase = Phase.ENDED
        state.pending = command
        state.deferred = None
        state.frames.clear()
        return command

    def _gone(self, event: HungUp) -> Command | None:
        """The caller has left: write that down and run the flows' on_hangup, innermost first."""
        state = self._state
        if state.phase is Phase.GONE:
            return self._next_hangup_chain()
        last = self._last_wish(event)
        state.talked = state.talked or event.talk_s > 0
        state.talked_s += event.talk_s
        if state.ending is None:
            at_end = bool(state.frames) and bool(self._frame.step) and self._step.ends
            disposition = Disposition.COMPLETED if at_end or state.messaged else Disposition.ABANDONED
            if state.talked:
                disposition = Disposition.TALKED
            state.ending = Ending(disposition, EndedBy.CALLER, event.cause)
        state.phase = Phase.GONE
        if last is not None:
            state.pending = last
            return last
        self._trail.leave_all("hung_up", self.at)
        return self._next_hangup_chain()

    def _last_wish(self, event: HungUp) -> Command | None:
        """Return what the present step has still to do for a caller who has left."""
        state = self._state
        if state.phase is not Phase.STEPS or not self.step_name:
            return None
        try:
            command = self._step.gone(self, event)
        except Exception as error:  # noqa: BLE001 - one step's bug is that call's
            self._trail.fault(self._bug(error), traceback.format_exc() if not self.holds_secrets else "")
            return None
        state.messaged = state.messaged or command is not None
        return command

    def _next_hangup_chain(self) -> Command | None:
        state = self._state
        while state.frames:
            frame = state.frames[-1]
            first = self.release.flows[frame.flow].on_hangup
            if not frame.in_hangup:
                self._trail.leave("hung_up", self.at, frame)  # what it had still to do is done
            if first and not frame.in_hangup:
                frame.in_hangup = True
                return self._advance(functools.partial(self._enter_step, first))
            self._trail.leave("end", self.at, frame)
            state.frames.pop()
        self._end(Hangup(NORMAL_CLEARING))
        return None

    def _limit(self, reason: str) -> Command | None:
        state = self._state
        if state.phase is not Phase.STEPS:
            return self._fail(reason)
        self._trail.fault(reason)
        self._trail.leave_all("limit", self.at)
        state.ending = Ending(Disposition.LIMIT, EndedBy.SYSTEM, NORMAL_CLEARING, reason)
        return self._apologise()

    def _fail(self, reason: str, trace: str = "", *, mute: bool = False) -> Command | None:
        """A fault: apologise, unless `mute`, and go on with on_failure; a second one ends the call."""
        state = self._state
        self._trail.fault(reason, trace)
        if state.phase is Phase.GONE:
            if state.frames:
                self._trail.leave("fault", self.at)
            return self._next_hangup_chain()
        state.failures += 1
        mute = mute or state.phase is Phase.APOLOGY
        flows = [self.release.flows[frame.flow] for frame in state.frames]
        place = next((place for place in reversed(range(len(flows))) if flows[place].on_failure), -1)
        state.recover = place >= 0 and not mute and state.failures == 1 and state.ending is None
        self._trail.leave_all("fault", self.at, place if state.recover else 0)
        if state.recover:
            del state.frames[place + 1 :]
        if not state.recover and state.ending is None:
            state.ending = Ending(Disposition.FAILED, EndedBy.SYSTEM, TEMPORARY_FAILURE, clean(reason))
        return self._hang_up(Hangup(TEMPORARY_FAILURE)) if mute else self._apologise()

    def _apologise(self) -> Command | None:
        state = self._state
        state.phase = Phase.APOLOGY
        state.deferred = None
        prompts = self.release.flows[self.flow_name].prompts
        prompt = prompts.get(APOLOGY)
        fixed = prompt.fixed.get(state.language) if prompt is not None else None
        return self._emit(Play(fixed or (f"say/{state.language}/{APOLOGY}",), bargein=False))

    def _after_apology(self) -> Command | None:
        state = self._state
        if not state.recover:
            return self._hang_up(Hangup(NORMAL_CLEARING))
        state.recover = False
        state.phase = Phase.STEPS
        return self._advance(lambda: self._enter_step(self._flow.on_failure))

    def _bug(self, error: Exception) -> str:
        """Say what a bug was, without quoting values where some are secret."""
        return type(error).__name__ if self.holds_secrets else f"{type(error).__name__}: {error}"
