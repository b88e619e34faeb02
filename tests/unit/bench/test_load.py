"""What counts as a run without failure, and how the highest rate is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import Crowd, Load
from tests.rig.sipp import Sipp


def a_load(tmp_path: Path) -> Load:
    return Load(Sipp(("sipp",)), 5060, tmp_path, shortest_ms=500)


def statistics(folder: Path, created: int, succeeded: int, length: str) -> None:
    head = "TotalCallCreated;SuccessfulCall(C);CallLength(C)"
    rows = [head, "1;0;00:00:00:000000", f"{created};{succeeded};{length}"]
    (folder / "statistics.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("succeeded", "length", "code", "elapsed_s", "why"),
    [
        (100, "00:00:00:600000", 0, 2.6, ""),
        (99, "00:00:00:600000", 1, 2.6, "1 of 100 calls failed"),
        (100, "00:00:00:600000", 0, 4.6, "25 of 50 calls a second were reached"),
        (100, "00:00:00:100000", 0, 2.1, "calls lasted 100 ms: the prompts were not played"),
    ],
)
def test_a_run_is_judged(tmp_path: Path, succeeded: int, length: str, code: int, elapsed_s: float, why: str):
    statistics(tmp_path, 100, succeeded, length)
    crowd = a_load(tmp_path)._judge(tmp_path, 50, 100, code, elapsed_s)
    assert (crowd.why, crowd.ok) == (why, not why)


def test_a_run_without_statistics_failed(tmp_path: Path):
    assert a_load(tmp_path)._judge(tmp_path, 50, 100, 255, 0.1).why == "100 of 100 calls failed"


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
