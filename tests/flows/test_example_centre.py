"""Every scenario of the example centre against its golden trace; the run is saved and read back at every wait.

After a change that is meant: `RAPPEL_WRITE_TRACES=1 pytest tests/flows`, then read the difference.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from controller.calls.releases import read_recordings, read_sources
from controller.flow.findings import Severity
from controller.flow.interpreter import FlowRun
from controller.flow.loader import check_sources, compile_release
from controller.flow.release import Release
from controller.simulator.scenario import SUFFIX, Scenario, read_scenarios
from controller.simulator.scenariorun import run_scenario
from controller.simulator.simulation import trace_lines
from controller.simulator.suite import run_fuzz, run_suite

CENTRE = Path(__file__).parents[2] / "ivr_flows"
TRACES = Path(__file__).parent / "traces"
FILES = {path.name: path.read_bytes() for path in sorted(CENTRE.glob(f"*{SUFFIX}"))}


@cache
def release() -> Release:
    return compile_release(read_sources(CENTRE), read_recordings(CENTRE))


def scenarios() -> list[tuple[str, Scenario]]:
    found = []
    for name, content in FILES.items():
        readable, findings = read_scenarios(content, name, release())
        assert not findings
        found += [(name.removesuffix(SUFFIX), scenario) for scenario in readable]
    return found


def test_the_example_centre_has_nothing_to_warn_of() -> None:
    found = check_sources(read_sources(CENTRE), read_recordings(CENTRE))
    assert [str(finding) for finding in found if finding.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_scenarios_pass_and_leave_their_golden_traces(name: str) -> None:
    lines: list[str] = []
    problems: list[str] = []
    flow = name.removesuffix(SUFFIX)
    for of, scenario in scenarios():
        if of == flow:
            result = run_scenario(release(), scenario)
            problems += [f"{scenario.name}: {problem}" for problem in result.problems]
            lines += [f"# {scenario.name}", *trace_lines(result.call), ""]
    assert problems == []
    golden = TRACES / f"{flow}.txt"
    text = "\n".join(lines)
    if os.environ.get("RAPPEL_WRITE_TRACES"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


def test_there_is_a_scenario_beside_every_flow_and_no_stray_trace() -> None:
    flows = {name.removesuffix(SUFFIX) for name in FILES}
    assert flows == set(release().flows)
    assert {path.stem for path in TRACES.glob("*.txt")} == flows


def test_the_scenarios_come_to_every_step() -> None:
    suite = run_suite(release(), FILES)
    assert {each.flow: each.missing_steps for each in suite.coverage if each.missing_steps} == {}


def test_callers_at_random_always_come_to_an_end() -> None:
    assert [(each.seed, each.problems) for each in run_fuzz(release(), calls=25) if each.problems] == []


def test_every_wait_of_every_scenario_survives_a_restart_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written down must be readable at every wait, and hold nothing that was entered as a secret."""
    secrets: list[str] = []
    written: list[bytes] = []
    save, feed = FlowRun.save, FlowRun.feed

    def watched_save(self: FlowRun, name: str, value: object, *, secret: bool = False) -> None:
        if secret and isinstance(value, str):
            secrets.append(value)
        save(self, name, value, secret=secret)

    def watched_feed(self: FlowRun, event: object, at: object) -> object:
        state = self.durable_state()
        written.append(state)
        assert FlowRun.resume(self.release, state).pending is not None
        return feed(self, event, at)  # type: ignore[arg-type]

    monkeypatch.setattr(FlowRun, "save", watched_save)
    monkeypatch.setattr(FlowRun, "feed", watched_feed)
    for _, scenario in scenarios():
        secrets.clear()
        written.clear()
        run_scenario(release(), scenario)
        for state in written:
            assert not [value for value in secrets if f'"{value}"'.encode() in state]
