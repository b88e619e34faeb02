"""Percentiles, medians, ratios and goals of the bench."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench import report
from bench.probe import Delays
from bench.rounds import Plan, Results, Turn


def a_turn(name: str, prompt_ms: float, highest: int | None = 100, cpu_ms: float = 1.0, failed: int = 0) -> Turn:
    delays = Delays([1.0, 2.0, 3.0], [prompt_ms] * 3, failed)
    return Turn(name, 0.5, delays, 100, 5.0, cpu_ms, 0.5, 80.0, 70.0, highest)


def results(**ours: float) -> Results:
    turns = {
        "native": [a_turn("native", 0.2, 400, 0.0)],
        "rappel-ari": [
            a_turn("rappel-ari", ours.get("prompt", 0.3), int(ours.get("rate", 300)), ours.get("cpu", 1.0))
        ],
        "asyncari": [a_turn("asyncari", 4.0, 100, 10.0)],
    }
    return Results(turns, {"ari-client": "node and npm are not on this machine"})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_seen(share: float, expected: int):
    assert report.percentile(range(1, 101), share) == expected


def test_no_value_has_no_percentile():
    assert math.isnan(report.percentile([], 0.5))


def test_figures_are_medians_of_rounds_and_percentiles_of_all_calls():
    turns = [a_turn("x", 1.0, 100, 1.0), a_turn("x", 2.0, 300, 5.0, failed=2), a_turn("x", 9.0, None, 2.0)]
    found = report.figures(turns)
    assert (found.controller_cpu_ms, found.highest, found.prompt_p50_ms) == (2.0, 200, 2.0)
    assert (found.probes, found.failed_probes) == (11, 2)


def test_the_table_has_a_row_each_and_the_reason_for_what_is_missing():
    text = report.table(results())
    assert "| Rappel on ARI | 300 | 0.75 | 0.30 / 0.30 | 1.50 |" in text
    assert "Node's ari-client: not measured. node and npm are not on this machine" in text


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        ({}, []),
        ({"prompt": 0.5}, ["digit to prompt p50"]),
        ({"prompt": 5.0}, ["digit to prompt p50", "digit to prompt below"]),
        ({"cpu": 1.5}, ["controller"]),
        ({"rate": 270}, ["calls a second"]),
    ],
)
def test_goals(ours: dict[str, float], missed: list[str]):
    lines = [line for line in report.goals(results(**ours)) if line.startswith("MISSED")]
    assert len(lines) == len(missed)
    assert all(line.startswith(f"MISSED  {start}") for line, start in zip(lines, missed, strict=True))


def test_the_controller_is_held_to_its_goal_at_a_high_rate_as_well():
    found = results(cpu=2.0)
    found.turns["rappel-ari"][0].busy_cpu_ms = 1.25
    assert "| 2.00 / 1.25 |" in report.table(found)
    lines = report.goals(found)
    assert [line[:7] for line in lines if "controller" in line] == ["MISSED ", "met    "]


def test_no_goals_without_the_native_dialplan():
    found = results()
    del found.turns["native"]
    assert report.goals(found) == []
    assert "| Rappel on ARI | 300 |  | 0.30" in report.table(found)


def test_everything_is_written_down(tmp_path: Path):
    path = report.write(tmp_path / "results", Plan(), results(), load=0.3)
    content = json.loads(path.read_text())
    assert content["figures"]["native"]["highest"] == 400
    assert content["load"] == 0.3
    assert content["turns"]["asyncari"][0]["delays"]["prompt_ms"] == [4.0] * 3
