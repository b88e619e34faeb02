"""The words of call-backs as data: a request, its attempts, and the states of both.

A *request* is a customer's wish to be called; an *attempt* is one dial for it, whose id is the id of the channel and
of the call. Times are aware UTC unless named otherwise.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

from controller.acd.model import AgentId
from controller.outbound.model import Number, Purpose

RequestId = NewType("RequestId", str)
"""32 hexadecimal digits; also the name of the request's place in the waiting line."""
AttemptId = NewType("AttemptId", str)
"""32 hexadecimal digits; also the id of the customer's channel and of the call."""


class Source(StrEnum):
    """Where a request came from."""

    WEB = "web"
    SVI = "svi"
    QUEUE = "queue"  # the key pressed while waiting: the place is kept
    API = "api"
    AGENT = "agent"  # an agent calls a customer, or promises to


class When(StrEnum):
    """When the customer wants to be called."""

    NOW = "now"  # taken only while somebody can answer soon
    ASAP = "asap"  # as soon as an agent frees, in the order of the line
    SLOT = "slot"  # from `slot_at` on


class First(StrEnum):
    """Who is called first."""

    CUSTOMER = "customer"  # an agent is held reserved meanwhile
    AGENT = "agent"  # previews the file, then the customer is called


class RequestState(StrEnum):
    """Where a request stands; transitions are in `controller.callback.transitions`."""

    SCHEDULED = "scheduled"  # not before `due_at`: a slot, or the next try
    WAITING = "waiting"  # due: has its place in the line
    DIALLING = "dialling"  # an attempt is claimed, and not over
    DONE = "done"  # customer and agent have talked
    FAILED = "failed"  # no tries left
    REFUSED = "refused"  # the gate will never let it through
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # nobody could be reached in the time that was promised


FINAL = frozenset(
    {
        RequestState.DONE,
        RequestState.FAILED,
        RequestState.REFUSED,
        RequestState.CANCELLED,
        RequestState.EXPIRED,
    }
)


class AttemptState(StrEnum):
    """How far an attempt has come; it never goes back."""

    CLAIMED = "claimed"  # written down, perhaps not dialled
    DIALLED = "dialled"  # Asterisk has taken it
    RINGING = "ringing"
    ANSWERED = "answered"
    CONNECTED = "connected"  # talks with an agent
    ENDED = "ended"


class Outcome(StrEnum):
    """How an attempt ended."""

    TALKED = "talked"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"  # no such number, switched off, no route
    VOICEMAIL = "voicemail"  # a machine, or nobody pressed the key to accept
    REFUSED = "refused"  # the call was rejected
    FAILED = "failed"  # our fault or the carrier's
    BLOCKED = "blocked"  # the gate, now
    NO_AGENT = "no_agent"  # agent-first: the agent did not take it; the customer was not dialled
    LEFT = "left"  # the customer accepted, and hung up before an agent was there
    CANCELLED = "cancelled"  # by the customer, by an agent, or by us, before anybody answered
    DECLINED = "declined"  # the customer said on the telephone that they want no call any more
    RESCHEDULED = "rescheduled"  # the customer said on the telephone when to call instead
    LOST = "lost"  # nobody saw how it ended; it may have rung


NOT_DIALLED = frozenset({Outcome.BLOCKED, Outcome.NO_AGENT})
"""Outcomes of attempts in which the customer's telephone was not called: they use up no try."""


class Consent(msgspec.Struct, frozen=True):
    """Proof that the customer asked: what was shown or said, which version of it, when, and from where."""

    text: str
    version: str
    at: datetime
    ip: str = ""
    call_id: str = ""
    """The call in which it was said, for requests by telephone."""


class Origin(msgspec.Struct, frozen=True):
    """Where a visitor came from, for the conversion reports."""

    page: str = ""
    campaign: str = ""
    medium: str = ""
    referrer: str = ""


class Customer(msgspec.Struct, frozen=True):
    """What the customer told about themselves, for the agent's screen. Data everywhere, never trusted."""

    name: str = ""
    reference: str = ""
    reason: str = ""
    data: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it stands in Postgres."""

    request_id: RequestId
    queue: str
    number: Number
    when: When
    source: Source
    purpose: Purpose
    language: str
    zone: str
    """The customer's IANA zone; slots are told in it."""
    created_at: datetime
    entered_at: datetime
    """The original entry time: the place in the line. Of a slot: its beginning."""
    due_at: datetime
    """Not before."""
    promised_at: datetime | None = None
    """What the customer was told: called by then."""
    expires_at: datetime
    slot_at: datetime | None = None
    slot_s: float = 0.0
    first: First = First.CUSTOMER
    agent: AgentId | None = None
    """Who shall call, if somebody certain."""
    priority: int = 0
    needs: dict[str, int] = {}
    customer: Customer = Customer()
    origin: Origin = Origin()
    consent: Consent | None = None
    call_id: str = ""
    """The call it was asked for in."""
    state: RequestState = RequestState.WAITING
    fence: int = 0
    """Grows with every claim: an attempt of an older fence may do nothing any more."""
    tries: int = 0
    """Attempts in which the customer's telephone was called."""
    outcome: Outcome | None = None
    """Of the last attempt."""
    ended_at: datetime | None = None
    reason: str = ""
    """Why it ended, in words, when it was refused or cancelled."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One dial for a request."""

    attempt_id: AttemptId
    request_id: RequestId
    fence: int
    number: Number
    caller_id: str
    agent: AgentId
    node: str
    claimed_at: datetime
    state: AttemptState = AttemptState.CLAIMED
    dialled_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    cause: int = 0
    """Q.850."""
    cost: float = 0.0


class NextStep(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a request after an attempt: its new state, and when it is due again."""

    state: RequestState
    due_at: datetime | None = None
    entered_at: datetime | None = None
    """A new place in the line (a slot); None: the place is kept."""
    expires_at: datetime | None = None
    """A new end of the promise (a slot); None: the old one stays."""
    reason: str = ""


class Slot(msgspec.Struct, frozen=True):
    """A time that can be booked, and how many more may book it."""

    at: datetime
    length_s: float
    free: int


class CallbackPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's rules for call-backs, from `queues: <name>: callback:` of centre.yaml."""

    flow: str
    """What the customer hears when they answer: a flow that leads to a `queue` step of this queue."""
    first: First = First.CUSTOMER
    caller_id: str = ""
    """One of the centre's numbers, E.164; "": the centre's default."""
    ring_s: float = 30.0
    purpose: Purpose = Purpose.REQUESTED
    tries: int = 3
    """How often the customer's telephone is called at most, busy lines aside (`busy_tries`)."""
    delays: dict[str, tuple[float, ...]] = {}
    """Seconds to the next try by outcome: the n-th after the n-th time, the last one ever after; () = never again.

    Defaults for outcomes that are not named: `controller.callback.retry.DEFAULT_DELAYS`.
    """
    busy_tries: int = 10
    expires_s: float = 86_400.0
    """How long after it was due a request is given up."""
    now_within_s: float = 120.0
    """A request for `now` is taken while the estimated wait is at most this."""
    detect_voicemail: bool = False
    calendar: str = ""
    """Slots lie in these hours; "": the queue's."""
    slot_s: float = 1800.0
    ahead_s: float = 604_800.0
    """How far ahead a slot may be."""
    notice_s: float = 1800.0
    """How soon at the earliest."""
    per_slot: int = 0
    """Bookings of one slot; 0: by expected staffing (`share`)."""
    share: float = 0.3
    """Of the expected agents' time, how much may be promised."""
    handling_s: float = 300.0
    """How long a call takes while there is no history."""
