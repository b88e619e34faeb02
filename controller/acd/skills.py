"""Who fits whom, by the rules that are published in docs/distribution.md.

`fit` is the rule for one pair, said once in plain words. The matching answers the same for all agents at once, with
sets as bits (`controller.acd.matching`); a test holds the two together.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from controller.acd.model import AgentAccount, Entry, Queue, Rung, speaks

RANK_S: Final = 30.0
"""By so much later each rank after the first sees a customer of the queue."""
RANKS: Final = 3
"""At most so many ranks count for `RANK_S`; later ones see the customer no later."""
LANGUAGE_S: Final = 120.0
"""By so much later an agent who does not speak the preferred language sees the customer. Above all ranks together."""
HANDICAP_MAX_S: Final = RANK_S * RANKS + LANGUAGE_S


class Fit(NamedTuple):
    """An agent may be offered the customer: through `queue`, `handicap_s` later than their entry time says."""

    handicap_s: float
    queue: str
    rank: int


class Demand(NamedTuple):
    """What an agent of one queue must be able to do for one customer now."""

    queue: str
    needs: tuple[tuple[str, int], ...]
    """Least grade by skill."""
    language: str
    """Must be spoken; "" when any will do."""


def reached(began: float, after_s: float, now: float) -> bool:
    """Tell whether `after_s` have passed; the same sum as the timer's, so that both agree to the last bit."""
    return now >= began + after_s


def rung_index(rungs: tuple[Rung, ...], began: float, now: float) -> int:
    """Return which rung is in force for one who has waited since `began`."""
    for index, rung in enumerate(rungs):
        if rung.until_s is None or not reached(began, rung.until_s, now):
            return index
    return len(rungs) - 1


def waits_in(entry: Entry, queues: dict[str, Queue], began: float, now: float) -> tuple[str, ...]:
    """Return the queues the customer waits in: their own, then those it overflows to, in the order declared."""
    home = queues[entry.queue]
    further = [
        flow.queue
        for flow in home.overflow
        if flow.queue in queues and flow.queue != entry.queue and reached(began, flow.after_s, now)
    ]
    return (entry.queue, *dict.fromkeys(further))


def demand(entry: Entry, queue: Queue, began: float, now: float) -> Demand:
    """Return what `queue` asks of an agent for this customer now.

    The rung's needs, and the customer's own, of which the higher grade holds. On the last rung the customer's own
    needs are a preference only. The language is a need on the first rung, if that is not the last one as well.
    """
    index = rung_index(queue.rungs, began, now)
    needs = dict(queue.rungs[index].needs)
    last = index == len(queue.rungs) - 1
    if not last:
        for skill, grade in entry.needs.items():
            needs[skill] = max(grade, needs.get(skill, 0))
    language = entry.language if index == 0 and not last else ""
    return Demand(queue.name, tuple(sorted(needs.items())), language)


def handicap_s(account: AgentAccount, queue: str, language: str) -> float:
    """Return how much later than the entry time this agent sees a customer of `queue` who prefers `language`."""
    late = RANK_S * min(max(account.queues[queue] - 1, 0), RANKS)
    return late + (LANGUAGE_S if language and not speaks(account, language) else 0.0)


def fit(account: AgentAccount, entry: Entry, queues: dict[str, Queue], began: float, now: float) -> Fit | None:
    """Return how the agent may be offered the customer now, None when not at all.

    Through the queue with the least handicap; between equals the earlier in `waits_in`. The sticky agent has none.
    Says nothing of whether the agent is free, nor of a hold for the sticky agent.
    """
    if account.agent in entry.excluded or not account.enabled:
        return None
    best: Fit | None = None
    for name in waits_in(entry, queues, began, now):
        if name not in account.queues:
            continue
        asked = demand(entry, queues[name], began, now)
        if any(account.skills.get(skill, 0) < grade for skill, grade in asked.needs):
            continue
        if asked.language and not speaks(account, asked.language):
            continue
        late = 0.0 if account.agent == entry.sticky else handicap_s(account, name, entry.language)
        if best is None or late < best.handicap_s:
            best = Fit(late, name, account.queues[name])
    return best
