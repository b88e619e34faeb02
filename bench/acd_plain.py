"""The matching's rule said plainly: every pair looked at, all sorted, dealt from the top.

What `controller.acd.matching` must answer, and what `bench.acd` measures it against.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from controller.acd.line import ELDER_S
from controller.acd.matching import Assignment
from controller.acd.model import AgentAccount, AgentId, AgentState, Entry, EntryId, Queue, Strategy, speaks
from controller.acd.skills import demand, handicap_s, waits_in
from controller.acd.state import COMES_BACK


class PlainAgent(NamedTuple):
    """What counts of an agent."""

    account: AgentAccount
    state: AgentState
    idle_since: float
    calls: int
    last_offers: dict[str, float]


class PlainEntry(NamedTuple):
    """What counts of one who waits and is not under offer."""

    entry: Entry
    began: float
    barred: frozenset[AgentId]


class Pair(NamedTuple):
    """An agent through one queue for one who waits; `place` is its order of dealing."""

    place: tuple[Any, ...]
    entry: EntryId
    agent: AgentId
    queue: str
    alike: tuple[Any, ...]
    """Agents that ring together in a ring-all have this in common."""


def fits(agent: PlainAgent, waiting: PlainEntry, queue: Queue, now: float) -> bool:
    """Tell whether the agent may serve the customer through the queue now."""
    account, entry = agent.account, waiting.entry
    if queue.name not in account.queues or account.agent in waiting.barred | entry.excluded:
        return False
    asked = demand(entry, queue, waiting.began, now)
    if asked.language and not speaks(account, asked.language):
        return False
    return all(account.skills.get(skill, 0) >= grade for skill, grade in asked.needs)


def held_for(
    waiting: PlainEntry, agents: dict[AgentId, PlainAgent], queues: dict[str, Queue], now: float
) -> AgentId | None:
    """Return the sticky agent for whom the customer is kept, None when for nobody."""
    entry = waiting.entry
    sticky = agents.get(entry.sticky) if entry.sticky is not None else None
    if sticky is None or sticky.state not in COMES_BACK:
        return None
    if now >= waiting.began + queues[entry.queue].sticky_hold_s:
        return None
    names = waits_in(entry, queues, waiting.began, now)
    return entry.sticky if any(fits(sticky, waiting, queues[name], now) for name in names) else None


def turn(agent: PlainAgent, queue: Queue) -> tuple[Any, ...]:
    """Return the agent's place by the queue's strategy."""
    idle = (agent.idle_since, agent.account.agent)
    if queue.strategy is Strategy.LEAST_CALLS:
        return (agent.calls, *idle)
    if queue.strategy is Strategy.ROUND_ROBIN:
        return (agent.last_offers.get(queue.name, float("-inf")), agent.account.agent)
    return idle


def pairs_of(
    waiting: PlainEntry, agents: dict[AgentId, PlainAgent], queues: dict[str, Queue], now: float
) -> list[Pair]:
    """Return every free agent whom the customer may get now."""
    entry, home = waiting.entry, queues[waiting.entry.queue]
    entered = entry.entered_at.timestamp()
    elder = now >= waiting.began + ELDER_S
    held = held_for(waiting, agents, queues, now)
    found = []
    for index, name in enumerate(waits_in(entry, queues, waiting.began, now)):
        queue = queues[name]
        for agent in agents.values():
            account = agent.account
            if agent.state is not AgentState.FREE or not fits(agent, waiting, queue, now):
                continue
            if held is not None and account.agent != held:
                continue
            sticky = account.agent == entry.sticky
            late = 0.0 if sticky else handicap_s(account, name, entry.language)
            wishes = all(account.skills.get(skill, 0) >= grade for skill, grade in entry.needs.items())
            alike = (not sticky, late, index, account.queues[name], not wishes)
            classed = (0, 0, entered) if elder else (1, -home.priority - entry.priority, entered + late)
            place = (*classed, entered, entry.entry, *alike, *turn(agent, queue))
            found.append(Pair(place, entry.entry, account.agent, name, alike))
    return found


def plain_match(
    line: Iterable[PlainEntry], agents: Iterable[PlainAgent], queues: dict[str, Queue], now: float
) -> list[Assignment]:
    """Return who gets whom."""
    known = {agent.account.agent: agent for agent in agents}
    pairs = sorted(pair for waiting in line for pair in pairs_of(waiting, known, queues, now))
    served: set[EntryId] = set()
    taken: set[AgentId] = set()
    dealt = []
    for number, pair in enumerate(pairs):
        if pair.entry in served or pair.agent in taken:
            continue
        ringing = [pair.agent]
        if queues[pair.queue].strategy is Strategy.RING_ALL and pair.alike[0]:
            ringing += [
                other.agent
                for other in pairs[number + 1 :]
                if (other.entry, other.queue, other.alike) == (pair.entry, pair.queue, pair.alike)
                and other.agent not in taken
            ]
        served.add(pair.entry)
        taken.update(ringing)
        dealt.append(Assignment(pair.entry, pair.queue, tuple(ringing)))
    return dealt
