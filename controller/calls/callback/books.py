"""What is written down of an attempt while it goes on, and at its end; and what all attempts work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog

from controller.callback.model import Attempt, AttemptState, NextStep, Outcome, Request, When
from controller.callback.retry import next_step
from controller.calls.callback.flights import Ended, Flight, FlightFiles
from controller.calls.callback.lease import Leader
from controller.calls.callback.means import Calls, Exit, Line, Record, WaitingAgent
from controller.calls.callback.news import News
from controller.calls.callback.store import CallbackStore
from controller.errors import StoreError
from controller.outbound.model import Number
from controller.ports import Clock

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
"""After Postgres or Asterisk was away, what was to be done is tried again that much later."""
_AGAIN_MOST_S = 10.0
_CONVERTED: Mapping[str, Callable[[Any], Any]] = {
    "when": When,
    "slot_at": lambda value: msgspec.convert(value, datetime | None),
    "slot_s": float,
    "promised_at": lambda value: msgspec.convert(value, datetime | None),
    "number": Number,
}
"""How what was kept in a file is read back."""
_ORDER = list(AttemptState)
_FIELDS = {
    AttemptState.DIALLED: "dialled_at",
    AttemptState.RINGING: "ringing_at",
    AttemptState.ANSWERED: "answered_at",
    AttemptState.CONNECTED: "connected_at",
}


@dataclass(frozen=True, slots=True)
class Around:
    """What every attempt works with. `changed` is told of each change of a flight; `agent` calls who comes first."""

    store: CallbackStore
    line: Line
    exit: Exit
    calls: Calls
    record: Record
    clock: Clock
    leader: Leader
    files: FlightFiles
    changed: Callable[[Flight], None]
    agent: Callable[[Flight, Callable[[News], None]], WaitingAgent]
    dialled: Callable[[Flight], None] = lambda _: None
    """Told when Asterisk has the dial of a customer."""
    overrides: Mapping[int, Outcome] = field(default_factory=dict)
    """What single causes of the trunk mean."""


class Books:
    """The books of one attempt."""

    def __init__(self, flight: Flight, around: Around) -> None:
        self._flight = flight
        self._around = around
        self._notes: set[asyncio.Task[None]] = set()

    def note(self, state: AttemptState, cost: float | None = None) -> None:
        """Write down how far it has come, without waiting: what comes late changes nothing in Postgres."""
        flight, at = self._flight, self._around.clock.now()
        if _ORDER.index(state) <= _ORDER.index(flight.attempt.state):
            return
        flight.moved(state, _FIELDS[state], at, cost)
        self._around.changed(flight)
        task = asyncio.create_task(self._store(state, cost))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _store(self, state: AttemptState, cost: float | None) -> None:
        flight = self._flight
        try:
            await self._around.store.progress(flight.attempt_id, state, self._around.clock.now(), cost=cost)
        except StoreError as error:  # the outcome, which is not given up, tells more
            log.info("callbacks.progress_not_stored", attempt=flight.attempt_id, error=str(error))

    async def conclude(self, ended: Ended) -> None:
        """Write the outcome down, however long Postgres is away: nothing may be lost."""
        flight, around = self._flight, self._around
        again_s = AGAIN_S
        while True:
            try:
                step = await self._next_step(ended)
                request = await around.store.end_attempt(
                    flight.attempt_id, ended.outcome, ended.cause, ended.at, step
                )
                request = await self._amended(ended, request)
            except StoreError as error:
                log.warning("callbacks.outcome_not_stored", attempt=flight.attempt_id, error=str(error))
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, _AGAIN_MOST_S)
            else:
                break
        await self._settle(ended)
        await around.files.drop(flight.attempt_id)
        flight.over(ended, request)
        log.info(
            "callbacks.attempt_ended",
            attempt=flight.attempt_id,
            outcome=ended.outcome.value,
            request=flight.request.state.value,
        )
        around.changed(flight)

    async def _settle(self, ended: Ended) -> None:
        """Say how long it was talked, for its cost: the way out has not seen all of what was taken up."""
        flight = self._flight
        if not flight.taken_up or flight.answered_at is None:
            return
        talk_s = max((ended.at - flight.answered_at).total_seconds(), 0.0)
        try:
            await self._around.exit.ended(flight.attempt_id, flight.attempt.number, talk_s)
        except StoreError as error:  # what it may cost at most stays reserved
            log.warning("callbacks.not_settled", attempt=flight.attempt_id, error=str(error))

    async def _amended(self, ended: Ended, request: Request | None) -> Request | None:
        """Return the request after its attempt, with what the customer has asked for instead."""
        flight, store = self._flight, self._around.store
        reply = flight.reply
        if reply is not None and reply.changes and reply.outcome is ended.outcome:
            changes = {name: _CONVERTED[name](value) for name, value in reply.changes.items()}
            changed = await store.change(flight.request.request_id, changes, at=ended.at)
            request = changed or request
        return request or await store.get(flight.request.request_id)

    async def _next_step(self, ended: Ended) -> NextStep:
        flight = self._flight
        if ended.step is not None:
            return ended.step
        if flight.reply is not None and flight.reply.step is not None and flight.reply.outcome is ended.outcome:
            return flight.reply.step
        outcome = ended.outcome
        if outcome is Outcome.RESCHEDULED:  # without a time: by the rules for who has left
            outcome = Outcome.LEFT
        attempts = await self._around.store.attempts(flight.request.request_id)
        earlier: Sequence[Attempt] = [each for each in attempts if each.attempt_id != flight.attempt_id]
        return next_step(flight.plan, flight.request, outcome, ended.at, earlier, verdict=flight.verdict)
