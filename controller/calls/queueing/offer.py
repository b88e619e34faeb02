"""One ring of one agent: the legs to the agent's devices, and how it stands with them. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.acd.model import AgentAccount, OfferOutcome
from controller.flow.causes import outcome_of
from controller.flow.commands import DialOutcome
from controller.flow.queues import QueuePlan

_OUTCOMES = {
    DialOutcome.BUSY: OfferOutcome.BUSY,
    DialOutcome.NO_ANSWER: OfferOutcome.NO_ANSWER,
    DialOutcome.REFUSED: OfferOutcome.DECLINED,
    DialOutcome.UNREACHABLE: OfferOutcome.UNREACHABLE,
}
_WEIGHTIEST = (
    OfferOutcome.DECLINED,
    OfferOutcome.BUSY,
    OfferOutcome.NO_ANSWER,
    OfferOutcome.UNREACHABLE,
    OfferOutcome.FAILED,
)
"""What an agent with several devices did, when these ended differently: the first that occurs."""


class Stage(StrEnum):
    """How far an offer has come."""

    RINGING = "ringing"
    ANNOUNCING = "announcing"  # answered: the agent hears which queue it is, and what to press
    READY = "ready"  # the agent will talk: the caller has still to hear that it is recorded
    ENDED = "ended"


@dataclass(slots=True)
class OfferLeg:
    """A leg to one device. `number` gives its ids: the party's, and the bridge's it was called into."""

    number: int
    party: str
    cause: int = 0
    gone: bool = False


@dataclass(slots=True)
class Offer:
    """One agent who is offered the call."""

    number: int
    agent: AgentAccount
    queue: str
    ring_until: float
    legs: list[OfferLeg] = field(default_factory=list)
    stage: Stage = Stage.RINGING
    picked: OfferLeg | None = None
    """The leg that was answered."""
    sound: str = ""
    """What the agent hears."""
    until: float = float("inf")
    """When the present stage, after the ringing, has lasted long enough."""

    @property
    def alive(self) -> list[OfferLeg]:
        """The legs that have not ended."""
        return [leg for leg in self.legs if not leg.gone]

    @property
    def deadline(self) -> float:
        """When to look after this offer at the latest."""
        return self.ring_until if self.stage is Stage.RINGING else self.until

    def leg(self, party: str) -> OfferLeg | None:
        """Return the leg of `party`."""
        return next((leg for leg in self.legs if leg.party == party), None)

    def outcome(self) -> OfferOutcome:
        """Return what the ends of its legs come to, when all have ended by themselves."""
        if not self.legs:
            return OfferOutcome.UNREACHABLE
        if self.picked is not None:
            return OfferOutcome.DECLINED
        seen = {_OUTCOMES.get(outcome_of(leg.cause), OfferOutcome.FAILED) for leg in self.legs}
        return next(outcome for outcome in _WEIGHTIEST if outcome in seen)


def hears_first(plan: QueuePlan, language: str) -> bool:
    """Tell whether the agent hears something before the customer: then the leg is called alone."""
    return bool(plan.accept_key or plan.whisper(language))
