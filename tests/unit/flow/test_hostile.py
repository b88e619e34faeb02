"""Whatever comes in, a load ends with findings and a run ends within its limits."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.errors import FlowError
from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Event,
    Failed,
    Hangup,
    HungUp,
    LookedUp,
    Lookup,
    LookupFailed,
    Play,
    Played,
)
from controller.flow.findings import Severity
from controller.flow.interpreter import CallFacts, FlowRun
from controller.flow.loader import check_sources, compile_release
from tests.unit.flow.centres import ACCUEIL, AT, RECORDINGS, release, sources

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RELEASE = release()
LIMITED = release(ACCUEIL.replace("start: salut", "start: salut\nlimits: {duration: 2h, steps: 60}"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
ANSWER = st.fixed_dictionaries({}, optional={"vip": JSON, "solde": JSON}) | JSON


def events(command: Command) -> st.SearchStrategy[Event]:
    """Everything a driver may report on `command`."""
    match command:
        case Answer():
            usual: st.SearchStrategy[Event] = st.just(Answered())
        case Play():
            usual = st.builds(Played, st.booleans())
        case Collect():
            keys = st.text("0123456789*#", max_size=12) | st.text("0123", min_size=1, max_size=1)
            usual = st.builds(Collected, keys, st.sampled_from(CollectEnd))
        case Lookup():
            usual = st.builds(LookedUp, st.integers(100, 599), ANSWER) | st.builds(LookupFailed, st.just("timeout"))
        case Dial():
            usual = st.builds(Dialled, st.sampled_from(DialOutcome), st.just(0), st.floats(0, 100))
        case _:
            raise AssertionError(command)
    return st.one_of(usual, usual, usual, usual, st.builds(Failed, st.just("x")), st.builds(HungUp, st.just(16)))


@QUICK
@given(st.data())
def test_any_caller_comes_to_an_end_and_a_reload_changes_nothing(data: st.DataObject) -> None:
    at = AT
    run = FlowRun.begin(RELEASE, "accueil", CallFacts("+33123456789", data.draw(st.text(max_size=20)), "x"), at)
    twin = FlowRun.begin(RELEASE, "accueil", run._state.call, at)
    command: Command | None = run.start(at)
    assert twin.start(at) == command
    for _ in range(2_000):
        if command is None or isinstance(command, Hangup):
            break
        event = data.draw(events(command))
        at += timedelta(seconds=data.draw(st.sampled_from([0.1, 1.0, 30.0])))
        command = run.feed(event, at)
        steps = run.take_steps()
        run = FlowRun.resume(RELEASE, run.state())
        assert twin.feed(event, at) == command
        assert twin.take_steps() == steps
        assert msgspec.json.decode(twin.state()) == msgspec.json.decode(run.state())
    assert run.finished
    assert run.ending == twin.ending


@QUICK
@given(st.data())
def test_any_call_comes_to_an_end_over_restarts_that_lose_its_secrets(data: st.DataObject) -> None:
    run = FlowRun.begin(RELEASE, "accueil", CallFacts(), AT)
    command: Command | None = run.start(AT)
    for _ in range(2_000):
        if command is None or isinstance(command, Hangup):
            break
        if data.draw(st.integers(0, 3)) == 0:
            run = FlowRun.resume(RELEASE, run.durable_state())
            command = run.pending
        if isinstance(command, Collect) and command.secret:
            command = run.feed(Collected("77777", CollectEnd.TERMINATED), AT)
        else:
            command = run.feed(data.draw(events(command)), AT)
        assert b"77777" not in run.durable_state()
        assert "77777" not in repr(run.take_steps())
        assert "77777" not in repr(run.take_faults())
    assert run.finished


@QUICK
@given(st.lists(st.text("0123456789*#", min_size=0, max_size=3), max_size=400))
def test_random_digits_always_end_within_the_limits(presses: list[str]) -> None:
    small = FlowRun.begin(LIMITED, "accueil", CallFacts(), AT)
    command: Command | None = small.start(AT)
    keys = iter(presses)
    for _ in range(1_000):
        match command:
            case None | Hangup():
                break
            case Collect():
                digits = next(keys, "2")
                end = CollectEnd.COMPLETE if digits else CollectEnd.NO_INPUT
                command = small.feed(Collected(digits, end), AT)
            case Dial():
                command = small.feed(Dialled(DialOutcome.NO_ANSWER), AT)
            case Lookup():
                command = small.feed(LookedUp(404), AT)
            case Answer():
                command = small.feed(Answered(), AT)
            case _:
                command = small.feed(Played(), AT)
    assert small.finished
    assert len(small.take_steps()) <= 61


LINES = ACCUEIL.splitlines()


@QUICK
@given(st.data())
def test_a_mangled_flow_is_findings_never_a_traceback(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.integers(0, 4)):
            case 0:
                del lines[place]
            case 1:
                lines.insert(place, data.draw(st.sampled_from(LINES)))
            case 2:
                lines[place] = lines[place][data.draw(st.integers(0, 6)) :]
            case 3:
                lines[place] = lines[place].replace(
                    ":", data.draw(st.sampled_from(["", "::", ": &a", ": *a", ": []"])), 1
                )
            case _:
                cut = data.draw(st.integers(0, len(lines[place])))
                lines[place] = lines[place][:cut] + data.draw(st.text(max_size=8)) + lines[place][cut:]
        lines = lines or [""]
    text = "\n".join(lines).encode("utf-8", "replace")
    files = {**sources(), "accueil.yaml": text}
    found = check_sources(files, RECORDINGS)
    assert all(str(finding).isprintable() and finding.line >= 1 and finding.column >= 1 for finding in found)
    if any(finding.severity is Severity.ERROR for finding in found):
        with pytest.raises(FlowError) as caught:
            compile_release(files, RECORDINGS)
        assert caught.value.findings == found
    else:
        assert compile_release(files, RECORDINGS).remarks == found


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes_are_findings(content: bytes) -> None:
    for name in ("centre.yaml", "accueil.yaml"):
        check_sources({**sources(), name: content}, RECORDINGS)


@pytest.mark.parametrize("size", [100, 499])
def test_a_flow_of_many_steps_is_checked_in_time(size: int) -> None:
    every = "{" + ", ".join(f"{i}: s{i % size}" for i in range(100, 400)) + "}"
    steps = "".join(
        f"  s{i}: {{type: menu, prompt: p, choices: {every}, no_input: {{then: s{(i + 1) % size}}}, "
        f"invalid: {{then: s{(i * 7) % size}}}}}\n"
        for i in range(min(size, 60))
    )
    text = f"flow: accueil\nstart: s0\nlanguages: [fr]\nprompts: {{p: {{fr: Un.}}}}\nsteps:\n{steps}"
    found = check_sources({**sources(), "accueil.yaml": text.encode()}, RECORDINGS)
    assert len(found) <= 501


def test_a_name_may_hold_a_template_and_a_terminal_code() -> None:
    run = FlowRun.begin(RELEASE, "accueil", CallFacts("\x1b[2J", "${jndi:x}", "'; DROP TABLE calls; --{{7*7}}"), AT)
    assert run.start(AT) == Answer()
    assert FlowRun.resume(RELEASE, run.state()).pending == Answer()


def test_half_a_character_from_outside_can_be_kept() -> None:
    run = FlowRun.begin(RELEASE, "accueil", CallFacts("\ud800", "\udfff" * 5_000, "\ud800x"), AT)
    run.start(AT)
    run.feed(Answered(), AT)
    run.feed(Failed("\ud800" * 5_000), AT)
    assert FlowRun.resume(RELEASE, run.state()).pending == run.pending
    assert len(run.state()) < 5_000
    assert [step.detail["fault"].isprintable() for step in run.take_steps()] == [True]
