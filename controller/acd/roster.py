"""The agents: presence, device, engagement, wrap-up, and the state that follows from them.

Nothing here knows who waits. Facts (`device`, `talking`, `released`) are never refused; wishes are, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from controller.acd.agents import Agent, AgentMemory, counted, memory_of, shifted
from controller.acd.crew import Crew
from controller.acd.model import AgentAccount, AgentId, AgentState, Presence, Queue, Refused
from controller.acd.presence import MISSED_REASON, TRANSITIONS, PresenceEvent
from controller.acd.state import COMES_BACK, AgentFacts, Engagement, EngagementKind, WrapUp, derive
from controller.acd.timers import Timers

REST_S: Final = 5.0
"""An agent whose phone was busy, or could not be rung, is offered nothing for so long: seen as `busy`."""

UNKNOWN_AGENT: Final = Refused(
    code="unknown_agent", message="There is no such agent.", advice="Look at the list of agents for the right id."
)
IN_A_CALL: Final = Refused(
    code="in_a_call", message="The agent is in a call, or one rings.", advice="Try again when the call is over."
)
NOT_IN_WRAP_UP: Final = Refused(
    code="not_in_wrap_up", message="The agent is not in wrap-up.", advice="Wrap-up begins when a call ends."
)
WRAP_UP_SPENT: Final = Refused(
    code="wrap_up_spent",
    message="The wrap-up cannot be extended any further.",
    advice="Pause, or raise the queue's longest wrap-up.",
)
_NOT_FREE: Final = {
    AgentState.LOGGED_OUT: Refused("not_logged_in", "The agent is not logged in.", "Choose another agent."),
    AgentState.UNREACHABLE: Refused("unreachable", "The agent's phone is not registered.", "Choose another agent."),
    AgentState.PAUSED: Refused("paused", "The agent is paused.", "Choose another agent, or wait."),
    AgentState.WRAP_UP: Refused("in_wrap_up", "The agent is in wrap-up.", "Try again in a moment."),
    AgentState.BUSY: Refused("device_busy", "The agent's phone is in use.", "Choose another agent, or wait."),
}


class Roster:
    """All agents by id. Each call hands in `now`, which never goes back."""

    def __init__(self) -> None:
        self.crew = Crew()
        self.agents: dict[AgentId, Agent] = {}
        self._timers: Timers[AgentId] = Timers()
        self._memories: dict[AgentId, tuple[AgentMemory, float]] = {}
        self._changed: dict[AgentId, None] = {}
        self.freed: dict[AgentId, None] = {}
        """Who has become free since the last match, or whose account changed while free."""
        self.gone: dict[AgentId, None] = {}
        """Who will not be free by themselves any more: nobody is to be held for them."""

    # --- who there is

    def set_accounts(self, accounts: Iterable[AgentAccount], now: float) -> None:
        """Take over the accounts.

        Who has none any more is forgotten (after the call, if there is one), who is disabled is logged out.
        """
        wanted = {account.agent: account for account in accounts}
        for name, agent in list(self.agents.items()):
            if name in wanted:
                continue
            if agent.engagement is None:
                self._drop(name)
            else:  # the call is not touched; the next look at the accounts finds the agent out of it
                wanted[name] = msgspec.structs.replace(agent.account, enabled=False, queues={})
        for name, account in wanted.items():
            known = self.agents.get(name)
            if known is not None and known.account == account:
                continue
            member = self.crew.put(account)
            agent = known or Agent(member, now)
            self.agents[name] = agent
            if name in self._memories:
                self._recall(agent, now)
            if not account.enabled:
                self._presence(agent, PresenceEvent.LOGOUT, now)
            self._look(agent, now)
            if agent.state is AgentState.FREE:
                self.freed[name] = None
            self.gone[name] = None

    # --- what they ask for

    def login(self, name: AgentId, now: float) -> Refused | None:
        """Begin the shift; nothing when logged in already (a pause stays)."""
        agent = self.agents.get(name)
        if agent is None:
            return UNKNOWN_AGENT
        if not agent.account.enabled:
            return Refused("disabled", "The agent's account is disabled.", "Have an administrator enable it.")
        if agent.presence is Presence.LOGGED_OUT:
            self.crew.set_calls(agent.member, 0)
            self.crew.set_idle(agent.member, now)
        return self._presence(agent, PresenceEvent.LOGIN, now)

    def logout(self, name: AgentId, now: float) -> Refused | None:
        """End the shift, a wrap-up with it; refused while a call is there."""
        agent = self.agents.get(name)
        if agent is None:
            return UNKNOWN_AGENT
        if agent.engagement is not None:
            return IN_A_CALL
        agent.wrap_up = None
        return self._presence(agent, PresenceEvent.LOGOUT, now)

    def pause(self, name: AgentId, reason: str, now: float, until: float | None = None) -> Refused | None:
        """Offer the agent nothing from now on; the state shows it when a call and its wrap-up are over."""
        agent = self.agents.get(name)
        return UNKNOWN_AGENT if agent is None else self._presence(agent, PresenceEvent.PAUSE, now, reason, until)

    def resume(self, name: AgentId, now: float) -> Refused | None:
        """End a pause."""
        agent = self.agents.get(name)
        return UNKNOWN_AGENT if agent is None else self._presence(agent, PresenceEvent.RESUME, now)

    def end_wrap_up(self, name: AgentId, now: float) -> Refused | None:
        """Be ready before the wrap-up time is over."""
        agent = self.agents.get(name)
        if agent is None:
            return UNKNOWN_AGENT
        if agent.wrap_up is None or agent.engagement is not None:
            return NOT_IN_WRAP_UP
        self._wrap_up_over(agent, now)
        return None

    def extend_wrap_up(self, name: AgentId, seconds: float, now: float) -> Refused | None:
        """Take more time, within the queue's `wrap_up_max_s` from the wrap-up's beginning."""
        agent = self.agents.get(name)
        if agent is None:
            return UNKNOWN_AGENT
        wrap_up = agent.wrap_up
        if wrap_up is None or agent.engagement is not None:
            return NOT_IN_WRAP_UP
        until = min(wrap_up.until + max(seconds, 0.0), wrap_up.latest)
        if until <= wrap_up.until:
            return WRAP_UP_SPENT
        agent.wrap_up = msgspec.structs.replace(wrap_up, until=until)
        self._changed[name] = None
        self._look(agent, now)
        return None

    # --- what is seen of them

    def device(self, name: AgentId, *, reachable: bool, busy: bool, now: float) -> None:
        """Note what the agent's devices do; `busy`: in a conversation that is not ours."""
        agent = self.agents.get(name)
        if agent is not None and (agent.reachable, agent.busy) != (reachable, busy):
            agent.reachable, agent.busy = reachable, busy
            self._look(agent, now)

    def engage(self, name: AgentId, engagement: Engagement, now: float) -> None:
        """The agent has a call now: an offer, a reservation, or a conversation (counted once)."""
        agent = self.agents[name]
        before = agent.engagement
        talking = engagement.kind is EngagementKind.TALKING
        if talking and not counted(agent, before, engagement.call_id):
            self.crew.set_calls(agent.member, agent.member.calls + 1)
        if engagement.kind is EngagementKind.OFFERED:
            self.crew.set_last_offer(agent.member, engagement.queue, now)
        agent.engagement = engagement
        agent.wrap_up = None
        if talking or engagement.call_id != agent.former_call:
            agent.former_call, agent.former_talked = "", False
        self._look(agent, now)

    def reserve(self, name: AgentId, engagement: Engagement, now: float) -> Refused | None:
        """Engage the agent if free, or engaged with the same call (also before a restart)."""
        agent = self.agents.get(name)
        if agent is None:
            return UNKNOWN_AGENT
        if agent.engagement is not None:
            return None if agent.engagement.call_id == engagement.call_id else IN_A_CALL
        if agent.former_call != engagement.call_id and agent.state is not AgentState.FREE:
            return _NOT_FREE[agent.state]
        self.engage(name, engagement, now)
        return None

    def release(self, name: AgentId, now: float, rules: Queue, *, wrap_up: bool) -> Engagement | None:
        """The agent has no call any more; return which it was. `rules` are its queue's."""
        agent = self.agents.get(name)
        if agent is None or agent.engagement is None:
            return None
        ended, agent.engagement = agent.engagement, None
        if wrap_up and rules.wrap_up_s > 0 and agent.presence is not Presence.LOGGED_OUT:
            latest = now + max(rules.wrap_up_s, rules.wrap_up_max_s)
            agent.wrap_up = WrapUp(ended.queue, ended.call_id, now, now + rules.wrap_up_s, latest)
        elif wrap_up or ended.kind is EngagementKind.TALKING:
            self.crew.set_idle(agent.member, now)
        self._look(agent, now)
        return ended

    def missed(self, name: AgentId, pause_s: float, now: float) -> None:
        """The agent did not take an offer: paused for `pause_s`, if that is above 0."""
        if pause_s > 0:
            self._presence(self.agents[name], PresenceEvent.MISSED, now, MISSED_REASON, now + pause_s)

    def rest(self, name: AgentId, now: float) -> None:
        """The agent's phone could not be rung: nothing is offered for `REST_S`."""
        agent = self.agents[name]
        agent.rest_until = now + REST_S
        self._look(agent, now)

    # --- time

    def tick(self, now: float) -> None:
        """End what time ends: pauses, wrap-ups, rests. Each at its own time, however late the tick."""
        for due, name in self._timers.pop_due(now):
            agent = self.agents[name]
            if agent.until is not None and agent.until <= due:
                self._presence(agent, PresenceEvent.RETURN, agent.until)
            if agent.wrap_up is not None and agent.wrap_up.until <= due:
                self._wrap_up_over(agent, agent.wrap_up.until)
            if agent.rest_until is not None and agent.rest_until <= due:
                agent.rest_until = None
            self._look(agent, due)

    def next_due(self) -> float | None:
        """Return when time ends something next."""
        return self._timers.next_due()

    # --- what others read

    def view(self, name: AgentId) -> AgentFacts | None:
        """Return what the agent is doing."""
        agent = self.agents.get(name)
        if agent is None:
            return None
        engagement, wrap_up = agent.engagement, agent.wrap_up
        about = engagement or (wrap_up if agent.state is AgentState.WRAP_UP else None)
        until = wrap_up.until if wrap_up is not None and agent.state is AgentState.WRAP_UP else agent.until
        return AgentFacts(
            agent=name,
            state=agent.state,
            since=agent.since,
            presence=agent.presence,
            reason=agent.reason,
            until=until,
            queue=about.queue if about else "",
            call_id=about.call_id if about else "",
            calls=agent.member.calls,
        )

    def changed(self) -> tuple[AgentId, ...]:
        """Return whose facts changed since last asked, in the order in which they did."""
        names = tuple(self._changed)
        self._changed.clear()
        return names

    # --- over a restart

    def remember(self, now: float) -> tuple[AgentMemory, ...]:
        """Return what must survive."""
        return tuple(memory_of(agent, now) for agent in self.agents.values())

    def restore(self, memories: Iterable[AgentMemory], now: float, *, age_s: float) -> None:
        """Take up what `remember` gave `age_s` ago; of agents without an account once they have one."""
        for memory in memories:
            self._memories[memory.agent] = (memory, now - age_s)
            agent = self.agents.get(memory.agent)
            if agent is not None:
                self._recall(agent, now)

    def _drop(self, name: AgentId) -> None:
        self.crew.drop(name)
        del self.agents[name]
        self._timers.set(name, None)
        self.freed.pop(name, None)
        self.gone[name] = None
        self._changed[name] = None

    def _recall(self, agent: Agent, now: float) -> None:
        memory, taken = self._memories.pop(agent.account.agent)
        agent.presence, agent.reason = memory.presence, memory.reason
        agent.until = None if memory.until is None else taken + memory.until
        agent.former_call, agent.former_talked = memory.call_id, memory.talked
        agent.rest_until = None if memory.rest_until is None else taken + memory.rest_until
        if memory.wrap_up is not None:
            agent.wrap_up = shifted(memory.wrap_up, taken)
        for queue, at in memory.last_offers.items():
            self.crew.set_last_offer(agent.member, queue, taken + at)
        self.crew.set_calls(agent.member, memory.calls)
        if memory.idle_since is not None:
            self.crew.set_idle(agent.member, taken + memory.idle_since)
        self._look(agent, min(taken + memory.since, now))

    # --- inside

    def _presence(
        self, agent: Agent, event: PresenceEvent, now: float, reason: str = "", until: float | None = None
    ) -> Refused | None:
        after = TRANSITIONS[agent.presence, event]
        if isinstance(after, Refused):
            return after
        before, agent.presence = agent.presence, after
        name = agent.account.agent
        if event is PresenceEvent.PAUSE or (after is Presence.PAUSED and before is not Presence.PAUSED):
            agent.reason, agent.until = reason, until
            self._changed[name] = None
        elif after is not Presence.PAUSED:
            agent.reason, agent.until = "", None
        if before is Presence.PAUSED and after is Presence.READY:
            self.crew.set_idle(agent.member, now)
        if before is not after:
            self._changed[name] = None
        self._look(agent, now)
        return None

    def _wrap_up_over(self, agent: Agent, at: float) -> None:
        agent.wrap_up = None
        self.crew.set_idle(agent.member, at)
        self._look(agent, at)

    def _look(self, agent: Agent, now: float) -> None:
        """Derive the agent's state anew and tell who needs to know."""
        name = agent.account.agent
        state = derive(
            presence=agent.presence,
            engagement=agent.engagement,
            wrapping=agent.wrap_up is not None,
            reachable=agent.reachable,
            busy=agent.busy or agent.rest_until is not None,
        )
        times = (agent.until, agent.wrap_up.until if agent.wrap_up else None, agent.rest_until)
        self._timers.set(name, min((each for each in times if each is not None), default=None))
        if state is agent.state:
            return
        agent.state, agent.since = state, now
        self.crew.set_state(agent.member, state)
        self._changed[name] = None
        if state is AgentState.FREE:
            self.freed[name] = None
        elif state not in COMES_BACK:
            self.gone[name] = None
