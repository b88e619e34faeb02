"""What holds all day long for call-backs, looked at from outside: at the trunk, in the tables, at the agents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.acd.model import AgentState
from controller.callback.model import (
    FINAL,
    AttemptId,
    AttemptState,
    Outcome,
    Request,
    RequestId,
    RequestState,
    When,
)
from controller.calls.outbound.ports import OutboundCall
from controller.ids import call_id_of_attempt
from tests.simulation.callbackcentre import IN_LINE
from tests.simulation.callbackpeople import CallbackDay
from tests.simulation.rules import Watch

SETTLED_S = 8.0
"""So long after a fault some things may be on their way."""
IN_LINE_BY_S = 3.0
"""A request that is due has its place in the line by then."""
SLACK = 8
"""So many may have left the line since it was filled."""


@dataclass
class CallbackWatch(Watch):
    """`Watch` with the rules of call-backs. `first_dials`: when each request's customer was called first."""

    day: CallbackDay
    first_dials: dict[RequestId, datetime] = field(default_factory=dict)
    dials: int = 0
    most_dials: int = 0
    most_waiting_callbacks: int = 0
    waits_since: dict[RequestId, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.day.trunk.dialling = self._dialled
        self.day.tables.changed = self._changed

    # --- at the trunk -------------------------------------------------------------------------------------------

    def _dialled(self, call: OutboundCall) -> None:
        """A customer's telephone is about to ring."""
        day, tables = self.day, self.day.tables
        self.dials += 1
        attempt = tables.attempts[call.attempt]
        request = tables.requests[attempt.request_id]
        now = day.clock.now()
        if attempt.state is AttemptState.ENDED or request.state is not RequestState.DIALLING:
            self._say(f"{request.request_id} is dialled though {request.state}/{attempt.state}")
        if attempt.fence != request.fence:
            self._say(f"{request.request_id} is dialled by an attempt of an older claim")
        if request.request_id in day.talked:
            self._say(f"{request.request_id} is dialled after a talk")
        others = [tables.attempts[each] for each in day.trunk.lines if each != call.attempt]
        if any(each.request_id == request.request_id for each in others):
            self._say(f"{request.request_id} is dialled twice at once")
        if call.number in day.decisions.silent and day.decisions.silent[call.number] > request.created_at:
            self._say(f"{request.request_id} is dialled though its customer wants no calls")
        if tables.node != attempt.node or tables.until <= day.clock.monotonic():
            self._say(f"{request.request_id} is dialled without the right to dial")
        if now < request.due_at or (request.slot_at is not None and now < request.slot_at):
            self._say(f"{request.request_id} is dialled before it is due")
        facts = day.distributor.floor.view(attempt.agent, day.clock.monotonic())
        held = facts is not None and facts.call_id == call_id_of_attempt(call.attempt)
        if not held or facts is None or facts.state is not AgentState.OFFERED:
            self._say(f"{request.request_id} is dialled and {attempt.agent} is not held for it")
        self.first_dials.setdefault(request.request_id, now)

    def _changed(self, before: Request | None, after: Request) -> None:
        if after.state is RequestState.WAITING:
            if before is None or before.state is not RequestState.WAITING:
                self.waits_since[after.request_id] = self.day.clock.monotonic()
        else:
            self.waits_since.pop(after.request_id, None)

    # --- now and then -------------------------------------------------------------------------------------------

    async def look(self) -> None:
        await super().look()
        day = self.day
        ringing = [attempt for attempt, dial in day.trunk.lines.items() if not dial.answered]
        self.most_dials = max(self.most_dials, len(ringing))
        self.most_waiting_callbacks = max(self.most_waiting_callbacks, len(self.waits_since))
        if day.clock.monotonic() < day.wounded_at + SETTLED_S:
            return
        self._dials_have_agents(ringing)
        self._who_is_due_is_in_line()

    def _dials_have_agents(self, ringing: list[AttemptId]) -> None:
        holding = self.day.distributor.holding
        held = sum(holding.holds(call_id_of_attempt(each)) for each in ringing)
        if held < len(ringing):
            late = [each for each in ringing if not holding.holds(call_id_of_attempt(each))]
            self._say(f"{len(ringing)} dials in flight, {held} agents held: {late}")

    def _who_is_due_is_in_line(self) -> None:
        """All who wait for an agent are in the floor's one line, or that many who came before them."""
        day, now = self.day, self.day.clock.monotonic()
        if not day.dialler._may_dial() or not day.distributor.is_open("") or now > 9 * 3600:
            return
        there = Counter(request.queue for request, _ in day.dialler.lineup._there.values())
        for request_id, since in self.waits_since.items():
            request = day.tables.requests[request_id]
            queue = request.queue
            served = day.dialler.holds(request_id) or day.dialler.flight_of(request_id) is not None
            if served or now - since <= IN_LINE_BY_S or request.expires_at <= day.clock.now():
                continue
            if there[queue] < IN_LINE - SLACK:
                self._say(f"{request_id} waits for {queue} and has no place in the line of {there[queue]}")

    # --- at the end ---------------------------------------------------------------------------------------------

    def nobody_is_lost(self) -> None:
        """Each request is final, or waits for tomorrow; each attempt has its outcome; each talk its request."""
        day, tables = self.day, self.day.tables
        for request_id in day.taken:
            if request_id not in tables.requests:
                self._say(f"{request_id} was promised and is lost")
        for request in tables.requests.values():
            self._is_where_it_may_be(request)
        for attempt in tables.in_flight():
            self._say(f"attempt {attempt.attempt_id} has not ended")
        if day.trunk.lines:
            self._say(f"{len(day.trunk.lines)} channels are left")
        if day.dialler.in_flight or any(day.folder.glob("attempts/*.json")):
            self._say("attempts are still followed")
        if day.distributor.holding.kept():
            self._say(f"agents are held: {day.distributor.holding.kept()}")
        if self.dials != len(day.trunk.let_through):
            self._say(f"{self.dials} dials of {len(day.trunk.let_through)} attempts")

    def _is_where_it_may_be(self, request: Request) -> None:
        day, tables = self.day, self.day.tables
        attempts = [tables.attempts[each] for each in tables.by_request.get(request.request_id, ())]
        talks = sum(each.outcome is Outcome.TALKED for each in attempts)
        if request.state is RequestState.DIALLING:
            self._say(f"{request.request_id} is still being dialled")
        if talks != (request.state is RequestState.DONE) or (talks and attempts[-1].outcome is not Outcome.TALKED):
            self._say(f"{request.request_id} is {request.state} after {[each.outcome for each in attempts]}")
        if (request.request_id in day.talked) != (request.state is RequestState.DONE):
            self._say(f"{request.request_id} is {request.state}, talked: {day.talked.get(request.request_id)}")
        if request.state not in FINAL and request.expires_at < day.clock.now() - timedelta(seconds=60):
            self._say(f"{request.request_id} is {request.state} though its time is over")

    # --- figures ------------------------------------------------------------------------------------------------

    def slots(self) -> tuple[int, list[Request]]:
        """Return how many chosen times came today, and those at which nobody was called."""
        came, missed = 0, []
        for request in self.day.tables.requests.values():
            if request.when is not When.SLOT or request.slot_at is None:
                continue
            ends = request.slot_at + timedelta(seconds=request.slot_s)
            if ends > self.day.clock.now() or request.state is RequestState.CANCELLED:
                continue
            attempts = [
                self.day.tables.attempts[each] for each in self.day.tables.by_request.get(request.request_id, ())
            ]
            at = [each.claimed_at for each in attempts if each.claimed_at >= request.slot_at]
            came += 1
            if not at or at[0] > ends:
                missed.append(request)
        return came, missed

    def lateness(self) -> list[float]:
        """Return the seconds from what was promised to the first dial, below zero for earlier; sorted."""
        taken, rows = self.day.taken, self.day.tables.requests
        return sorted(
            (self.first_dials[each] - promised).total_seconds()
            for each in taken
            if each in self.first_dials and (promised := rows[each].promised_at) is not None
        )
