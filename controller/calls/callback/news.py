"""What may happen to an attempt, as it is told to its pursuit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.acd.model import OfferOutcome, Refused
from controller.calls.callback.flights import Ended
from controller.calls.outbound.ports import DialNews


@dataclass(frozen=True, slots=True)
class Queued:
    """The customer accepted: the call has taken its place in a queue."""


@dataclass(frozen=True, slots=True)
class Talked:
    """Customer and agent hear each other."""


@dataclass(frozen=True, slots=True)
class Over:
    """The customer's call has ended.

    `talked`: the call itself knows it; the controller that was told of it when it began may have been killed.
    """

    talked: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """The customer said something else than that they want to talk: never, or later."""

    ended: Ended


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody wants no more of it. `answer` becomes None when it has ended by that, else why it has not."""

    reason: str
    answer: asyncio.Future[Refused | None]


@dataclass(frozen=True, slots=True)
class AgentReady:
    """Agent-first: the agent waits for the customer, on the `leg`-th leg."""

    leg: int


@dataclass(frozen=True, slots=True)
class AgentGone:
    """Agent-first: nobody took it, or who had taken it has hung up."""

    outcome: OfferOutcome


News = DialNews | Queued | Talked | Over | Replied | Cancel | AgentReady | AgentGone
