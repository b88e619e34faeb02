"""The words of distribution as data: queues, agents, who waits, and what an offer came to.

Times of the day are aware UTC. Everywhere else in `acd` a time is a number of seconds on one monotonic clock, which
the caller of each function hands in as `now`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

AgentId = NewType("AgentId", str)
"""An agent's short name (`claire.d`), chosen once and never changed."""
EntryId = NewType("EntryId", str)
"""Names one who waits: a call's id, or a call-back request's."""


class Strategy(StrEnum):
    """Which of several fitting agents is offered the call."""

    LONGEST_IDLE = "longest_idle"
    LEAST_CALLS = "least_calls"  # fewest conversations since login, then longest idle
    ROUND_ROBIN = "round_robin"  # the one whose last offer of this queue is longest ago
    RING_ALL = "ring_all"  # everybody who fits and is free rings; the first to answer talks


class Rung(msgspec.Struct, frozen=True):
    """What an agent must be able to do as long as the wait is below `until_s` (None: from then on for ever)."""

    needs: dict[str, int] = {}
    """Least grade (1 to 5) by skill."""
    until_s: float | None = None


class Overflow(msgspec.Struct, frozen=True):
    """After `after_s` of waiting the customer waits in `queue` as well, with the original entry time."""

    queue: str
    after_s: float


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue's rules of distribution. What is heard there is `controller.flow.queues.QueuePlan`'s."""

    name: str
    title: str = ""
    strategy: Strategy = Strategy.LONGEST_IDLE
    priority: int = 0
    """Added to the priority of each who waits; a higher sum goes first. 0 to 9 each."""
    rungs: tuple[Rung, ...] = (Rung(),)
    """In the order of `until_s`; the last one has none."""
    ring_s: float = 20.0
    wrap_up_s: float = 20.0
    wrap_up_max_s: float = 300.0
    """How far an agent may extend the wrap-up, in all."""
    capacity: int = 0
    """How many may wait; 0: no limit."""
    wait_s: float = 900.0
    """Longest wait; a flow's step may set a shorter one."""
    overflow: tuple[Overflow, ...] = ()
    sticky_within_s: float = 0.0
    """A caller who talked with an agent of the queue that recently prefers this agent; 0: never."""
    sticky_hold_s: float = 0.0
    """How long the caller is kept for that agent while the agent is logged in but not free."""
    missed_pause_s: float = 120.0
    """An agent who misses an offer is paused that long, then ready again by itself; 0: not paused."""
    service_level_s: float = 20.0
    short_abandoned_s: float = 5.0
    dispositions: tuple[str, ...] = ()
    """Codes an agent may give a call; empty: none is asked for."""


class AgentAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an agent from their account; what the agent is doing now is `AgentView`."""

    agent: AgentId
    name: str
    extension: str
    """What colleagues dial; also the user name and the name of the SIP endpoint."""
    skills: dict[str, int] = {}
    """Grade 1 to 5 by skill."""
    languages: tuple[str, ...] = ()
    """What the agent speaks with customers; none named: whatever comes."""
    queues: dict[str, int] = {}
    """Rank by queue, 1 first: a queue's agents of a lower rank are offered only when none of a better fits."""
    supervisor: bool = False
    """May listen, whisper and barge, and see the board."""
    enabled: bool = True


def speaks(account: AgentAccount, language: str) -> bool:
    """Tell whether the agent speaks `language`; who names no language is taken to speak any."""
    return not account.languages or language in account.languages


class Presence(StrEnum):
    """What an agent means to do: changed by the agent, a supervisor or a rule; kept over restarts."""

    LOGGED_OUT = "logged_out"
    READY = "ready"
    PAUSED = "paused"


class AgentState(StrEnum):
    """What an agent is doing, derived from presence, device and engagement at each look; never stored as truth."""

    LOGGED_OUT = "logged_out"
    UNREACHABLE = "unreachable"  # logged in, but no device is registered
    PAUSED = "paused"
    FREE = "free"
    OFFERED = "offered"  # a call rings
    TALKING = "talking"  # with a customer
    WRAP_UP = "wrap_up"
    BUSY = "busy"  # the device is in a conversation that is not ours


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """One agent at one moment, for boards and events. `since` is when `state` began."""

    agent: AgentId
    name: str
    extension: str
    state: AgentState
    since: datetime
    presence: Presence
    reason: str = ""
    """Of a pause: the agent's word for it, or `missed`."""
    until: datetime | None = None
    """When a pause or a wrap-up ends by itself."""
    queue: str = ""
    call_id: str = ""
    calls: int = 0
    """Conversations since login."""


class EntryKind(StrEnum):
    """Who waits."""

    CALLER = "caller"
    CALLBACK = "callback"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One who waits. `entered_at` is the original entry time: it survives overflow, escalation and restarts."""

    entry: EntryId
    queue: str
    entered_at: datetime
    kind: EntryKind = EntryKind.CALLER
    priority: int = 0
    needs: dict[str, int] = {}
    """Skills this customer needs besides the queue's; relaxed with the rungs: the last rung drops them."""
    language: str = ""
    """Preferred language of the agent: those who speak it are offered first, others from the second rung on."""
    number: str = ""
    """The customer's number, for stickiness."""
    sticky: AgentId | None = None
    """The agent the customer talked with last, if recently enough."""
    excluded: frozenset[AgentId] = frozenset()
    """Agents who shall not get this one (who refused it just now, or who escalated it)."""


class OfferOutcome(StrEnum):
    """How one ring of one agent ended."""

    CONNECTED = "connected"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    NOT_ACCEPTED = "not_accepted"  # answered, but the accept key was not pressed
    ELSEWHERE = "elsewhere"  # another agent, or another device, was first
    CUSTOMER_LEFT = "customer_left"
    WITHDRAWN = "withdrawn"  # time ran out, the queue closed, or a supervisor moved the customer
    FAILED = "failed"


BLAMED = frozenset(
    {OfferOutcome.NO_ANSWER, OfferOutcome.DECLINED, OfferOutcome.NOT_ACCEPTED, OfferOutcome.UNREACHABLE}
)
"""Outcomes after which the agent is paused for `missed_pause_s`."""


class Refused(msgspec.Struct, frozen=True):
    """Why something an agent, a supervisor or a flow asked for was not done; `advice` says what to do instead."""

    code: str
    """A stable word: unknown_agent, unknown_queue, queue_full, not_logged_in, in_a_call, not_in_wrap_up, …"""
    message: str
    advice: str = ""
