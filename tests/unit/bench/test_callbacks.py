"""What the times of many claims come to."""

from __future__ import annotations

from bench.callbacks import Plan, table, turn_of


def test_percentiles_and_rate():
    turn = turn_of("claim", 2.0, [number / 1000 for number in range(1, 101)], 50.0)
    assert (turn.a_second, turn.p50_ms, turn.p99_ms, turn.worst_ms, turn.cpu_ms) == (50, 51, 100, 100, 0.5)
    assert table(Plan(open=7), [turn]).splitlines()[0] == "7 open requests in 20 queues"
    assert table(Plan(), [turn]).endswith("| claim | 50 | 51.00 / 100.00 / 100.00 | 0.50 |")
