"""What counts as flat."""

from __future__ import annotations

from typing import Any

import pytest

from bench.soak import Sample, Soak, _metrics

FLAT: dict[str, Any] = {
    "controller_mib": 80.0,
    "asterisk_mib": 70.0,
    "files": 20,
    "asterisk_files": 60,
    "threads": 4,
    "asterisk_threads": 90,
    "channels": 0,
    "bridges": 0,
    "metrics": {"rappel_tasks": 12.0},
}


def a_soak(count: int = 6, **last: Any) -> Soak:
    samples = [Sample(calls=number, **FLAT) for number in range(1, count)]
    return Soak(60, samples=[*samples, Sample(calls=count, **(FLAT | last))])


def test_flat_is_flat():
    assert a_soak().problems() == []


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ({"files": 21}, "files"),
        ({"channels": 1}, "1 channels left"),
        ({"bridges": 2}, "2 bridges left"),
        ({"threads": 5}, "threads"),
        ({"metrics": {"rappel_tasks": 13.0}}, "rappel_tasks"),
    ],
)
def test_what_is_left_behind_is_told(last: dict[str, Any], word: str):
    (problem,) = a_soak(**last).problems()
    assert word in problem


def test_growing_memory_is_told():
    growing = [Sample(calls=n, **(FLAT | {"controller_mib": 80.0 + 3 * n})) for n in range(9)]
    (problem,) = Soak(60, samples=growing).problems()
    assert "memory of controller" in problem


def test_failed_calls_are_told():
    failed = a_soak()
    failed.failed = 3
    assert failed.problems() == ["3 calls failed"]


def test_too_short_to_compare():
    assert a_soak(1).problems() == ["too few calls to compare"]


def test_metrics_that_must_come_back():
    text = '# HELP rappel_tasks x\nrappel_tasks 12.0\nrappel_up{part="ami"} 1.0\nrappel_calls_running 0.0\n'
    assert _metrics(text) == {"rappel_tasks": 12.0, "rappel_calls_running": 0.0}
