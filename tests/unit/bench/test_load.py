"""What counts as a run without failure, and how the highest rate is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import Crowd, Load
from tests.rig.sipp import Sipp


def a_load(tmp_path: Path) -> Load:
    return Load(Sipp(("sipp",)), 5060, tmp_path, shortest_ms=500)


def statistics(folder: Path, seconds: list[int], succeeded: int, length: str) -> None:
    """Write SIPp's file: how many calls it had begun after each second."""
    lines = ["CurrentTime;TotalCallCreated;SuccessfulCall(C);CallLength(C)"]
    lines += ["2026-11-23\t13:14:13.300000\t1795439653.300000;0;0;00:00:00:000000"]
    for second, begun in enumerate(seconds, 1):
        lines.append(f"2026-11-23\t13:14:13.301000\t{1795439653 + second}.301000;{begun};{succeeded};{length}")
    (folder / "statistics.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("seconds", "succeeded", "length", "code", "why"),
    [
        ([49, 99, 100], 100, "00:00:00:600000", 0, ""),
        ([49, 99, 100], 99, "00:00:00:600000", 1, "1 of 100 calls failed"),
        ([30, 61, 90, 100], 100, "00:00:00:600000", 0, "30 of 50 calls a second were reached"),
        ([50, 100], 100, "00:00:00:100000", 0, "calls lasted 100 ms: the prompts were not played"),
    ],
)
def test_a_run_is_judged(tmp_path: Path, seconds: list[int], succeeded: int, length: str, code: int, why: str):
    statistics(tmp_path, seconds, succeeded, length)
    crowd = a_load(tmp_path)._judge(tmp_path, 50, 100, code)
    assert (crowd.why, crowd.ok) == (why, not why)


def test_a_run_without_statistics_failed(tmp_path: Path):
    assert a_load(tmp_path)._judge(tmp_path, 50, 100, 255).why == "100 of 100 calls failed"


@pytest.mark.parametrize(("limit", "start"), [(97, 50), (30, 50), (400, 20), (55, 110)])
async def test_the_highest_rate_is_found_to_a_tenth(tmp_path: Path, monkeypatch, limit: int, start: int):
    tried: list[int] = []

    async def run(self: Load, number: str, rate: int, duration_s: float) -> Crowd:
        tried.append(rate)
        return Crowd(rate, rate, 1, 1, 600, "" if rate <= limit else "too much")

    async def settle() -> None:
        pass

    monkeypatch.setattr(Load, "run", run)
    found, why = await a_load(tmp_path).highest_rate("1", 1, settle, start)
    assert limit / 1.1 <= found <= limit
    assert why == "too much"
    assert len(tried) <= 9


async def test_nothing_works(tmp_path: Path, monkeypatch):
    async def run(self: Load, number: str, rate: int, duration_s: float) -> Crowd:
        return Crowd(rate, 0, 0, 0, 0, "broken")

    async def settle() -> None:
        pass

    monkeypatch.setattr(Load, "run", run)
    assert await a_load(tmp_path).highest_rate("1", 1, settle) == (0, "broken")
