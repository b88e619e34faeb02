"""All scenarios of a centre, what of its flows they cover, and calls at random that must all end."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from controller.callback.model import RequestId, When
from controller.flow.commands import CallbackNote, DialOutcome, LookedUp, Lookup, LookupFailed, QueueExit
from controller.flow.findings import Finding
from controller.flow.interpreter import CallFacts
from controller.flow.queuenow import QueueNow
from controller.flow.release import Release
from controller.ports import AudioLibrary
from controller.simulator.callbacks import SimulatedCallbacks
from controller.simulator.caller import RandomCaller
from controller.simulator.kinds import FAILURES, QUEUE_EXITS
from controller.simulator.mailbox import LeftMessage, SimulatedMailbox
from controller.simulator.scenario import DEFAULT_AT, read_scenarios
from controller.simulator.scenariorun import ScenarioResult, run_scenario
from controller.simulator.simulation import CallResult, Simulation
from controller.simulator.telephone import DialAnswer
from controller.simulator.waiting import QueueAnswer
from controller.simulator.wording import Wording

LONGEST_RANDOM_S = 6 * 3600.0
"""A call at random that lasts longer than the longest conversation and all limits has not ended by itself."""


class Coverage(msgspec.Struct, frozen=True):
    """Which steps and exits of one flow were taken. Exits are `step: exit`."""

    flow: str
    steps: frozenset[str]
    steps_taken: frozenset[str]
    exits: frozenset[str]
    exits_taken: frozenset[str]

    @property
    def missing_steps(self) -> tuple[str, ...]:
        """The steps that no call came to."""
        return tuple(sorted(self.steps - self.steps_taken))

    @property
    def missing_exits(self) -> tuple[str, ...]:
        """The exits that no call took."""
        return tuple(sorted(self.exits - self.exits_taken))

    @property
    def percent(self) -> int:
        """How much of the steps was taken, rounded down."""
        return 100 * len(self.steps & self.steps_taken) // len(self.steps) if self.steps else 100


class SuiteResult(msgspec.Struct, frozen=True):
    """The scenarios of a centre: `findings` in their files, `results` of those that could be run."""

    results: tuple[ScenarioResult, ...]
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]

    @property
    def passed(self) -> bool:
        """Whether every scenario could be read, and came as expected."""
        return not self.findings and all(result.passed for result in self.results)


class RandomResult(msgspec.Struct, frozen=True):
    """One call at random; `seed` repeats it."""

    seed: int
    flow: str
    call: CallResult
    problems: tuple[str, ...]


def run_suite(release: Release, files: Mapping[str, bytes], audio: AudioLibrary | None = None) -> SuiteResult:
    """Run every scenario of `files` (name → content) on `release`."""
    wording = Wording(release, audio)
    results: list[ScenarioResult] = []
    findings: list[Finding] = []
    for name in sorted(files):
        scenarios, found = read_scenarios(files[name], name, release)
        findings += found
        results += (run_scenario(release, each, wording) for each in scenarios)
    return SuiteResult(tuple(results), tuple(findings), coverage(release, (each.call for each in results)))


def coverage(release: Release, calls: Iterable[CallResult]) -> tuple[Coverage, ...]:
    """Return what of each flow of the release `calls` have taken."""
    steps: dict[str, set[str]] = {name: set() for name in release.flows}
    exits: dict[str, set[str]] = {name: set() for name in release.flows}
    for call in calls:
        for record in call.steps:
            steps[record.flow].add(record.step)
            exits[record.flow].add(f"{record.step}: {record.exit}")
    return tuple(
        Coverage(
            name,
            frozenset(flow.steps),
            frozenset(steps[name]),
            frozenset(f"{edge.step}: {edge.exit}" for edge in flow.edges),
            frozenset(exits[name]),
        )
        for name, flow in sorted(release.flows.items())
    )


def run_random(release: Release, flow: str, seed: int, wording: Wording | None = None) -> RandomResult:
    """Simulate one call in which caller and services behave at random, from `seed`; it must end by itself."""
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated, not a secret
    at = datetime.fromisoformat(DEFAULT_AT).replace(tzinfo=ZoneInfo(release.zone))
    facts = CallFacts(
        called=next(iter(release.numbers), ""),
        caller=chance.choice(("", "+33612345678", "+442079460958", "not a number")),
        language=chance.choice(("", *release.flows[flow].languages)),
    )
    known, callbacks = _random_callbacks(chance, release, at)
    if known is not None and flow in _called_flows(release):
        facts = msgspec.structs.replace(facts, caller=known.number, callback=known)
    simulation = Simulation(
        release,
        flow,
        facts,
        at + timedelta(hours=chance.choice((0, chance.randrange(24 * 365)))),
        RandomCaller(chance.randrange(2**32)),
        answers=lambda name, request: _random_answer(chance, release, name, request),
        dials=lambda _command: _random_dial(chance),
        queues=lambda _command: _random_visit(chance),
        queues_now=lambda: {name: _random_queue(chance) for name in release.queues},
        agents=lambda _command: chance.choice(("", "unknown_agent", "in_a_call")),
        mailbox=_random_mailbox(chance, release),
        callbacks=callbacks,
        wording=wording,
    )
    call = simulation.run()
    problems = list(call.problems)
    if call.elapsed_s > LONGEST_RANDOM_S:
        problems.append(f"the call lasted {call.elapsed_s:.0f} s")
    if not call.trace or call.ending is None:
        problems.append("the call has no end")
    return RandomResult(seed, flow, call, tuple(problems))


def _random_mailbox(chance: random.Random, release: Release) -> SimulatedMailbox:
    queues = list(release.queues) or ["none"]
    messages = [
        LeftMessage(
            chance.choice(queues),
            chance.choice(("", "+33612345678", "2001", "alice")),
            chance.choice((True, False)),
            chance.uniform(0, 2_000_000),
            chance.uniform(1, 120),
        )
        for _ in range(chance.choice((0, 1, 3, 20)))
    ]
    return SimulatedMailbox(messages, chance.choice(("", "", "unknown_agent", "unavailable")))


def _called_flows(release: Release) -> set[str]:
    """Return the flows that customers hear whom we call."""
    return {plan.callback.flow for plan in release.queues.values() if plan.callback is not None}


def _random_callbacks(
    chance: random.Random, release: Release, at: datetime
) -> tuple[CallbackNote | None, SimulatedCallbacks]:
    """Return an open request or none, and a desk that refuses now and then."""
    queues = [name for name, plan in release.queues.items() if plan.callback is not None]
    known = None
    if queues and chance.random() < 0.4:  # noqa: PLR2004 - often enough to matter
        slot = chance.choice((None, at + timedelta(hours=chance.randrange(200))))
        known = CallbackNote(
            RequestId("f" * 32),
            chance.choice(queues),
            chance.choice(("+33612345678", "+442079460958", "+262692123456")),
            When.ASAP if slot is None else When.SLOT,
            slot_at=slot,
            slot_s=0.0 if slot is None else 1800.0,
        )
    slots = chance.choice((None, None, [], [at + timedelta(minutes=30 * n) for n in range(chance.randrange(1, 120))]))
    codes = ("", "", "", "slot_taken", "country", "unavailable", "too_late", "off")
    callbacks = SimulatedCallbacks(
        release,
        known=known,
        slots=slots,
        refusal=lambda: chance.choice(codes),
        away=chance.random() < 0.1,  # noqa: PLR2004 - often enough to matter
        estimate_s=chance.choice((None, 0.0, 300.0, 4000.0)),
    )
    return known, callbacks


def run_fuzz(release: Release, *, seed: int = 1, calls: int = 200) -> tuple[RandomResult, ...]:
    """Simulate `calls` calls at random into each flow that begins a call, else into every flow.

    The same seed gives the same calls. What went wrong stands in the results' `problems`.
    """
    wording = Wording(release)
    entered = _called_flows(release) | {number.flow for number in release.numbers.values()} & release.flows.keys()
    entered = entered or set(release.flows)
    return tuple(
        run_random(release, flow, seed * 1_000_003 + number, wording)
        for flow in sorted(entered)
        for number in range(calls)
    )


_VALUES: tuple[Any, ...] = (None, True, False, 0, -1, 12, 12.5, 2**70, "", "yes", "12", "é", [], [1], {}, {"a": None})
_BODY_KEY = re.compile(r"\bbody\.([A-Za-z_]\w*)")


def _random_answer(
    chance: random.Random, release: Release, flow: str, request: Lookup
) -> tuple[LookedUp | LookupFailed, float]:
    """Return a failure, anything, or an object with the keys that the step reads."""
    takes_s = chance.choice((0.01, 0.2, 2.0, request.timeout_s * 2))
    if chance.random() < 0.2:  # noqa: PLR2004 - often enough to matter
        return LookupFailed(chance.choice(FAILURES)), takes_s
    status = chance.choice((200, 200, 200, 201, 204, 301, 400, 401, 404, 500, 503))
    if chance.random() < 0.2:  # noqa: PLR2004 - often enough to matter
        return LookedUp(status, chance.choice(_VALUES)), takes_s
    sources = [each.source for each in getattr(release.flows[flow].steps[request.step], "save", {}).values()]
    body = {key: chance.choice(_VALUES) for source in sources for key in _BODY_KEY.findall(source)}
    return LookedUp(status, body), takes_s


def _random_dial(chance: random.Random) -> DialAnswer:
    return DialAnswer(
        chance.choice(tuple(DialOutcome)), chance.choice((0.0, 3.0, 40.0)), chance.choice((0.0, 1.0, 900.0))
    )


def _random_visit(chance: random.Random) -> QueueAnswer:
    return QueueAnswer(
        QueueExit(chance.choice(QUEUE_EXITS)), chance.choice((0.0, 5.0, 90.0, 2000.0)), chance.choice((0.0, 900.0))
    )


def _random_queue(chance: random.Random) -> QueueNow:
    return QueueNow(
        chance.choice((0, 1, 12, 400)),
        chance.choice((0, 0, 1, 9)),
        chance.choice((None, 0.0, 75.0, 4000.0)),
        chance.choice((True, False)),
    )
