"""What the delays of many connections come to."""

from __future__ import annotations

from bench.connect import Turn, table, verdict


def turn(contender: str, delays_ms: list[float]) -> Turn:
    return Turn(contender, True, 0.5, delays_ms, 500, 0.5, 0.75, 0.01, 0.1)


def test_the_delays_of_all_rounds_count_together():
    turns = [turn("Rappel", [10.0] * 60), turn("app_queue", [500.0] * 100), turn("Rappel", [20.0] * 40)]
    assert "| Rappel | 100 | 10.0 / 20.0 / 20.0 | 0.50 / 0.75 | 0.010 / 0.100 |" in table(turns)
    assert verdict(turns) == "met     p99 20.0 ms (goal 100); median 0.020 of app_queue's"


def test_one_in_fifty_too_late_misses_the_goal():
    turns = [turn("Rappel", [10.0] * 98 + [101.0] * 2), turn("app_queue", [500.0])]
    assert verdict(turns).startswith("MISSED  p99 101.0 ms")
