"""What the dialler works with, as protocols: the line of the floor, the one way out, the calls, the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, OfferOutcome, Refused
from controller.callback.model import AttemptId, Outcome
from controller.calls.distribution.holding import Holding
from controller.calls.outbound.ports import DialNews, DialState
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.ids import CallId
from controller.outbound.model import Number, OutboundAsk, Purpose, Verdict
from controller.switchboard import Ask, Switchboard


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much the dialler does at once (`[callbacks]` of the configuration)."""

    node: str
    lease_s: float = 12.0
    """How long the right to dial is taken for."""
    asterisk_timeout_s: float = 5.0
    """A request to Asterisk has ended by then: nothing is dialled so shortly before the right ends."""
    in_line: int = 200
    """Call-backs of a queue that stand in the floor's line at once."""
    most_dials: int = 100
    """Customers who are being called, or have not accepted yet, at once."""


class Line(Protocol):
    """The floor as the dialler sees it (`controller.calls.distribution.distributor.Distributor`)."""

    holding: Holding
    release: Release | None

    def enter(self, entry: Entry, deliver: Callable[[Ask], bool], *, wait_s: float) -> Refused | None:
        """See `Places.enter`."""

    def withdraw(self, entry: EntryId) -> None:
        """Take an entry out of the line without a word."""

    def offer_ended(self, entry: EntryId, agent: AgentId, outcome: OfferOutcome) -> None:
        """See `Places.offer_ended`."""

    def position(self, entry: EntryId) -> int:
        """See `Places.position`."""

    def estimate_s(self, entry: EntryId) -> float | None:
        """See `Places.estimate_s`."""

    def plan(self, queue: str) -> QueuePlan | None:
        """Return a queue of the release in force."""

    def staffed(self, queue: str) -> bool:
        """See `Places.staffed`."""

    def last_agent(self, number: str, queue: str) -> AgentId | None:
        """See `Places.last_agent`."""

    def account(self, agent: AgentId) -> AgentAccount | None:
        """See `Places.account`."""


class Exit(Protocol):
    """The one way out (`controller.calls.outbound.exit.Outbound`). Everything is safe to repeat for an attempt."""

    async def judge(self, ask: OutboundAsk) -> Verdict:
        """Say whether a number may be called, without calling it."""

    async def place(
        self,
        ask: OutboundAsk,
        attempt: AttemptId,
        told: Callable[[DialNews], None],
        *,
        ring_s: float,
        detect_voicemail: bool = False,
        may: Callable[[], bool] = ...,
    ) -> Verdict:
        """Judge, write the decision down, and have it dialled; `told` hears how it goes.

        `may` is asked in the last moment. Raises `AsteriskRefused` (nothing was dialled) and `AsteriskUnreachable`
        (nobody knows).
        """

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        """Hear of an attempt that was placed before."""

    async def cancel(self, attempt: AttemptId) -> None:
        """See `Originator.cancel`."""

    async def look(self, attempt: AttemptId) -> DialState:
        """See `Originator.look`."""

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` once when that telephone is free, if anybody knows; return what ends the watching."""

    async def ended(self, attempt: AttemptId, number: Number, talk_s: float) -> float:
        """Replace what a call has reserved by what it has cost; return that. Raises `StoreError`."""

    async def opt_out(self, number: Number, purpose: Purpose | None, source: str) -> None:
        """Put a number on the list of those who are not called. Raises `StoreError`."""

    async def was_dialled(self, attempt: AttemptId) -> bool:
        """See `Originator.was_dialled`."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the record knows of an attempt's call."""

    began: bool = False
    ended: bool = False
    queued: bool = False
    """The customer accepted: the call reached a queue."""
    talked: bool = False
    cause: int = 0
    """Of Asterisk's own record, where the call itself has none."""
    status: str = ""
    """Asterisk's disposition of the dial: BUSY, NO ANSWER, FAILED, ANSWERED; "": it has not told."""
    at: datetime | None = None


class Record(Protocol):
    """The record of past calls, in Postgres. Raises `StoreError`."""

    async def past(self, attempt: AttemptId) -> Past:
        """Return what is known of the call that an attempt began, and of the dial."""

    async def open(self) -> Mapping[str, int]:
        """Return how many requests are open, by state."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Who is expected at work for a queue: agents by weekday (Monday is 1) and hour, as it was lately."""

    agents: Mapping[tuple[int, int], float] = field(default_factory=dict)
    talk_s: float = 0.0
    """How long a talk took; 0: not known."""


class Staffing(Protocol):
    """What the record says of the staffing. Raises `StoreError`."""

    async def expected(self, queue: str, zone: str, now: datetime) -> Expected:
        """Return who is expected at work for a queue, by the clock of `zone`; nothing where there is no past."""


class Calls(Protocol):
    """The calls that run here."""

    def runs(self, call_id: str) -> bool:
        """Tell whether a call is in progress."""


class WaitingAgent(Protocol):
    """Agent-first: the agent who is called before the customer (`controller.calls.callback.agentfirst`)."""

    async def call(self) -> None:
        """Call the agent; `AgentReady` or `AgentGone` is told."""

    async def take_up(self) -> None:
        """Go on with the agent whom an earlier controller called."""

    async def ring(self) -> None:
        """Let the agent hear that the customer is being called."""

    async def let_go(self, outcome: Outcome, *, queued: bool) -> None:
        """The attempt is over: an agent who still waits is told, and hung up. `queued`: they are in the call."""


class Boards(Protocol):
    """Makes switchboards for agents who wait for their customer."""

    def board(self, call_id: CallId) -> Switchboard:
        """Return a board whose legs have the ids of the legs of `call_id`, which is not there yet."""

    def close(self, board: Switchboard) -> None:
        """Let go of a board; its legs stay."""
