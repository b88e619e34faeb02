"""What the one way out needs from outside: what is told of a dial, and somewhere that remembers.

What dials is in `originator.py`, which nothing but the exit may import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.callback.model import AttemptId
from controller.outbound.model import Number, OutboundAsk, Purpose, Usage, Verdict


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A call to a number outside, already judged. `attempt` is the id of its channel and of its call."""

    attempt: AttemptId
    number: Number
    caller_id: str
    ring_s: float
    detect_voicemail: bool = False


class DialState(StrEnum):
    """Where an attempt's channel is, as Asterisk says."""

    ABSENT = "absent"  # not there: never dialled, or over
    CALLING = "calling"
    UP = "up"  # answered, in the controller's hands


class LineState(StrEnum):
    """How the telephone behind a number is; what of others' nobody tells us is `UNKNOWN`."""

    FREE = "free"
    BUSY = "busy"  # rings or talks
    AWAY = "away"  # not registered
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DialRinging:
    """The called telephone rings."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DialAnswered:
    """Somebody, or a machine, has answered; the channel comes in as a call of its own (`IncomingCall.attempt`)."""

    at: datetime
    machine: bool = False


@dataclass(frozen=True, slots=True)
class DialEnded:
    """The channel is gone. Before an answer: that is the outcome. `already`: the dialplan's gate knew the attempt."""

    at: datetime
    cause: int
    """Q.850, 0 when unknown."""
    status: str = ""
    """Asterisk's DIALSTATUS when it is known: BUSY, NOANSWER, CONGESTION, CHANUNAVAIL, CANCEL…"""
    answered: bool = False
    already: bool = False


DialNews = DialRinging | DialAnswered | DialEnded


class OutboundStore(Protocol):
    """What was done before, in Postgres. Raises `StoreError` when it is away: then nobody is called."""

    async def usage(self, number: Number, purpose: Purpose, now: datetime) -> Usage:
        """Return what the gate must know of `number` and of what was spent."""

    async def reserve(
        self, ask: OutboundAsk, attempt: str, number: Number, at: datetime, judge: Callable[[Usage], Verdict]
    ) -> Verdict:
        """Judge with what was done before, and write the verdict down, as one: two at once see each other.

        An allowed call reserves its estimated cost under its attempt's id. The same attempt again (after a crash) is
        judged without what itself has reserved, and reserves it once. Once it has returned, the decision is durable.
        """

    async def decided(self, ask: OutboundAsk, verdict: Verdict, at: datetime, attempt: str = "") -> None:
        """Write down what was asked and what was said; an allowed call reserves its estimated cost."""

    async def ended(self, attempt: str, at: datetime, talk_s: float, cost: float) -> None:
        """Replace the reserved cost of a call by what it has cost. Safe to repeat."""

    async def undone(self, attempt: str, at: datetime) -> None:
        """Take an allowed call back: nothing was dialled, it counts for nothing."""

    async def opt_out(self, number: Number, purpose: Purpose | None, at: datetime, source: str) -> None:
        """Put a number on the list; None: for every purpose but a requested call-back asked for later."""

    async def refused(self, number: Number, purpose: Purpose, at: datetime, source: str) -> None:
        """Note that the person refused calls for `purpose` in a conversation: silence for a time, not for ever."""

    async def opt_in(self, number: Number, purpose: Purpose | None) -> bool:
        """Take it off; False when it was not there."""
