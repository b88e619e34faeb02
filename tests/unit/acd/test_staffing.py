"""Erlang B, C and A against published figures, a simulated line, and each other."""

from __future__ import annotations

import heapq
import random
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.acd.staffing import Interval, agents_needed, erlang_b, erlang_c, forecast_a, forecast_c, staffing


@pytest.mark.parametrize(
    ("trunks", "load", "blocked"),
    # From the usual tables of Erlang B: the load that so many trunks carry at that blocking.
    [
        (1, 0.0101, 0.01),
        (5, 1.361, 0.01),
        (10, 4.461, 0.01),
        (20, 12.03, 0.01),
        (10, 6.216, 0.05),
        (100, 84.06, 0.01),
    ],
)
def test_erlang_b_table(trunks: int, load: float, blocked: float) -> None:
    assert erlang_b(trunks, load) == pytest.approx(blocked, rel=0.01)


def test_erlang_c_worked_example() -> None:
    """100 calls in half an hour of 180 s each and 14 agents: the example that trainers of planners use."""
    forecast = forecast_c(14, 100 / 1800, 180.0, 20.0)
    assert forecast.load_erlangs == pytest.approx(10.0)
    assert erlang_c(14, 10.0) == pytest.approx(0.174, abs=0.0005)
    assert forecast.service_level == pytest.approx(0.888, abs=0.0005)
    assert forecast.mean_wait_s == pytest.approx(7.8, abs=0.05)
    assert forecast.occupancy == pytest.approx(0.714, abs=0.0005)


def test_erlang_a_published_comparison() -> None:
    """48 calls a minute of one minute each, 50 agents, mean patience 2 minutes: Gans, Koole and Mandelbaum (2003)."""
    without = forecast_c(50, 48 / 60, 60.0, 20.0)
    assert without.mean_wait_s == pytest.approx(20.8, abs=0.1)
    assert without.occupancy == pytest.approx(0.96, abs=0.005)
    patient = forecast_a(50, 48 / 60, 60.0, 120.0, 20.0)
    assert patient.abandoned == pytest.approx(0.031, abs=0.0005)
    assert patient.mean_wait_s == pytest.approx(3.7, abs=0.1)
    assert patient.occupancy == pytest.approx(0.93, abs=0.005)


def test_erlang_a_without_impatience_is_erlang_c() -> None:
    plain, patient = forecast_c(14, 100 / 1800, 180.0, 20.0), forecast_a(14, 100 / 1800, 180.0, 1e9, 20.0)
    assert patient.service_level == pytest.approx(plain.service_level, abs=1e-5)
    assert patient.mean_wait_s == pytest.approx(plain.mean_wait_s, rel=1e-4)


@pytest.mark.parametrize(("agents", "patience"), [(8, 90.0), (10, 240.0), (13, 60.0), (1, 30.0)])
def test_erlang_a_is_what_happens(agents: int, patience: float) -> None:
    """A simulated line of 60,000 calls agrees within the chance of so many calls."""
    dice = random.Random(agents)
    free, now, waits, within, lost, offered = [0.0] * agents, 0.0, 0.0, 0, 0, 60_000
    for _ in range(offered):  # served in the order of arrival: who gives up before their turn takes no agent
        now += dice.expovariate(100 / 1800)
        turn, gives_up = max(free[0], now), now + dice.expovariate(1 / patience)
        if gives_up < turn:
            lost += 1
            waits += gives_up - now
        else:
            waits += turn - now
            within += turn - now <= 20.0
            heapq.heapreplace(free, turn + dice.expovariate(1 / 180))
    forecast = forecast_a(agents, 100 / 1800, 180.0, patience, 20.0)
    assert forecast.service_level == pytest.approx(within / offered, abs=0.015)
    assert forecast.abandoned == pytest.approx(lost / offered, abs=0.015)
    assert forecast.mean_wait_s == pytest.approx(waits / offered, rel=0.06)


@given(
    calls=st.floats(0.001, 1.0),
    handling=st.floats(20.0, 600.0),
    target=st.floats(0.1, 0.98),
    patience=st.none() | st.floats(10.0, 600.0),
    occupancy=st.sampled_from((1.0, 0.85)),
)
def test_the_least_number(
    calls: float, handling: float, target: float, patience: float | None, occupancy: float
) -> None:
    needed = agents_needed(
        calls_per_s=calls,
        handling_s=handling,
        within_s=20.0,
        target=target,
        patience_s=patience,
        occupancy_max=occupancy,
    )
    assert needed.service_level >= target
    assert needed.occupancy <= occupancy
    assert 0 <= needed.abandoned <= 1
    fewer = needed.agents - 1
    less = (
        forecast_c(fewer, calls, handling, 20.0)
        if patience is None
        else forecast_a(fewer, calls, handling, patience, 20.0)
    )
    assert less.service_level < target or less.occupancy > occupancy


def test_nobody_calls_and_too_many_call() -> None:
    assert agents_needed(calls_per_s=0.0, handling_s=60.0, within_s=20.0, target=0.8).agents == 0
    assert forecast_c(9, 10 / 60, 60.0, 20.0).mean_wait_s == inf
    assert forecast_a(0, 1.0, 60.0, 30.0, 20.0).abandoned == pytest.approx(1.0)
    with pytest.raises(ValueError, match="more than 5000 agents"):
        agents_needed(calls_per_s=1000.0, handling_s=600.0, within_s=20.0, target=0.8)
    with pytest.raises(ValueError, match="target"):
        agents_needed(calls_per_s=1.0, handling_s=60.0, within_s=20.0, target=1.0)
    with pytest.raises(ValueError, match="patience"):
        agents_needed(calls_per_s=1.0, handling_s=60.0, within_s=20.0, target=0.8, patience_s=0.0)


def test_history_becomes_a_plan() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    rows = [
        Interval(
            start=start + timedelta(minutes=30 * number),
            seconds=1800.0,
            offered=offered,
            answered=offered - lost,
            handling_s=180.0 * (offered - lost),
            abandoned=lost,
            waited_s=120.0 * lost,
        )
        for number, (offered, lost) in enumerate(((100, 5), (20, 0), (0, 0)))
    ]
    plan = staffing(reversed(rows), within_s=20.0, target=0.8)
    assert [each.start for each in plan] == [row.start for row in rows]
    assert plan[0].handling_s == pytest.approx(180.0)
    assert plan[0].patience_s == pytest.approx(120.0)
    assert [each.forecast.agents for each in plan] == [12, 4, 0]
    busier = staffing(rows, within_s=20.0, target=0.8, growth=2.0)
    assert busier[0].forecast.agents > plan[0].forecast.agents
    assert staffing([rows[2]], within_s=20.0, target=0.8) == []
