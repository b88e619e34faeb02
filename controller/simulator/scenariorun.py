"""Runs a scenario and compares what happened with what was to happen."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from controller.flow.commands import AgentAct, Dial, Enqueue, LookedUp, Lookup, LookupFailed
from controller.flow.findings import clipped
from controller.flow.interpreter import CallFacts
from controller.flow.queuenow import QueueNow
from controller.flow.release import Release
from controller.simulator.callbackkinds import Given, differences
from controller.simulator.caller import ScriptedCaller
from controller.simulator.kinds import HttpAnswer
from controller.simulator.mailbox import LeftMessage, SimulatedMailbox
from controller.simulator.scenario import Scenario
from controller.simulator.simulation import CallResult, Simulation
from controller.simulator.telephone import DialAnswer
from controller.simulator.trace import shown
from controller.simulator.waiting import QueueAnswer
from controller.simulator.wording import Wording

Reply = TypeVar("Reply")


class ScenarioResult(msgspec.Struct, frozen=True):
    """One scenario's outcome: passed if there is no problem. `call` holds the trace."""

    scenario: Scenario
    call: CallResult
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.problems


class _Answers:
    """What the other systems of a scenario say; notes what it was asked and has no answer to."""

    def __init__(self, scenario: Scenario) -> None:
        self._http = dict(scenario.spec.http)
        self._dial = dict(scenario.spec.dial)
        self._queues = dict(scenario.spec.queues)
        self._agent = dict(scenario.spec.agent)
        self._given: dict[str, int] = {}
        self.problems: list[str] = []

    def http(self, flow: str, request: Lookup) -> tuple[LookedUp | LookupFailed, float]:
        """Answer one request of a flow."""
        for key in (f"{flow}.{request.step}", request.step):
            answer = self._next(key, self._http)
            if answer is not None:
                return _as_event(answer), (request.timeout_s if answer.fails == "timeout" else answer.takes_s)
        self.problems.append(
            f"step {request.step} asked its service, and the scenario has no answer:"
            f" add http: {{{request.step}: {{status: 200}}}}"
        )
        return LookupFailed("unreachable", "no answer in the scenario"), 0.0

    def dial(self, command: Dial) -> DialAnswer:
        """Answer one dial."""
        answer = self._next(command.extension, self._dial)
        if answer is None:
            extension = command.extension
            self.problems.append(
                f"extension {extension} was dialled, and the scenario does not say how it went:"
                f" add dial: {{{extension}: talked}}"
            )
            return DialAnswer()
        return answer

    def queue(self, command: Enqueue) -> QueueAnswer:
        """Answer one visit to the queues."""
        answer = self._next(command.queue, self._queues)
        if answer is None:
            name = command.queue
            self.problems.append(
                f"the queue {name} was entered, and the scenario does not say how it went:"
                f" add queues: {{{name}: {{after: 10s}}}}"
            )
            return QueueAnswer()
        return answer

    def agent(self, command: AgentAct) -> str:
        """Say why what an agent asks for is refused; "" when it is done."""
        word = self._agent.get(command.act, "")
        return "" if word == "done" else word

    def queues_now(self) -> dict[str, QueueNow]:
        """Return how each queue is as conditions read it."""
        return {name: self._upcoming(name, self._queues).now for name in self._queues}

    def _upcoming(self, key: str, answers: Mapping[str, tuple[Reply, ...]]) -> Reply:
        return answers[key][min(self._given.get(key, 0), len(answers[key]) - 1)]

    def _next(self, key: str, answers: Mapping[str, tuple[Reply, ...]]) -> Reply | None:
        """Return the next of the answers under `key`; the last one holds for all that follow."""
        if not answers.get(key):
            return None
        answer = self._upcoming(key, answers)
        self._given[key] = self._given.get(key, 0) + 1
        return answer


def run_scenario(release: Release, scenario: Scenario, wording: Wording | None = None) -> ScenarioResult:
    """Simulate the scenario's call and judge it."""
    spec = scenario.spec
    caller = ScriptedCaller(spec.do)
    answers = _Answers(scenario)
    given = Given(spec.callback, release, spec.from_)
    facts = CallFacts(called=scenario.called, caller=spec.from_, language=scenario.language, callback=given.called)
    mailbox = SimulatedMailbox(
        [LeftMessage(each.queue, each.caller, each.heard, each.ago_s, each.lasts_s) for each in spec.mailbox],
        spec.agent.get("messages", ""),
    )
    simulation = Simulation(
        release,
        scenario.flow,
        facts,
        scenario.at,
        caller,
        answers=answers.http,
        dials=answers.dial,
        queues=answers.queue,
        queues_now=answers.queues_now,
        agents=answers.agent,
        mailbox=mailbox,
        callbacks=given.callbacks,
        wording=wording,
    )
    call = simulation.run()
    problems = [*call.problems, *answers.problems, *_differences(scenario, call)]
    problems += differences(spec.expect.callback, call.wishes, release.zone)
    if caller.left:
        left = ", ".join(type(act).__name__.lower() for act in caller.left)
        problems.append(f"the call was over before the caller did all: left are {left}")
    return ScenarioResult(scenario, call, tuple(problems))


def _differences(scenario: Scenario, call: CallResult) -> list[str]:
    expect = scenario.spec.expect
    visits = call.visits
    problems: list[str] = []
    if expect.visits is not None:
        problems += _in_order(expect.visits, visits, scenario.flow)
    if expect.path is not None:
        problems += _diff("path", [_dotted(name, scenario.flow) for name in expect.path], visits)
    problems += [f"never: the call came to {name}" for name in expect.never if _dotted(name, scenario.flow) in visits]
    last = visits[-1] if visits else "nowhere"
    if expect.ends is not None and last != _dotted(expect.ends, scenario.flow):
        problems.append(f"ends: expected {expect.ends}, it was {last}")
    ending = call.ending
    if ending is not None:
        problems += _same("disposition", expect.disposition, ending.disposition.value)
        problems += _same("by", expect.by, ending.by.value)
    problems += _same("language", expect.language, call.language)
    problems += _heard(expect.says, call.said)
    if expect.http is not None:
        problems += _requests(expect.http, call.asked)
    if expect.dials is not None:
        problems += _diff("dials", expect.dials, call.dialled)
    for what, expected, found in (
        ("queues", expect.queues, call.queued),
        ("messages", expect.messages, call.messages),
        ("acts", expect.acts, call.acts),
    ):
        problems += _diff(what, expected, found) if expected is not None else []
    for name, value in expect.vars.items():
        if name not in call.variables:
            problems.append(f"vars: {name} was never given a value")
        else:
            problems += _same(f"vars: {name}", shown(value), shown(call.variables[name]))
    return problems


def _dotted(name: str, flow: str) -> str:
    return name if "." in name else f"{flow}.{name}"


def _same(what: str, expected: str | None, found: str) -> list[str]:
    return [] if expected is None or expected == found else [f"{what}: expected {expected}, it was {found}"]


def _diff(what: str, expected: Sequence[str], found: Sequence[str]) -> list[str]:
    """Return a difference of two lists, `-` expected and missing, `+` not expected; nothing if they are equal."""
    if list(expected) == list(found):
        return []
    lines = [line for line in difflib.ndiff(list(expected), list(found)) if not line.startswith("?")]
    return ["\n".join([f"{what}: (- expected, + what came)", *(f"    {line}" for line in lines)])]


def _in_order(expected: Sequence[str], visits: Sequence[str], flow: str) -> list[str]:
    """Check that the steps come in this order, whatever comes between."""
    left = iter(visits)
    for name in expected:
        if _dotted(name, flow) not in left:
            wanted = [_dotted(each, flow) for each in expected]
            return [f"visits: {name} did not come in its place", *_diff("visits", wanted, visits)]
    return []


def _heard(expected: Sequence[str], said: Sequence[str]) -> list[str]:
    """Check that the texts are heard in this order, each within one prompt."""
    left = iter(said)
    for text in expected:
        if not any(text in each for each in left):
            heard = [clipped(each, 100) for each in said]
            return [
                "\n".join([f"says: '{text}' was not heard in its place; heard was", *(f"    {h}" for h in heard)])
            ]
    return []


def _requests(expected: Sequence[str], asked: Sequence[tuple[str, str]]) -> list[str]:
    matches = len(expected) == len(asked) and all(
        want == step or want in request for want, (step, request) in zip(expected, asked, strict=True)
    )
    return [] if matches else _diff("http", expected, [step for step, _ in asked]) or [_requests_differ(asked)]


def _requests_differ(asked: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["http: other requests than expected:", *(f"    {request}" for _, request in asked)])


def _as_event(answer: HttpAnswer) -> LookedUp | LookupFailed:
    return LookupFailed(answer.fails) if answer.fails else LookedUp(answer.status, answer.body)
