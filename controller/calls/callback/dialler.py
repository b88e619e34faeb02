"""Calls customers back: matched requests become attempts, one agent each, each dialled once.

One controller has the right to dial (`lease`). What an earlier controller, or one that has gone, left in flight is
taken up: files of this node at the start, everything else when the right is taken and every `AUDIT_S` after.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from controller.acd.model import AgentId, EntryId, Refused
from controller.callback.model import Attempt, AttemptId, CallbackPlan, Outcome, Request, RequestId
from controller.callback.outcomes import NO_OVERRIDES
from controller.calls.asks import Assigned
from controller.calls.callback.answered import Answered
from controller.calls.callback.books import Around
from controller.calls.callback.busylines import BusyLines
from controller.calls.callback.clockwatch import ClockWatch
from controller.calls.callback.flights import Flight, FlightFiles
from controller.calls.callback.inflow import note_of
from controller.calls.callback.lease import Leader
from controller.calls.callback.lineup import Lineup
from controller.calls.callback.means import Calls, Exit, Line, Record, Settings, WaitingAgent
from controller.calls.callback.news import Cancel, News, Over, Queued, Talked
from controller.calls.callback.pursuit import Pursuit
from controller.calls.callback.store import CallbackStore
from controller.calls.distribution.matcher import Histogram
from controller.cdr.entries import DistributionEntry, QueueEntered, TalkStarted
from controller.errors import StoreError
from controller.flow.runstate import Place
from controller.ids import attempt_of_call, call_id_for, call_id_of_attempt
from controller.ports import Clock

log = structlog.get_logger(__name__)

AUDIT_S = 10.0
"""How often it is looked whether attempts are in flight that nobody follows."""
AFTER_FAULT_S = 2.0
"""After Postgres did not take a claim, nothing is dialled for so long."""
_FACTS_S = 3.0
_PLACE_KEPT_S = 1800.0
"""However long the customer takes to accept, their place is the one they had."""
_FULL = Refused("too_many_dials", "As many customers are being called as may be.", "Try again in a moment.")
_JUMPED = Refused("unavailable", "This server's clock has just jumped.", "Have it set right, or wait five minutes.")
_NOT_LEADING = Refused("unavailable", "This controller may not dial just now.", "Try again in a moment.")


class Dialler:
    """See the module. `start` before calls come in, then `run` in a task of its own; `stop` at the end.

    `changed` is told of each flight that changes, and `expired` of each request that is given up. `overrides`: what
    single causes of the trunk mean.
    """

    def __init__(
        self,
        *,
        store: CallbackStore,
        line: Line,
        way_out: Exit,
        calls: Calls,
        record: Record,
        clock: Clock,
        settings: Settings,
        state_dir: Path,
        agent: Callable[[Flight, Callable[[News], None]], WaitingAgent],
        changed: Callable[[Flight], None],
        expired: Callable[[Request], None],
        overrides: Mapping[int, Outcome] = NO_OVERRIDES,
    ) -> None:
        self._store = store
        self._line = line
        self._clock = clock
        self._clock_watch = ClockWatch(clock)
        self._settings = settings
        self._files = FlightFiles(state_dir / "attempts")
        self.leader = Leader(
            store,
            clock,
            node=settings.node,
            ttl_s=settings.lease_s,
            request_s=settings.asterisk_timeout_s,
            took=self._took,
            lost=self._lost,
            memory=state_dir / "attempts" / "lease",
        )
        self._around = Around(
            store=store,
            line=line,
            exit=way_out,
            calls=calls,
            record=record,
            clock=clock,
            leader=self.leader,
            files=self._files,
            changed=changed,
            agent=agent,
            dialled=self._dialled,
            overrides=overrides,
        )
        self.lineup = Lineup(
            store,
            line,
            clock,
            limit=settings.in_line,
            may=self._may_dial,
            flying=lambda request: request in self._requests,
            assigned=self._assigned,
            expired=expired,
        )
        self._pursuits: dict[AttemptId, Pursuit] = {}
        self._requests: dict[RequestId, AttemptId] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rests_until = float("-inf")
        self._busy_lines = BusyLines(store, way_out, clock, start=self._start, due=self.lineup.poke)
        self.outcomes: Counter[Outcome] = Counter()
        """Attempts that have ended here, for the metrics."""
        self.open: Mapping[str, int] = {}
        """Open requests by state, as last looked at."""
        self.lateness = Histogram((0.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0))
        """From the time that was promised until the customer was called first."""
        self.latency = Histogram((0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5))
        """From the match until Asterisk had the dial."""

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Know the attempts that an earlier controller of this node left, before their calls come in."""
        for flight in self._files.load():
            self._pursue(flight, lambda pursuit: pursuit.take_up())

    async def run(self) -> None:
        """Take the right to dial, and dial; for ever."""
        await asyncio.gather(self.leader.run(), self.lineup.run(), self._audit_for_ever())

    async def stop(self) -> None:
        """Dial nothing more, and let go of what is in flight: the next controller takes it up."""
        self.lineup.clear()
        self._busy_lines.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.leader.give_back()

    def _may_dial(self) -> bool:
        return (
            self.leader.may_dial()
            and self._clock_watch.steady()
            and sum(not pursuit.flight.queued for pursuit in self._pursuits.values()) < self._settings.most_dials
            and self._clock.monotonic() >= self._rests_until
        )

    def _took(self) -> None:
        self._start(self._audit())
        self.lineup.poke()

    def _lost(self) -> None:
        self.lineup.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- dialling ---------------------------------------------------------------------------------------------

    def _assigned(self, request: Request, ask: Assigned) -> bool:
        """The floor has found an agent for a request: call the customer."""
        agent = ask.agents[0].agent
        if not self._may_dial() or request.request_id in self._requests:
            self.lineup.poke()
            return False
        plan = self._plan(request.queue)
        flight = self._flight(request, agent, ask.queue, plan) if plan is not None else None
        entry = EntryId(request.request_id)
        if flight is None or not self._line.holding.hold(entry, agent, flight.call_id, ask.queue):
            return False
        self._pursue(flight, self._claim_and_run)
        return True

    def at_once(self, request: Request, agent: AgentId) -> Refused | None:
        """An agent calls a customer now: no line, the agent who asks or nobody. Again while it is begun: nothing."""
        if request.request_id in self._requests:
            return None
        plan = self._plan(request.queue)
        if not self.leader.may_dial() or plan is None:
            return _NOT_LEADING
        if not self._clock_watch.steady():
            return _JUMPED
        if not self._may_dial():
            return _FULL
        flight = self._flight(request, agent, request.queue, plan)
        refused = self._line.holding.reserve(agent, flight.call_id, request.queue)
        if refused is None:
            self._pursue(flight, self._claim_and_run)
        return refused

    def _dialled(self, flight: Flight) -> None:
        """Asterisk has a dial: note how long it took, and how late it is."""
        now, request = self._clock.now(), flight.request
        self.latency.observe((now - flight.attempt.claimed_at).total_seconds())
        if request.promised_at is not None and request.tries == 0:
            self.lateness.observe(max((now - request.promised_at).total_seconds(), 0.0))

    def _plan(self, queue: str) -> CallbackPlan | None:
        plan = self._line.plan(queue)
        return plan.callback if plan is not None else None

    def _flight(self, request: Request, agent: AgentId, queue: str, plan: CallbackPlan) -> Flight:
        now = self._clock.now()
        # The same claim again is the same attempt: its id follows from the request and from when it was matched.
        attempt_id = AttemptId(attempt_of_call(call_id_for(f"{request.request_id} {request.fence}", now)))
        attempt = Attempt(
            attempt_id=attempt_id,
            request_id=request.request_id,
            fence=request.fence + 1,
            number=request.number,
            caller_id=plan.caller_id,
            agent=agent,
            node=self._settings.node,
            claimed_at=now,
        )
        return Flight(request=request, attempt=attempt, plan=plan, queue=queue)

    async def _claim_and_run(self, pursuit: Pursuit) -> None:
        lease = self.leader.lease
        if lease is None:
            self._line.holding.let_go(pursuit.flight.call_id)
            return
        try:
            await pursuit.run(lease)
        except StoreError as error:
            log.warning("callbacks.not_claimed", request=pursuit.flight.request.request_id, error=str(error))
            self._rests_until = self._clock.monotonic() + AFTER_FAULT_S
            self.lineup.clear()

    def _pursue(self, flight: Flight, how: Callable[[Pursuit], Coroutine[Any, Any, None]], **more: bool) -> None:
        pursuit = Pursuit(flight, self._around, **more)
        self._pursuits[flight.attempt_id] = pursuit
        self._requests[flight.request.request_id] = flight.attempt_id
        self._start(self._keep_track(pursuit, how))

    async def _keep_track(self, pursuit: Pursuit, how: Callable[[Pursuit], Coroutine[Any, Any, None]]) -> None:
        flight = pursuit.flight
        structlog.contextvars.bind_contextvars(call_id=flight.call_id)
        try:
            await how(pursuit)
        except Exception:  # the audit takes it up again
            log.exception("callbacks.pursuit_crashed", attempt=flight.attempt_id)
            self._line.holding.let_go(flight.call_id)
        finally:
            self._pursuits.pop(flight.attempt_id, None)
            if self._requests.get(flight.request.request_id) == flight.attempt_id:
                del self._requests[flight.request.request_id]
        if flight.ended is not None:
            self.outcomes[flight.ended.outcome] += 1
            if flight.ended.outcome is Outcome.NO_AGENT:
                self.lineup.missed(flight.request.request_id, flight.attempt.agent)
            if flight.ended.outcome is Outcome.BUSY:
                self._busy_lines.watch(flight.request, flight.ended.at)
        self.lineup.poke()

    # --- what an earlier controller left ------------------------------------------------------------------------

    async def _audit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_S)
            if self.leader.may_dial():
                await self._audit()
            with contextlib.suppress(StoreError):
                self.open = await self._around.record.open()

    async def _audit(self) -> None:
        """Take up whatever is in flight and not followed here: ours, and that of controllers that have gone."""
        try:
            attempts = await self._store.in_flight()
            for attempt in attempts:
                if attempt.attempt_id not in self._pursuits:
                    await self._adopt(attempt)
        except StoreError as error:
            log.warning("callbacks.not_audited", error=str(error))

    async def _adopt(self, attempt: Attempt) -> None:
        request = await self._store.get(attempt.request_id)
        if request is None or attempt.attempt_id in self._pursuits:
            return
        plan = self._plan(request.queue) or CallbackPlan(flow="")
        flight = Flight(request=request, attempt=attempt, plan=plan, queue=request.queue)
        flight.know(attempt)
        if attempt.node == self._settings.node and flight.answered_at is None:
            self._line.holding.reserve(attempt.agent, flight.call_id, request.queue)
        self._pursue(flight, lambda pursuit: pursuit.take_up(), foreign=attempt.node != self._settings.node)

    # --- the calls that answers begin ---------------------------------------------------------------------------

    @property
    def in_flight(self) -> list[Flight]:
        """The attempts that are followed here."""
        return [pursuit.flight for pursuit in self._pursuits.values()]

    def holds(self, name: str) -> bool:
        """Tell whether a place in the line, or the agent held for a call, is in use here."""
        return self.lineup.holds(name) or attempt_of_call(name) in self._pursuits

    def flight_of(self, request_id: RequestId) -> Flight | None:
        """Return the attempt in progress for a request."""
        attempt = self._requests.get(request_id)
        return self._pursuits[attempt].flight if attempt is not None and attempt in self._pursuits else None

    def flight_of_call(self, call_id: str) -> Flight | None:
        """Return the attempt whose customer's call this is."""
        pursuit = self._pursuits.get(AttemptId(attempt_of_call(call_id)))
        return pursuit.flight if pursuit is not None else None

    async def find_flight(self, call_id: str) -> Flight | None:
        """Return the attempt whose customer has just answered, asking Postgres for one that is not known here."""
        known = self.flight_of_call(call_id)
        if known is not None:
            return known
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_FACTS_S):
                for attempt in await self._store.in_flight():
                    if call_id_of_attempt(attempt.attempt_id) == call_id:
                        await self._adopt(attempt)
        return self.flight_of_call(call_id)

    async def answered(self, call_id: str) -> Answered | None:
        """See `Attempts.answered`."""
        flight = await self.find_flight(call_id)
        if flight is None:
            return None
        request, now = flight.request, self._clock.now()
        place = Place(request.entered_at, now + timedelta(seconds=_PLACE_KEPT_S), request.priority, request.needs)
        return Answered(
            flow=flight.plan.flow,
            language=request.language,
            note=note_of(request),
            places={request.queue: place},
            machine=flight.machine,
        )

    def tell(self, call_id: str, news: News) -> bool:
        """Tell an attempt what has happened in its call; False when there is none."""
        pursuit = self._pursuits.get(AttemptId(attempt_of_call(call_id)))
        if pursuit is not None:
            pursuit.tell(news)
        return pursuit is not None

    def listen(self, entry: DistributionEntry) -> None:
        """Hear what happens in queues and conversations (`Distributor.listeners`)."""
        match entry:
            case QueueEntered(call_id=call_id):
                self.tell(call_id, Queued())
            case TalkStarted(call_id=call_id):
                self.tell(call_id, Talked())

    def over(self, call_id: str, *, talked: bool) -> None:
        """See `Attempts.over`."""
        self.tell(call_id, Over(talked))

    async def cancel(self, request_id: RequestId, reason: str, timeout_s: float) -> Refused | None:
        """End the attempt in progress for a request; None when that has been done, or there is none any more."""
        flight = self.flight_of(request_id)
        if flight is None:
            return None
        answer: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._pursuits[flight.attempt_id].tell(Cancel(reason, answer))
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            return Refused(
                "unavailable", "It is not known yet whether the call has ended.", "Look again in a moment."
            )
