"""What a call in the queues needs of the distribution; `controller.calls.distribution` implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, OfferOutcome, Refused
from controller.calls.desk import TalkView
from controller.cdr.entries import DistributionEntry
from controller.switchboard import Ask


class Places(Protocol):
    """The waiting line and the agents' engagements. No method waits, none raises; each may be called again.

    Who has entered is told by `deliver`: `Assigned`, `Withdrawn`, `QueueClosed`, `MoveTo`, and what agents ask. An
    agent is engaged from `Assigned` (or `reserve`) until `offer_ended` or `released`: nobody else is offered to them.
    """

    def enter(self, entry: Entry, deliver: Callable[[Ask], bool], *, wait_s: float) -> Refused | None:
        """Take a place; refused when the queue is full, closed or unknown. After a restart: the same place again."""

    def leave(self, entry: EntryId) -> None:
        """Give the place up: the caller has gone, or waits no more. Offers of it that still ring are not ended."""

    def position(self, entry: EntryId) -> int:
        """Return the place in the queue, from 1; 0 when not waiting."""

    def estimate_s(self, entry: EntryId) -> float | None:
        """Return how long it may still take, None when that cannot be said."""

    def staffed(self, queue: str) -> bool:
        """Tell whether anybody who serves the queue is logged in."""

    def offer_ended(self, entry: EntryId, agent: AgentId, outcome: OfferOutcome) -> None:
        """An offer came to nothing: the agent is free again (or paused), the caller waits on in the same place."""

    def connected(self, entry: EntryId, agent: AgentId) -> None:
        """Agent and caller talk: the place is given up, the agent's other devices and other agents are done with."""

    def reserve(self, agent: AgentId, call_id: str, queue: str) -> Refused | None:
        """Engage an agent outside the line (transfer, consultation, unpark); refused when not free or not known.

        The same call may reserve an agent again: after a restart that is how a conversation is taken up.
        """

    def talking(self, agent: AgentId, call_id: str, queue: str) -> None:
        """A reserved agent talks with the customer of `call_id`."""

    def released(self, agent: AgentId, *, wrap_up: bool) -> None:
        """The agent is out of the call: wrap-up begins, or not (a consultation, an offer that was never talked)."""

    def account(self, agent: AgentId) -> AgentAccount | None:
        """Return an agent's account."""

    def last_agent(self, number: str, queue: str) -> AgentId | None:
        """Return whom `number` talked with last in `queue`, if recently enough for the queue's stickiness."""

    def talk(self, view: TalkView | None, call_id: str, deliver: Callable[[Ask], bool]) -> None:
        """Show a conversation on the boards and let it be asked of (`Desk.ask`); None: it is over."""

    def park(self, call_id: str) -> int:
        """Return a free parking slot for the call (its own, if it has one); 0 when all are taken."""

    def unpark(self, call_id: str) -> None:
        """Give the slot back."""

    def told(self, entry: DistributionEntry) -> None:
        """Write an entry into the record and tell those who watch (`MonitorEvent`)."""
