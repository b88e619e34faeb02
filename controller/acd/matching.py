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
    fitting: list[tuple[str, int]] = []
    for asked in key.demands:
        bits = crew.meeting(asked) & ~barred
        if sticky is not None and bits & sticky.bit:
            if free & sticky.bit:
                return Choice(0.0, asked.queue, sticky.bit)
            if key.hold and sticky.state in COMES_BACK:
                return None
        bits &= free
        if bits:
            fitting.append((asked.queue, bits))
    if not fitting:
        return None
    best = min((_least_handicap(queue, bits, key.language, crew) for queue, bits in fitting), key=lambda c: c[0])
    wanted = best.agents
    for skill, grade in key.wishes:
        wanted &= crew.able(skill, grade)
    return best._replace(agents=wanted) if wanted else best


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
        if bits & ranked:
            return Choice(late + RANK_S * min(max(rank - 1, 0), RANKS), queue, bits & ranked)
    raise AssertionError(f"an agent serves {queue} without a rank")


def deal(lanes: Iterable[Lane], crew: Crew, queues: dict[str, Queue]) -> list[Assignment]:
    """Match the first ones of `lanes` with free agents, as long as anybody fits. Changes nothing.

    Each lane stands in a heap with the sight of its first one. As agents are dealt out, handicaps only grow: a lane
    that comes up with a greater one than noted goes back into the heap, a lane that can get nobody is done with.
    """
    crew.settle()
    free = crew.in_state(AgentState.FREE)
    heap: list[tuple[Sight, int, float, Lane]] = []
    for lane in lanes:
        choice = choose(lane, crew, free) if free else None
        if choice is not None:
            heap.append((sight(lane, 0, choice.handicap_s), 0, choice.handicap_s, lane))
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
