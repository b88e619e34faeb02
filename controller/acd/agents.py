"""One agent: what is known of them, and what of it survives a restart."""

from __future__ import annotations

import msgspec

from controller.acd.crew import Member
from controller.acd.model import AgentAccount, AgentId, AgentState, Presence
from controller.acd.state import Engagement, EngagementKind, WrapUp


class AgentMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of an agent must survive a restart. Times are seconds from the snapshot (below 0: before it)."""

    agent: AgentId
    presence: Presence
    reason: str = ""
    until: float | None = None
    since: float = 0.0
    idle_since: float | None = None
    calls: int = 0
    last_offers: dict[str, float] = {}
    wrap_up: WrapUp | None = None
    call_id: str = ""
    """The call the agent was engaged with: it may take the agent up again whatever the agent's state."""
    talked: bool = False
    """The conversation of `call_id` is counted already."""
    rest_until: float | None = None


class Agent:
    """One agent."""

    __slots__ = (
        "busy", "engagement", "former_call", "former_talked", "member", "presence", "reachable", "reason",
        "rest_until", "since", "state", "until", "wrap_up",
    )  # fmt: skip

    def __init__(self, member: Member, now: float) -> None:
        self.member = member
        self.presence = Presence.LOGGED_OUT
        self.reason = ""
        self.until: float | None = None
        self.reachable = False
        self.busy = False
        self.engagement: Engagement | None = None
        self.wrap_up: WrapUp | None = None
        self.rest_until: float | None = None
        self.former_call = ""
        self.former_talked = False
        self.state = AgentState.LOGGED_OUT
        self.since = now

    @property
    def account(self) -> AgentAccount:
        """The account as it is now."""
        return self.member.account


def counted(agent: Agent, before: Engagement | None, call_id: str) -> bool:
    """Tell whether the agent's conversation in that call is counted already."""
    if agent.former_talked and agent.former_call == call_id:
        return True
    return before is not None and before.kind is EngagementKind.TALKING and before.call_id == call_id


def shifted(wrap_up: WrapUp, by: float) -> WrapUp:
    """Return the wrap-up on another clock."""
    return msgspec.structs.replace(
        wrap_up, started=wrap_up.started + by, until=wrap_up.until + by, latest=wrap_up.latest + by
    )


def memory_of(agent: Agent, now: float) -> AgentMemory:
    """Return what of the agent must survive a restart."""
    member = agent.member
    never = member.idle_since == float("-inf")
    return AgentMemory(
        agent=agent.account.agent,
        presence=agent.presence,
        reason=agent.reason,
        until=None if agent.until is None else agent.until - now,
        since=agent.since - now,
        idle_since=None if never else member.idle_since - now,
        calls=member.calls,
        last_offers={queue: at - now for queue, at in member.last_offers.items()},
        wrap_up=None if agent.wrap_up is None else shifted(agent.wrap_up, -now),
        call_id=agent.engagement.call_id if agent.engagement else agent.former_call,
        talked=agent.former_talked if agent.engagement is None else agent.state is AgentState.TALKING,
        rest_until=None if agent.rest_until is None else agent.rest_until - now,
    )
