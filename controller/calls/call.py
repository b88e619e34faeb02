"""One call from its first sight to its end in the record: begun, or taken up where another controller left it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from controller.calls.callback.answered import Answered, Attempts
from controller.calls.drive import Drive, Entries
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.calls.legs import RecordedLegs
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.services import Services
from controller.calls.releases import LiveRelease, Releases
from controller.cdr.entries import (
    CallEnded,
    CallStarted,
    Disposition,
    LegEnded,
    LegStarted,
    Party,
    Role,
    StateSaved,
)
from controller.errors import TelephonyError
from controller.flow.commands import Answer, Command, Event, Hangup, HungUp, Play
from controller.flow.interpreter import CallFacts, EndedBy, Ending, FlowRun
from controller.flow.interpreter import Disposition as FlowDisposition
from controller.flow.queuenow import NO_QUEUES, QueuesNow
from controller.flow.release import Number
from controller.ids import LegId
from controller.ports import Clock, LookupClient, Recorder, Telephone

log = structlog.get_logger(__name__)

NORMAL_CLEARING = 16
UNALLOCATED = 1
CONGESTION = 42


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every call of this controller works with."""

    releases: Releases
    recorder: Recorder
    lookups: LookupClient
    clock: Clock
    node: str
    services: Services | None = None
    """The distribution; without one there are no queues and no agents."""
    attempts: Attempts | None = None
    """Knows the customers whom we called; without it nobody is called."""

    @property
    def queues_now(self) -> QueuesNow:
        """How the queues are whenever it is asked."""
        return self.services.queues_now if self.services else NO_QUEUES


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not served: the notice the caller hears, the reason in the record, the Q.850 cause."""

    notice: str
    reason: str
    cause: int


Serve = Callable[[Telephone], Awaitable[tuple[Event, Ending]]]
"""Serves a caller to the end; returns the last event and how the call ended."""


@dataclass(slots=True)
class Call:
    """One caller's channel and what becomes of it. `ending` is set once the end is in the record."""

    incoming: IncomingCall
    around: Surroundings
    flow: str = ""
    step: str = ""
    language: str = ""
    release: str = ""
    ending: Ending | None = None
    _record: Entries = field(init=False)
    _answered: Answered | None = None

    def __post_init__(self) -> None:
        self._record = Entries(self.around.recorder)

    async def begin(self, refusal: Refusal | None = None) -> None:
        """Serve a caller who is new: run the flow of the number, or say why not."""
        await self._recognise()
        with self.around.releases.hold() as live:
            number = live.release.number(self.incoming.called_number)
            if self.incoming.attempt:
                number = None  # the one that was shown
            self._choose(number, live)
            self.release = live.release.hash
            self._record_start(number.tariff_class if number else "")
            log.info("call.started", channel=self.incoming.channel_name, flow=self.flow or None, release=self.release)
            refused = refusal or self._unservable(live)
            if refused:
                await self._to_the_end(live, lambda telephone: self._refuse(refused, telephone, live))
                return
            customer = self._answered
            if customer is not None and customer.machine:
                await self._to_the_end(live, _leave_machine)
                return
            facts = CallFacts(
                called=self.incoming.called_number,
                caller=self.incoming.caller_number,
                caller_name=self._caller_name,
                language=self.language,
                callback=customer.note if customer is not None else None,
            )
            now, queues = self.around.clock.now(), self.around.queues_now
            places = customer.places if customer is not None else None
            run = FlowRun.begin(live.release, self.flow, facts, now, queues=queues, places=places)
            await self._to_the_end(live, lambda telephone: self._drive(run, telephone, first=None))

    async def _recognise(self) -> None:
        """Find out for what the customer was called, if it was us who called."""
        if self.incoming.attempt and self.around.attempts is not None:
            self._answered = await self.around.attempts.answered(self.incoming.call_id)

    def _choose(self, number: Number | None, live: LiveRelease) -> None:
        """Set the flow and the language: the number's, or those of the customer whom we called."""
        customer = self._answered
        default = live.release.default_language
        if customer is not None:
            self.flow, self.language = customer.flow, customer.language or default
        else:
            self.flow = self.incoming.flow or (number.flow if number else "")
            page = self.incoming.page
            flow = live.release.flows.get(self.flow)
            self.language = (number.language if number else "") or default
            if page is not None and flow is not None and page.language in flow.languages:
                self.language = page.language

    @property
    def _caller_name(self) -> str:
        customer = self._answered
        return customer.note.name if customer is not None else self.incoming.caller_name

    async def resume(self, saved: StateSaved) -> None:
        """Serve a caller whose state an earlier controller saved: its pending command is performed again.

        Raises `FlowError` when that version of the centre, or that state, cannot be read any more.
        """
        await self._recognise()
        with self.around.releases.hold(saved.release) as live:
            run = FlowRun.resume(live.release, saved.state, queues=self.around.queues_now)
            self.flow, self.language, self.release = run.flow_name, run.language, live.release.hash
            log.info("call.resumed", channel=self.incoming.channel_name, flow=self.flow, step=run.step_name)
            first = run.pending
            await self._to_the_end(live, lambda telephone: self._drive(run, telephone, first), resumed=True)

    # --- serving ------------------------------------------------------------------------------------------

    def _telephone(self, live: LiveRelease, *, resumed: bool) -> Telephone:
        legs = RecordedLegs(self.incoming.call_id, self.around.recorder)
        services = self.around.services
        audio = services.mailbox.library(live.audio) if services is not None else live.audio
        kit = TelephoneKit(audio, legs, live.endpoint_for)
        return self.incoming.telephone(self.incoming.call_id, kit, resumed=resumed)

    async def _to_the_end(self, live: LiveRelease, serve: Serve, *, resumed: bool = False) -> None:
        """Let `serve` have the caller, and write the end down, whatever happens on the way."""
        telephone: Telephone | None = None
        try:
            telephone = self._telephone(live, resumed=resumed)
            last, ending = await serve(telephone)
        except asyncio.CancelledError:
            self._record.write()
            raise
        except TelephonyError as error:
            log.error("call.telephony_failed", error=str(error))  # noqa: TRY400 - the message says it all
            last, ending = HungUp(cause=0), _fault(f"{type(error).__name__}: {error}")
        except Exception as error:
            # One call's bug ends that call, with an apology, and never disturbs its neighbour.
            log.exception("call.flow_crashed", flow=self.flow, step=self.step)
            self._record.write()
            last = await self._apologise(telephone, live)
            ending = _fault(f"{type(error).__name__}: {error}")
        self._record_end(last, ending)

    async def _drive(self, run: FlowRun, telephone: Telephone, first: Command | None) -> tuple[Event, Ending]:
        """Drive `run` to its end, from `first` when it is taken up again."""
        drive = Drive(
            call=self._ref(),
            driver=self.incoming.driver,
            node=self.around.node,
            flow_run=run,
            telephone=telephone,
            lookups=self.around.lookups,
            record=self._record,
            clock=self.around.clock,
            services=self.around.services,
        )
        try:
            last = await drive.run(first or run.start(self.around.clock.now()))
        finally:
            self.flow, self.step, self.language = run.flow_name, run.step_name, run.language
        return last, run.ending

    def _ref(self) -> CallRef:
        call = self.incoming
        return CallRef(
            call_id=call.call_id,
            channel_id=call.channel_id,
            caller_number=call.caller_number,
            caller_name=self._caller_name,
            called_number=call.called_number,
            language=self.language,
            channel_name=call.channel_name,
            page=call.page,
            callback=self._answered.note if self._answered is not None else None,
        )

    def _unservable(self, live: LiveRelease) -> Refusal | None:
        if self.incoming.attempt and self._answered is None:
            return Refusal("excuse", "nobody knows (any more) for what this customer was called", NORMAL_CLEARING)
        if not self.flow:
            reason = "no flow for the called number: add it under numbers: in centre.yaml"
            return Refusal("unknown-number", reason, UNALLOCATED)
        if self.flow not in live.release.flows:
            reason = f"flow {self.flow} does not exist in release {live.release.hash}"
            return Refusal("excuse", reason, NORMAL_CLEARING)
        return None

    async def _refuse(self, refusal: Refusal, telephone: Telephone, live: LiveRelease) -> tuple[Event, Ending]:
        self._record.write()
        log.warning("call.refused", reason=refusal.reason, called=self.incoming.called_number)
        last = await self._say_and_hang_up(telephone, live, refusal.notice, refusal.cause)
        return last, _fault(refusal.reason, refusal.cause)

    async def _apologise(self, telephone: Telephone | None, live: LiveRelease) -> Event:
        if telephone is None:
            return HungUp(cause=0)
        try:
            return await self._say_and_hang_up(telephone, live, "excuse", NORMAL_CLEARING)
        except Exception:
            # What crashed the call may crash the apology as well; the record must be closed all the same.
            log.exception("call.apology_failed")
            return HungUp(cause=0)

    async def _say_and_hang_up(self, telephone: Telephone, live: LiveRelease, notice: str, cause: int) -> Event:
        for command in (Answer(), Play((live.notice(self.language, notice),), bargein=False)):
            event = await telephone.perform(command)
            if isinstance(event, HungUp):
                return event
        return await telephone.perform(Hangup(cause))

    # --- the record ---------------------------------------------------------------------------------------

    def _record_start(self, tariff_class: str) -> None:
        call = self.incoming
        self._record.add(
            CallStarted(
                call_id=call.call_id,
                at=call.created_at,
                channel_id=call.channel_id,
                called_number=call.called_number,
                caller_number=call.caller_number,
                caller_name=self._caller_name,
                flow=self.flow,
                release=self.release,
                language=self.language,
                driver=call.driver,
                node=self.around.node,
                tariff_class=tariff_class,
                direction="outbound" if call.attempt else "inbound",
                request_id=self._answered.note.request if self._answered is not None else "",
                visitor=msgspec.to_builtins(call.page) if call.page is not None else None,
            ),
            LegStarted(
                call_id=call.call_id,
                leg_id=LegId(call.channel_id),
                at=call.created_at,
                channel_id=call.channel_id,
                channel_name=call.channel_name,
                role=Role.CALLER,
                number=call.caller_number,
            ),
        )

    def _record_end(self, last: Event, ending: Ending) -> None:
        now = self.around.clock.now()
        cause = last.cause if isinstance(last, HungUp) else ending.cause
        by, disposition = Party(ending.by), Disposition(ending.disposition)
        call_id = self.incoming.call_id
        self._record.add(
            LegEnded(call_id, LegId(self.incoming.channel_id), now, cause, "", by),
            CallEnded(call_id, now, disposition, by, cause, self.language, ending.reason),
        )
        self._record.write()
        self.ending = ending
        if self.incoming.attempt and self.around.attempts is not None:
            self.around.attempts.over(call_id, talked=disposition is Disposition.TALKED)
        log.info("call.ended", disposition=disposition, by=by, cause=cause, reason=ending.reason or None)


def _fault(reason: str, cause: int = 0) -> Ending:
    return Ending(FlowDisposition.FAILED, EndedBy.SYSTEM, cause, reason)


async def _leave_machine(telephone: Telephone) -> tuple[Event, Ending]:
    """A machine has answered a call of ours: it is told nothing."""
    last = await telephone.perform(Hangup(NORMAL_CLEARING))
    return last, Ending(FlowDisposition.COMPLETED, EndedBy.SYSTEM, NORMAL_CLEARING, "an answering machine")
