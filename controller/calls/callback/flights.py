"""Attempts in progress as data, and the files that let a restarted controller know them while Postgres is away."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from controller.callback.model import (
    Attempt,
    AttemptId,
    AttemptState,
    CallbackPlan,
    First,
    NextStep,
    Outcome,
    Request,
)
from controller.ids import CallId, call_id_of_attempt
from controller.outbound.model import Verdict

log = structlog.get_logger(__name__)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, while it is still to be written down."""

    outcome: Outcome
    at: datetime
    cause: int = 0
    step: NextStep | None = None
    """What becomes of the request when that is not the retry rules' to say."""
    changes: dict[str, Any] = {}
    """Of the request, once the attempt is over: what the customer has asked for instead."""


class Flight(msgspec.Struct, kw_only=True):
    """One attempt in progress."""

    request: Request
    attempt: Attempt
    plan: CallbackPlan
    """The queue's rules when the attempt began."""
    queue: str
    """By whose rules its agent was found: the request's, or one it overflows to."""
    legs: tuple[int, ...] = ()
    """Agent-first: the legs on which the agent was called."""
    leg: int = 0
    """Agent-first: the one on which they wait for the customer."""
    asked: bool = False
    """Asterisk was asked to dial the customer: their telephone may have rung."""
    rang: bool = False
    answered_at: datetime | None = None
    machine: bool = False
    queued: bool = False
    """The customer accepted: the call reached a queue."""
    talked: bool = False
    reply: Ended | None = None
    """What the customer said instead of talking: never, or later."""
    cancelled: str = ""
    """Why it is being ended; "" as long as it is not."""
    verdict: Verdict | None = None
    """Why nobody was called, when the gate or the dialplan did not let it through."""
    ended: Ended | None = None
    taken_up: bool = False
    """An earlier controller has had it: not all of it was seen here."""

    @property
    def plan_first(self) -> First:
        """Who is called first: the request may say otherwise than the queue."""
        return self.request.first

    def know(self, attempt: Attempt) -> None:
        """Take over what Postgres knows of an attempt that was not kept here; it may have been dialled."""
        reached = attempt.state
        self.asked = True
        self.rang = reached is AttemptState.RINGING
        self.answered_at = attempt.answered_at
        self.talked = reached is AttemptState.CONNECTED

    def moved(self, state: AttemptState, field: str, at: datetime, cost: float | None) -> None:
        """The attempt has come further."""
        changes: dict[str, Any] = {"state": state, field: at}
        if cost is not None:
            changes["cost"] = cost
        self.attempt = msgspec.structs.replace(self.attempt, **changes)

    def over(self, ended: Ended, request: Request | None) -> None:
        """The attempt is over, and Postgres knows: this has become of its request."""
        self.attempt = msgspec.structs.replace(
            self.attempt,
            state=AttemptState.ENDED,
            outcome=ended.outcome,
            cause=ended.cause,
            ended_at=ended.at,
        )
        self.request = request or self.request

    @property
    def attempt_id(self) -> AttemptId:
        """Of the attempt; also the customer's channel's."""
        return self.attempt.attempt_id

    @property
    def call_id(self) -> CallId:
        """Of the call that the customer's answer begins."""
        return call_id_of_attempt(self.attempt.attempt_id)


class FlightFiles:
    """One small file for each attempt in progress, in a folder of its own.

    Written whole beside the old one, then put in its place; it outlives a killed process. A disk that takes nothing
    is logged: call-backs go on, and a restart asks Postgres.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoder = msgspec.json.Decoder(Flight)

    def load(self) -> list[Flight]:
        """Return what an earlier controller left; before anything else runs."""
        flights = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                flights.append(self._decoder.decode(path.read_bytes()))
            except (OSError, msgspec.MsgspecError) as error:
                log.error("callbacks.flight_unreadable", path=str(path), error=str(error))  # noqa: TRY400 - Postgres has it too
        return flights

    async def keep(self, flight: Flight) -> None:
        """Write a flight down; a killed process does not lose it once this has returned."""
        data = msgspec.json.encode(flight)
        try:
            await asyncio.to_thread(self._put, flight.attempt_id, data)
        except OSError as error:
            log.error("callbacks.flight_not_kept", error=error.strerror, do="free disk space")  # noqa: TRY400

    async def drop(self, attempt: AttemptId) -> None:
        """Forget a flight whose end is in Postgres."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._path(attempt).unlink, missing_ok=True)

    def _path(self, attempt: AttemptId) -> Path:
        return self._folder / f"{attempt}.json"

    def _put(self, attempt: AttemptId, data: bytes) -> None:
        path = self._path(attempt)
        scratch = path.with_suffix(".new")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        scratch.replace(path)
