"""How many agents an interval needs: Erlang C (everybody waits for ever) and Erlang A (patience ends).

Both are for calls that come at random (Poisson), with exponential handling times, served in the order of arrival by
agents who do nothing else. What they say of the mean holds roughly for other handling times too; what they say of a
short interval is a mean over many such intervals.

With λ calls a second, mean handling time 1/μ, n agents, offered load a = λ/μ erlangs:

- Erlang C (Erlang 1917): the chance to wait C(n, a) from the recursion of Erlang B,
  B(0) = 1, B(k) = a·B(k-1) / (k + a·B(k-1)), C = n·B / (n - a·(1 - B)); service level 1 - C·exp(-(nμ - λ)·t); mean
  wait C / (nμ - λ). Not defined at n ≤ a: the line would grow for ever.
- Erlang A (Palm 1957; Mandelbaum and Zeltyn, "Service engineering in action: the Palm/Erlang-A queue", 2007): who
  waits gives up after an exponential time of mean 1/θ, so the number in the system is a birth and death chain with
  death rate min(j, n)·μ + max(j - n, 0)·θ. A newcomer who finds q waiting is served if each of the q + 1 departures
  that are needed comes before the newcomer's own patience ends.

Service level here is *answered within t* / *offered*, as in the published figures: who gives up is offered and not
answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import exp, inf
from typing import Final

import msgspec

AGENTS_MAX: Final = 5000
_NEGLIGIBLE: Final = 1e-12
_STATES_MAX: Final = 200_000


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What `agents` agents would come to."""

    agents: int
    load_erlangs: float
    service_level: float
    """Answered within the threshold / offered, 0 to 1."""
    abandoned: float
    """Gave up / offered, 0 to 1; 0 in Erlang C."""
    mean_wait_s: float
    """Mean over all offered; infinite when the line grows for ever."""
    occupancy: float
    """The share of the agents' time that is spent on calls, 0 to 1."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """One row of recorded history: one queue in one interval."""

    start: datetime
    seconds: float
    offered: int
    answered: int
    handling_s: float
    """Talk, hold and wrap-up of those answered, in all."""
    abandoned: int = 0
    waited_s: float = 0.0
    """Waiting of all who were offered, in all."""


class Staffing(msgspec.Struct, frozen=True, kw_only=True):
    """What an interval needs, and what was learnt from the history for it."""

    start: datetime
    calls: float
    handling_s: float
    patience_s: float | None
    forecast: Forecast


def erlang_b(agents: int, load: float) -> float:
    """Return the chance that all of `agents` are busy when nobody may wait; `load` in erlangs, 0 or more."""
    blocked = 1.0
    for count in range(1, agents + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(agents: int, load: float) -> float:
    """Return the chance to have to wait when everybody waits for ever; 1 when the line grows for ever."""
    if load >= agents:
        return 1.0 if load > 0 else 0.0
    blocked = erlang_b(agents, load)
    return agents * blocked / (agents - load * (1.0 - blocked))


def forecast_c(agents: int, calls_per_s: float, handling_s: float, within_s: float) -> Forecast:
    """Return what Erlang C says of `agents`. All times in seconds, above 0."""
    load = calls_per_s * handling_s
    if load >= agents > 0 or agents == 0:
        idle = load == 0
        return Forecast(
            agents=agents,
            load_erlangs=load,
            service_level=1.0 if idle else 0.0,
            abandoned=0.0,
            mean_wait_s=0.0 if idle else inf,
            occupancy=0.0 if idle else 1.0,
        )
    waits = erlang_c(agents, load)
    spare = agents / handling_s - calls_per_s
    return Forecast(
        agents=agents,
        load_erlangs=load,
        service_level=1.0 - waits * exp(-spare * within_s),
        abandoned=0.0,
        mean_wait_s=waits / spare,
        occupancy=load / agents,
    )


def forecast_a(agents: int, calls_per_s: float, handling_s: float, patience_s: float, within_s: float) -> Forecast:
    """Return what Erlang A says of `agents`; `patience_s` is the mean time after which one who waits gives up."""
    load = calls_per_s * handling_s
    if load == 0:
        return Forecast(
            agents=agents, load_erlangs=0.0, service_level=1.0, abandoned=0.0, mean_wait_s=0.0, occupancy=0.0
        )
    chances = _states(agents, calls_per_s, handling_s, patience_s)
    # Waiting at any moment; by Little's law this many leave by giving up.
    waiting = sum((count - agents) * chance for count, chance in enumerate(chances) if count > agents)
    lost = waiting / patience_s / calls_per_s
    served_at = agents / handling_s
    # Answered in time: by `_answered_within` for each number found waiting.
    found = chances[agents:]
    level = sum(chances[:agents])
    if agents:
        level += sum(
            chance * answered
            for chance, answered in zip(
                found, _answered_within(len(found), served_at, 1.0 / patience_s, within_s), strict=True
            )
        )
    return Forecast(
        agents=agents,
        load_erlangs=load,
        service_level=min(level, 1.0),
        abandoned=min(lost, 1.0),
        mean_wait_s=waiting / calls_per_s,
        occupancy=load * (1.0 - min(lost, 1.0)) / agents if agents else 1.0,
    )


def _states(agents: int, calls_per_s: float, handling_s: float, patience_s: float) -> list[float]:
    """Return the chance of each number in the system, as far up as it matters.

    Built from the likeliest number outwards, so that nothing overflows.
    """
    load = calls_per_s * handling_s

    def leaving(count: int) -> float:
        return min(count, agents) / handling_s + max(count - agents, 0) / patience_s

    peak = int(min(load, agents) + max(calls_per_s - agents / handling_s, 0.0) * patience_s)
    down = [1.0]
    for count in range(peak, 0, -1):
        down.append(down[-1] * leaving(count) / calls_per_s)
    chances = down[::-1]
    while len(chances) <= agents or chances[-1] > _NEGLIGIBLE:
        if len(chances) > _STATES_MAX:
            break
        chances.append(chances[-1] * calls_per_s / leaving(len(chances)))
    total = sum(chances)
    return [each / total for each in chances]


def _answered_within(most: int, served_at: float, gives_up_at: float, within_s: float) -> list[float]:
    """Return the chance of being answered within the time, for one who finds 0, 1, … `most - 1` waiting.

    The newcomer's own chain, in steps by uniformisation: with q ahead the line loses one at `served_at` + q times
    `gives_up_at`, the newcomer gives up at `gives_up_at`; with none ahead the next to be served is the newcomer. The
    chances for all q are carried on together: after k steps of the clock they are known for k steps.
    """
    if within_s <= 0 or most <= 0:
        return [0.0] * max(most, 0)
    top = served_at + most * gives_up_at
    expected = top * within_s
    chance = [0.0] * most
    answered = [0.0] * most
    # Poisson weights of the number of steps in the time, by their logarithm's exponential from the mode outwards.
    weights, first = _poisson(expected)
    for step in range(first + len(weights)):
        if step >= first:
            weight = weights[step - first]
            for ahead in range(most):
                answered[ahead] += weight * chance[ahead]
        before = 1.0
        after = []
        for ahead in range(most):
            one_less = served_at + ahead * gives_up_at
            stays = top - one_less - gives_up_at
            after.append((one_less * before + stays * chance[ahead]) / top)
            before = chance[ahead]
        chance = after
    return answered


def _poisson(mean: float) -> tuple[list[float], int]:
    """Return the Poisson weights that matter and the number that the first of them belongs to; they sum to 1."""
    mode = int(mean)
    upward, count = [1.0], mode
    while upward[-1] > _NEGLIGIBLE:
        count += 1
        upward.append(upward[-1] * mean / count)
    downward, count = [], mode
    value = 1.0
    while count > 0 and value > _NEGLIGIBLE:
        value *= count / mean
        count -= 1
        downward.append(value)
    weights = [*reversed(downward), *upward]
    total = sum(weights)
    return [weight / total for weight in weights], count


def agents_needed(
    *,
    calls_per_s: float,
    handling_s: float,
    within_s: float,
    target: float,
    patience_s: float | None = None,
    occupancy_max: float = 1.0,
) -> Forecast:
    """Return the least number of agents who reach the service level `target` (0 to below 1), and what to expect.

    With `patience_s` by Erlang A, else by Erlang C. `occupancy_max` asks for agents until nobody is busier than that.
    Raises `ValueError` for values that make no sense, or when more than `AGENTS_MAX` would be needed.
    """
    if calls_per_s < 0 or handling_s <= 0 or within_s < 0 or not 0 <= target < 1 or not 0 < occupancy_max <= 1:
        raise ValueError(
            "staffing: calls 0 or more, handling above 0, target from 0 to below 1, occupancy above 0 to 1"
        )
    if patience_s is not None and patience_s <= 0:
        raise ValueError("staffing: patience must be above 0; leave it out when it is not known")

    def of(agents: int) -> Forecast:
        if patience_s is None:
            return forecast_c(agents, calls_per_s, handling_s, within_s)
        return forecast_a(agents, calls_per_s, handling_s, patience_s, within_s)

    def enough(forecast: Forecast) -> bool:
        return forecast.service_level >= target and forecast.occupancy <= occupancy_max

    low, high = 0, max(1, int(calls_per_s * handling_s) + 1)
    while not enough(of(high)):  # both grow better with each agent, so halving finds the least
        low, high = high, high * 2
        if high > 2 * AGENTS_MAX:
            raise ValueError(f"staffing: more than {AGENTS_MAX} agents would be needed; look at the figures given")
    if enough(of(low)):
        return of(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(of(middle)) else (middle, high)
    return of(high)


def staffing(
    history: Iterable[Interval],
    *,
    within_s: float,
    target: float,
    growth: float = 1.0,
    occupancy_max: float = 1.0,
) -> list[Staffing]:
    """Return what each recorded interval would need if it came again, `growth` times as busy.

    Handling time and patience are those of the whole history, so that a quiet interval does not lean on three calls;
    patience as waiting / abandoned, which counts the waiting of those who were answered as well. Agents are those at
    work: plan more, for pauses and training. Empty when nothing was ever answered.
    """
    rows = sorted(history, key=lambda row: row.start)
    answered = sum(row.answered for row in rows)
    if not answered:
        return []
    handling = sum(row.handling_s for row in rows) / answered
    abandoned = sum(row.abandoned for row in rows)
    waited = sum(row.waited_s for row in rows)
    patience = waited / abandoned if abandoned and waited > 0 else None
    return [
        Staffing(
            start=row.start,
            calls=row.offered * growth,
            handling_s=handling,
            patience_s=patience,
            forecast=agents_needed(
                calls_per_s=row.offered * growth / row.seconds,
                handling_s=handling,
                within_s=within_s,
                target=target,
                patience_s=patience,
                occupancy_max=occupancy_max,
            ),
        )
        for row in rows
    ]
