"""Starts one task per call, keeps its faults to itself, and takes running calls up after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.calls.drive import Drive
from controller.calls.incoming import IncomingCall
from controller.calls.legs import RecordedLegs
from controller.calls.releases import LiveRelease, Releases
from controller.cdr.entries import (
    CallEnded,
    CallStarted,
    Disposition,
    LegEnded,
    LegStarted,
    Party,
    Role,
    StateDropped,
    StateSaved,
)
from controller.errors import FlowError, TelephonyError
from controller.flow.commands import Answer, Command, Event, Hangup, HungUp, Play
from controller.flow.interpreter import CallFacts, Ending, FlowRun
from controller.ids import CallId, LegId
from controller.ports import Clock, LookupClient, Recorder, Telephone

log = structlog.get_logger(__name__)

CONGESTION = 42
UNALLOCATED = 1
NORMAL_CLEARING = 16
_GONE_REMEMBERED = 4096


@dataclass(slots=True)
class Counters:
    """Totals since start, for the metrics."""

    started: int = 0
    resumed: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    ended: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningCall:
    """One call in progress, for the status page."""

    call_id: CallId
    incoming: IncomingCall
    since: datetime
    flow: str
    release: str


@dataclass(frozen=True, slots=True)
class _Gone:
    cause: int
    cause_text: str
    at: datetime


class Supervisor:
    """Owns the tasks of all calls on this controller.

    `incoming` is the one door: a channel seen for the first time starts a call, one whose state was saved by an
    earlier controller resumes it, one that is already served changes nothing.
    """

    def __init__(
        self,
        *,
        releases: Releases,
        recorder: Recorder,
        lookups: LookupClient,
        clock: Clock,
        node: str,
        max_calls: int,
    ) -> None:
        self.counters = Counters()
        self._releases = releases
        self._recorder = recorder
        self._lookups = lookups
        self._clock = clock
        self._node = node
        self._max_calls = max_calls
        self._calls: dict[CallId, tuple[RunningCall, asyncio.Task[None]]] = {}
        self._saved: dict[CallId, StateSaved] = {}
        self._gone: dict[str, _Gone] = {}
        self._accepting = True

    @property
    def running(self) -> list[RunningCall]:
        """The calls in progress, oldest first."""
        return [call for call, _ in self._calls.values()]

    def expect(self, states: Iterable[StateSaved]) -> None:
        """Remember the states that an earlier controller left, before the first channel is seen."""
        for state in states:
            self._saved[state.call_id] = state

    def incoming(self, call: IncomingCall) -> CallId | None:
        """Serve `call`; return its id, or None when this controller is stopping."""
        call_id = call.call_id
        if call_id in self._calls:
            return call_id
        if not self._accepting:
            return None
        task = asyncio.create_task(self._serve(call, call_id, self._saved.pop(call_id, None)), name=f"call {call_id}")
        running = RunningCall(call_id, call, self._clock.now(), call.flow or "", self._releases.current_hash)
        self._calls[call_id] = (running, task)
        task.add_done_callback(lambda _: self._calls.pop(call_id, None))
        return call_id

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        """Note the end of a channel that no running call owns (an event from while we were away)."""
        if len(self._gone) < _GONE_REMEMBERED:
            self._gone[channel_id] = _Gone(cause, cause_text, at)

    def settle(self, live_channels: Iterable[str], driver: str) -> None:
        """Close the record of every expected call of `driver` whose channel is not among `live_channels`."""
        alive = set(live_channels)
        for call_id, state in list(self._saved.items()):
            if state.driver != driver or state.channel_id in alive or state.node != self._node:
                continue
            del self._saved[call_id]
            self._close_lost(state)
        self._gone.clear()

    async def stop(self, timeout_s: float) -> None:
        """Let go of every call without ending it: the channels stay with Asterisk for the next controller."""
        self._accepting = False
        tasks = [task for _, task in self._calls.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    # --- one call -----------------------------------------------------------------------------------------

    async def _serve(self, call: IncomingCall, call_id: CallId, saved: StateSaved | None) -> None:
        with structlog.contextvars.bound_contextvars(call_id=call_id):
            try:
                if saved is None:
                    await self._begin(call, call_id)
                else:
                    await self._resume(call, call_id, saved)
            except asyncio.CancelledError:
                log.info("call.left_running", channel=call.channel_name)
                raise
            except Exception:
                # One call's bug ends that call, never its neighbour.
                log.exception("call.crashed", channel=call.channel_name)
                self.counters.failed += 1

    async def _begin(self, call: IncomingCall, call_id: CallId) -> None:
        legs = RecordedLegs(call_id, self._recorder)
        with self._releases.hold() as live:
            telephone = call.telephone(call_id, live.audio, legs)
            entry = live.release.number(call.called_number)
            flow = call.flow or (entry.flow if entry else "")
            language = (entry.language if entry else "") or live.release.default_language
            self._record_start(call, call_id, flow, language, live, entry.tariff_class if entry else "")
            self.counters.started += 1
            log.info("call.started", channel=call.channel_name, flow=flow or None, release=live.release.hash)
            refusal = self._refusal(live, flow)
            if refusal:
                await self._refuse(call, call_id, telephone, live, language, *refusal)
                return
            run = FlowRun.begin(live.release, flow, _facts(call, language), self._clock.now())
            drive = self._drive(call, call_id, run, telephone)
            await self._finish(call, call_id, drive, run.start(self._clock.now()), live)

    async def _resume(self, call: IncomingCall, call_id: CallId, saved: StateSaved) -> None:
        legs = RecordedLegs(call_id, self._recorder)
        with self._releases.hold(saved.release) as live:
            telephone = call.telephone(call_id, live.audio, legs)
            run = FlowRun.resume(live.release, saved.state)
            drive = self._drive(call, call_id, run, telephone)
            self.counters.resumed += 1
            log.info("call.resumed", channel=call.channel_name, flow=run.flow_name, step=run.step_name)
            await self._finish(call, call_id, drive, run.pending, live)

    def _drive(self, call: IncomingCall, call_id: CallId, run: FlowRun, telephone: Telephone) -> Drive:
        return Drive(
            call_id=call_id,
            channel_id=call.channel_id,
            driver=call.driver,
            node=self._node,
            flow_run=run,
            telephone=telephone,
            lookups=self._lookups,
            recorder=self._recorder,
            clock=self._clock,
        )

    async def _finish(
        self, call: IncomingCall, call_id: CallId, drive: Drive, first: Command, live: LiveRelease
    ) -> None:
        """Drive to the end and write the end down, whatever happens on the way."""
        run = drive.flow_run
        try:
            last = await drive.run(first)
            ending = run.ending
        except TelephonyError as error:
            log.error("call.telephony_failed", error=str(error))  # noqa: TRY400 - the message says it all
            self.counters.failed += 1
            last = HungUp(cause=0)
            ending = Ending(disposition="failed", by="system", cause=0, reason=str(error))
        except Exception as error:
            log.exception("call.flow_crashed", flow=run.flow_name, step=run.step_name)
            self.counters.failed += 1
            last = await self._apologise(drive.telephone, live, run.language)
            ending = Ending(disposition="failed", by="system", cause=0, reason=f"{type(error).__name__}: {error}")
        self._record_end(call, call_id, last, ending, run.language)

    # --- refusals -----------------------------------------------------------------------------------------

    def _refusal(self, live: LiveRelease, flow: str) -> tuple[str, str, int] | None:
        """Return (spoken fragment, reason, Q.850 cause) when the call cannot be served."""
        if len(self._calls) > self._max_calls:
            self.counters.refused += 1
            reason = f"more than {self._max_calls} calls at once ([calls] max_calls)"
            return "overload", reason, CONGESTION
        if not flow:
            return "unknown-number", "no flow for the called number: add it under numbers: in centre.yaml", UNALLOCATED
        if flow not in live.release.flows:
            return "excuse", f"flow {flow} does not exist in release {live.release.hash}", NORMAL_CLEARING
        return None

    async def _refuse(
        self,
        call: IncomingCall,
        call_id: CallId,
        telephone: Telephone,
        live: LiveRelease,
        language: str,
        fragment: str,
        reason: str,
        cause: int,
    ) -> None:
        log.warning("call.refused", reason=reason, called=call.called_number)
        last = await self._say_and_hang_up(telephone, live, language, fragment, cause)
        ending = Ending(disposition="failed", by="system", cause=cause, reason=reason)
        self._record_end(call, call_id, last, ending, language)

    async def _apologise(self, telephone: Telephone, live: LiveRelease, language: str) -> Event:
        try:
            return await self._say_and_hang_up(telephone, live, language, "excuse", NORMAL_CLEARING)
        except (TelephonyError, FlowError):
            log.exception("call.apology_failed")
            return HungUp(cause=0)

    async def _say_and_hang_up(
        self, telephone: Telephone, live: LiveRelease, language: str, fragment: str, cause: int
    ) -> Event:
        for command in (Answer(), Play((live.notice(language, fragment),), bargein=False)):
            event = await telephone.perform(command)
            if isinstance(event, HungUp):
                return event
        return await telephone.perform(Hangup(cause))

    # --- the record ---------------------------------------------------------------------------------------

    def _record_start(
        self, call: IncomingCall, call_id: CallId, flow: str, language: str, live: LiveRelease, tariff_class: str
    ) -> None:
        self._recorder.record(
            CallStarted(
                call_id=call_id,
                at=call.created_at,
                channel_id=call.channel_id,
                called_number=call.called_number,
                caller_number=call.caller_number,
                caller_name=call.caller_name,
                flow=flow,
                release=live.release.hash,
                language=language,
                driver=call.driver,
                node=self._node,
                tariff_class=tariff_class,
            ),
            LegStarted(
                call_id=call_id,
                leg_id=LegId(call.channel_id),
                at=call.created_at,
                channel_id=call.channel_id,
                channel_name=call.channel_name,
                role=Role.CALLER,
                number=call.caller_number,
            ),
        )

    def _record_end(self, call: IncomingCall, call_id: CallId, last: Event, ending: Ending, language: str) -> None:
        now = self._clock.now()
        cause = last.cause if isinstance(last, HungUp) else ending.cause
        by = Party(ending.by)
        disposition = Disposition(ending.disposition)
        self._recorder.record(
            LegEnded(call_id, LegId(call.channel_id), now, cause, "", by),
            CallEnded(call_id, now, disposition, by, cause, language, ending.reason),
        )
        self.counters.ended[disposition] = self.counters.ended.get(disposition, 0) + 1
        log.info("call.ended", disposition=disposition, by=by, cause=cause, reason=ending.reason or None)

    def _close_lost(self, state: StateSaved) -> None:
        """The caller left while no controller was there: say what is known, and no more."""
        gone = self._gone.get(state.channel_id)
        now = self._clock.now()
        at, cause, text = (gone.at, gone.cause, gone.cause_text) if gone else (now, 0, "")
        by = Party.CALLER if gone else Party.SYSTEM
        disposition = Disposition.ABANDONED if gone else Disposition.LOST
        reason = "ended while the controller was away"
        self._recorder.record(
            LegEnded(state.call_id, LegId(state.channel_id), at, cause, text, by),
            CallEnded(state.call_id, at, disposition, by, cause, "", reason),
            StateDropped(state.call_id, now),
        )
        self.counters.lost += 1
        log.warning("call.ended_while_away", call_id=state.call_id, cause=cause, seen=bool(gone))


def _facts(call: IncomingCall, language: str) -> CallFacts:
    return CallFacts(
        called=call.called_number, caller=call.caller_number, caller_name=call.caller_name, language=language
    )


