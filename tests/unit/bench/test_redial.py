"""What the delays from one customer to the next come to."""

from __future__ import annotations

from bench.redial import Plan, delays_of, table


def test_from_each_end_to_the_next_invite():
    served = [("+331", 10.0), ("+332", 20.0), ("+333", 30.0)]
    assert delays_of(served, {"+331": 1.0, "+332": 10.5, "+333": 20.25}) == [0.5, 0.25]
    assert delays_of(served, {"+333": 20.25}) == [0.25]
    assert delays_of(served[:1], {"+331": 1.0}) == []


def test_one_in_fifty_too_late_misses_the_goal():
    assert table(Plan(), [10.0] * 100).endswith("p50 10.0, p99 10.0, worst 10.0 ms (goal p99 150: met)")
    assert table(Plan(), [10.0] * 98 + [200.0] * 2).endswith("worst 200.0 ms (goal p99 150: MISSED)")
    assert "nobody was called" in table(Plan(), [])
