"""Who gets whom: the matching of those who wait with those who are free.

**The rule.** Each pair of a customer and an agent who fits (`controller.acd.skills.fit`) has a time at which the
agent *sees* the customer: the original entry time plus the pair's handicap. Pairs are dealt in the order `sight`:
elders first, then priority, that time, entry time, id. Of one customer's pairs with equal sight the sticky agent goes
first, then the least handicap, then the queue waited in first, then the lowest rank, then agents who meet the
customer's own needs, then the queue's strategy.

So an agent takes a later customer before an earlier one whom they fit as well only by priority or by handicap, which
is bounded (`HANDICAP_MAX_S`); and neither counts against an elder: nobody waits for ever behind later ones.

Two exceptions, published too. A customer is kept for the sticky agent while the hold lasts and that agent is about to
be free again. A customer under offer is nobody else's until the offer has ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from controller.acd.crew import Crew
from controller.acd.line import Lane
from controller.acd.model import AgentId, AgentState, EntryId, Queue
from controller.acd.skills import LANGUAGE_S, RANK_S, RANKS
from controller.acd.state import COMES_BACK

Sight = tuple[int, int, float, float, EntryId]
"""A pair's place in the order of dealing: elder or not, priority, time of sight, entry time, id."""


class Assignment(NamedTuple):
    """These agents are to ring for the entry: one, or several of whom the first to answer talks."""

    entry: EntryId
    queue: str
    """By whose rules they were matched: the entry's own, or one it overflows to."""
    agents: tuple[AgentId, ...]


class Choice(NamedTuple):
    """The best that a lane can get: a set of agents, all with the same handicap in the same queue."""

    handicap_s: float
    queue: str
    agents: int


def sight(lane: Lane, index: int, handicap_s: float) -> Sight:
    """Return the place in the order of dealing of the lane's `index`-th with agents of that handicap."""
    entered, entry = lane.order[index]
    key = lane.key
    if key.elder:
        return (0, 0, entered, entered, entry)
    return (1, -key.priority, entered + handicap_s, entered, entry)


def choose(lane: Lane, crew: Crew, free: int) -> Choice | None:
    """Return the best of the `free` for those of a lane, None when there is nobody or they are kept for somebody."""
    key = lane.key
    barred = crew.bits_of(key.barred) if key.barred else 0
    sticky = crew.members.get(key.sticky) if key.sticky is not None else None
    if sticky is not None:
        for asked in key.demands:
            if not crew.meeting(asked, sticky.bit) & ~barred:
                continue
            if free & sticky.bit:
                return Choice(0.0, asked.queue, sticky.bit)
            if key.hold and sticky.state in COMES_BACK:
                return None
    best: Choice | None = None
    for asked in key.demands:
        bits = crew.meeting(asked, free) & ~barred
        if bits:
            choice = _least_handicap(asked.queue, bits, key.language, crew)
            if best is None or choice.handicap_s < best.handicap_s:
                best = choice
    return _preferred(best, key.wishes, crew) if best is not None and key.wishes else best


def _preferred(choice: Choice, wishes: tuple[tuple[str, int], ...], crew: Crew) -> Choice:
    """Return those of the choice who meet the customer's own needs, all when nobody does."""
    wanted = choice.agents
    for skill, grade in wishes:
        wanted &= crew.able(skill, grade)
    return Choice(choice.handicap_s, choice.queue, wanted) if wanted else choice


def _least_handicap(queue: str, bits: int, language: str, crew: Crew) -> Choice:
    """Return those of `bits` with the least handicap; between equals the lowest rank."""
    late = 0.0
    if language:
        speaking = bits & crew.speaking(language)
        if speaking:
            bits = speaking
        else:
            late = LANGUAGE_S
    for rank, ranked in crew.ranked(queue):
        found = bits & ranked
        if found:
            return Choice(late + RANK_S * min(max(rank - 1, 0), RANKS), queue, found)
    raise AssertionError(f"an agent serves {queue} without a rank")


def deal(lanes: Iterable[Lane], crew: Crew, queues: dict[str, Queue]) -> list[Assignment]:
    """Match the first ones of `lanes` with free agents, as long as anybody fits. Changes nothing.

    Each lane stands in a heap with the earliest sight that its first one can have. A lane that comes up with a
    greater handicap than noted goes back with that; a lane that can get nobody is done with. As agents are dealt out,
    handicaps only grow, so that what comes up with its noted handicap is the first of all.
    """
    crew.settle()
    free = crew.in_state(AgentState.FREE)
    heap = [(sight(lane, 0, 0.0), 0, 0.0, lane) for lane in lanes] if free else []
    heapq.heapify(heap)
    dealt: list[Assignment] = []
    while heap and free:
        _, index, noted, lane = heap[0]
        choice = choose(lane, crew, free)
        if choice is None:
            heapq.heappop(heap)
            continue
        if choice.handicap_s > noted:
            heapq.heapreplace(heap, (sight(lane, index, choice.handicap_s), index, choice.handicap_s, lane))
            continue
        picked = crew.pick(queues[choice.queue], choice.agents)
        free &= ~picked
        dealt.append(Assignment(lane.order[index][1], choice.queue, crew.names(picked)))
        index += 1
        if index < len(lane.order):
            heapq.heapreplace(heap, (sight(lane, index, noted), index, noted, lane))
        else:
            heapq.heappop(heap)
    return dealt
