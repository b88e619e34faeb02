"""What an agent is doing, derived at each look from what is known: presence, device, engagement, time."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from controller.acd.model import AgentId, AgentState, Presence


class EngagementKind(StrEnum):
    """How far the agent is into a call."""

    OFFERED = "offered"  # one who waits was matched with the agent
    RESERVED = "reserved"  # outside the line: transfer, consultation, unpark
    TALKING = "talking"


class Engagement(msgspec.Struct, frozen=True):
    """The one call an agent is engaged with. The queue's rules that count are those at its end."""

    kind: EngagementKind
    call_id: str
    """Of an offer: the entry's id."""
    queue: str
    since: float


class WrapUp(msgspec.Struct, frozen=True):
    """The agent's time after a conversation."""

    queue: str
    call_id: str
    started: float
    until: float
    latest: float
    """`until` can be extended to this and no further."""


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One agent at one moment; times on the monotonic clock of `acd`. The desk makes an `AgentView` of it."""

    agent: AgentId
    state: AgentState
    since: float
    presence: Presence
    reason: str = ""
    until: float | None = None
    queue: str = ""
    call_id: str = ""
    calls: int = 0


def derive(
    *,
    presence: Presence,
    engagement: Engagement | None,
    wrapping: bool,
    reachable: bool,
    busy: bool,
) -> AgentState:
    """Return the state. What stands higher hides what stands lower.

    A call first: it is there whatever the agent means to do. Then the wrap-up, so that a pause asked for in a
    conversation begins after both. A pause before the device: an agent at lunch may unplug the phone.
    """
    if engagement is not None:
        talking = engagement.kind is EngagementKind.TALKING
        return AgentState.TALKING if talking else AgentState.OFFERED
    if presence is Presence.LOGGED_OUT:
        return AgentState.LOGGED_OUT
    if wrapping:
        return AgentState.WRAP_UP
    if presence is Presence.PAUSED:
        return AgentState.PAUSED
    if not reachable:
        return AgentState.UNREACHABLE
    return AgentState.BUSY if busy else AgentState.FREE


COMES_BACK = frozenset({AgentState.FREE, AgentState.OFFERED, AgentState.TALKING, AgentState.WRAP_UP, AgentState.BUSY})
"""States that lead to `FREE` by themselves: only for such an agent is a sticky caller held."""
