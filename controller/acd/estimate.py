"""How long a customer may still have to wait: learnt from the queue's own past.

**The formula.** For the customer in place p (from 1) of a queue with n agents on duty (logged in, reachable, not
paused):

    wait = (1/θ) · ln(1 + θ · p · S / n)        (p · S / n when nobody has abandoned yet, θ = 0)

- S: *agent-seconds per answer*. While somebody waits, the seconds times the agents on duty are summed up; each
  answer closes a sum. S is the mean of the first `FIRST` sums, then moves by 1/`FIRST` of the difference with each.
  Talk, wrap-up and the time that agents give to other queues are all in S: it is what an answer costs here.
- θ: *abandoned per customer and second of waiting*, smoothed alike: those ahead who give up shorten the wait.

It is the fluid form of a line that is served at the rate n/S and left at θ by each who stands in it, the idea of the
delay estimators for queues with abandonment (Ibrahim and Whitt, "Real-time delay estimation in overloaded
multiserver queues with abandonments", Management Science 55(10), 2009). None without agents on duty or before
`LEAST` answers; never above `MOST_S`.
"""

from __future__ import annotations

from math import log1p
from typing import Final

import msgspec

FIRST: Final = 20
LEAST: Final = 3
MOST_S: Final = 7200.0


class PaceMemory(msgspec.Struct, frozen=True):
    """What a queue has learnt, as it survives a restart."""

    answers: int = 0
    cost: float = 0.0
    """S."""
    leavings: float = 0.0
    waitings: float = 0.0
    """Abandoned, and seconds of waiting, both forgotten at the same pace: θ is their quotient."""


class Pace:
    """One queue's pace, fed with what happens. Times never go back."""

    def __init__(self, memory: PaceMemory = PaceMemory()) -> None:  # noqa: B008 (frozen, shared on purpose)
        self._answers = memory.answers
        self._cost = memory.cost
        self._leavings = memory.leavings
        self._waitings = memory.waitings
        self._sum = 0.0
        self._agents = 0
        self._waiting = 0
        self._at: float | None = None

    def seen(self, now: float, *, waiting: int, agents: int) -> None:
        """Note how many wait and how many agents are on duty from now on."""
        if self._at is not None:
            passed = max(now - self._at, 0.0)
            if self._waiting:
                self._sum += passed * self._agents
                self._waitings += passed * self._waiting
        self._at, self._waiting, self._agents = now, waiting, agents

    def answered(self) -> None:
        """One who waited is answered; `seen` comes before, with the numbers that held until now.

        An answer before which nobody had to wait tells nothing of what one costs.
        """
        if self._sum <= 0:
            return
        self._answers += 1
        weight = 1.0 / min(self._answers, FIRST)
        self._cost += (self._sum - self._cost) * weight
        self._sum = 0.0
        if self._answers > FIRST:
            self._leavings *= 1.0 - 1.0 / (10 * FIRST)
            self._waitings *= 1.0 - 1.0 / (10 * FIRST)

    def abandoned(self) -> None:
        """One who waited has gone."""
        self._leavings += 1.0

    def estimate_s(self, position: int, agents: int) -> float | None:
        """Return how long the one in that place may still wait; see the module."""
        if position < 1 or agents < 1 or self._answers < LEAST:
            return None
        straight = position * self._cost / agents
        rate = self._leavings / self._waitings if self._waitings > 0 else 0.0
        return min(log1p(rate * straight) / rate if rate > 0 else straight, MOST_S)

    def memory(self) -> PaceMemory:
        """Return what must survive."""
        return PaceMemory(self._answers, self._cost, self._leavings, self._waitings)
