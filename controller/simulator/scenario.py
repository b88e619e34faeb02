"""Scenarios, `<flow>.test.yaml`: what a caller does, what the other systems answer, and what is to come of it.

::

    - name: a customer is recognised
      flow: accueil                 # else the flow the file is named after; `to:` takes the flow of a number
      at: 2026-11-24T12:45          # in the centre's time zone
      from: "+33612345678"
      language: fr
      do: [{press: 1}, {press: "123456#"}, {wait: 3s}, {hangup}]
      http: {crm: {status: 200, body: {vip: true}}}      # one answer, or a list of them, per step
      dial: {201: {outcome: talked, talk: 2m}}           # per extension; the outcome alone will do
      queues: {support: {after: 40s, talk: 2m}}          # per queue; the outcome alone will do
      agent: {pause: not_logged_in}                      # why an agent's wish is refused; else it is done
      callback: {open: {queue: support, when: asap}}     # call-backs as the call finds them
      mailbox: [{queue: support, caller: "+33612345678"}]  # the messages that an agent finds
      expect: {visits: [menu, crm], ends: fin, vars: {vip: true}, says: ["Bonjour"]}

`press` comes when the flow listens, half a second after its prompt; after a `wait` it comes at that very moment,
whatever is being played. Values under `body` and `vars` are JSON where they are JSON (`true`, `12`, `null`), else
text; `body: '{"id": "12"}'`, the whole as one text, leaves nothing open.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from controller.flow.commands import AgentActKind, MessageActKind
from controller.flow.findings import Finding, Findings, Mark, clipped, did_you_mean
from controller.flow.kinds import ListOf, MapOf, Nested, Pattern, Text, Word
from controller.flow.prompts import LANGUAGES
from controller.flow.reading import Context, fields_of, read_fields
from controller.flow.release import Release
from controller.flow.trace import Disposition
from controller.flow.yamltext import ListNode, MapNode, Node, read_yaml
from controller.simulator.callbackkinds import CallbackSpec, WishKind, WishSpec
from controller.simulator.caller import Act
from controller.simulator.kinds import (
    Acts,
    DialKind,
    HttpAnswer,
    Json,
    MessageSpec,
    Moment,
    OneOrMore,
    QueueAnswerKind,
)
from controller.simulator.telephone import DialAnswer
from controller.simulator.waiting import QueueAnswer

DEFAULT_AT = "2026-11-24T10:00"
"""A Tuesday morning: when a scenario that does not say takes place."""
DEFAULT_CALLER = "+33612345678"
MAX_SCENARIOS = 500
SUFFIX = ".test.yaml"
REFUSABLE = (*AgentActKind, "messages")
ACTS = (*REFUSABLE, "listen", *MessageActKind)
"""What an agent asks for, as scenarios name it."""

_STEP = r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63})?"


class Expect(msgspec.Struct, frozen=True):
    """What is to come of a scenario; what is not named may be as it likes.

    `visits`: these steps in this order, others may come between. `path`: exactly these steps. `never`: none of
    these. `ends`: the last step. `says`: these texts (or parts of them) are heard, in this order. `http`: exactly
    these requests, each as the step's name or as a part of `GET https://…`. `dials`: exactly these extensions.
    `queues`: exactly these queues are entered, `messages`: left a message for, `acts`: what an agent asks for.
    `callback`: what the caller asked for last: `{queue, when, slot, number}`, `cancelled`, `never`, or `none`.
    """

    visits: Annotated[tuple[str, ...] | None, ListOf(Pattern(_STEP, "the name of a step"))] = None
    path: Annotated[tuple[str, ...] | None, ListOf(Pattern(_STEP, "the name of a step"), 1, 2000)] = None
    never: Annotated[tuple[str, ...], ListOf(Pattern(_STEP, "the name of a step"))] = ()
    ends: Annotated[str | None, Pattern(_STEP, "the name of a step")] = None
    disposition: Annotated[str | None, Word(*Disposition)] = None
    by: Annotated[str | None, Word("caller", "flow", "system")] = None
    language: Annotated[str | None, Word(*LANGUAGES)] = None
    says: Annotated[tuple[str, ...], ListOf(Text(1000))] = ()
    http: Annotated[tuple[str, ...] | None, ListOf(Text(1000), 0)] = None
    dials: Annotated[tuple[str, ...] | None, ListOf(Text(40), 0)] = None
    queues: Annotated[tuple[str, ...] | None, ListOf(Text(64), 0)] = None
    messages: Annotated[tuple[str, ...] | None, ListOf(Text(64), 0)] = None
    acts: Annotated[tuple[str, ...] | None, ListOf(Word(*ACTS), 0)] = None
    callback: Annotated[str | WishSpec | None, WishKind()] = None
    vars: Annotated[dict[str, Any], MapOf(Json())] = {}


class ScenarioSpec(msgspec.Struct, frozen=True):
    """One scenario as it is written."""

    name: Annotated[str, Text()]
    do: Annotated[tuple[Act, ...], ListOf(Acts(), 0, 200)] = ()
    flow: Annotated[str, Pattern(r"[a-z][a-z0-9_]{0,63}", "the name of a flow")] = ""
    to: Annotated[str, Text(40)] = ""
    from_: Annotated[str, Text(40)] = DEFAULT_CALLER
    at: Annotated[datetime | None, Moment()] = None
    language: Annotated[str, Word(*LANGUAGES)] = ""
    http: Annotated[dict[str, tuple[HttpAnswer, ...]], MapOf(OneOrMore(Nested(HttpAnswer)), _STEP, "a step")] = {}
    dial: Annotated[
        dict[str, tuple[DialAnswer, ...]], MapOf(OneOrMore(DialKind()), r"[a-z0-9*#_-]{1,40}", "an extension")
    ] = {}
    queues: Annotated[dict[str, tuple[QueueAnswer, ...]], MapOf(OneOrMore(QueueAnswerKind()))] = {}
    agent: Annotated[dict[str, str], MapOf(Text(40), "|".join(REFUSABLE), "what an agent asks for")] = {}
    callback: Annotated[CallbackSpec | None, Nested(CallbackSpec)] = None
    mailbox: Annotated[tuple[MessageSpec, ...], ListOf(Nested(MessageSpec), 0, 100)] = ()
    expect: Annotated[Expect, Nested(Expect)] = Expect()


class Scenario(msgspec.Struct, frozen=True):
    """One scenario, ready to run: `flow`, `called`, `language` and the aware time `at` are settled."""

    spec: ScenarioSpec
    mark: Mark
    flow: str
    called: str
    language: str
    at: datetime

    @property
    def name(self) -> str:
        """What the operator calls it."""
        return self.spec.name


def read_scenarios(content: bytes, file: str, release: Release) -> tuple[tuple[Scenario, ...], tuple[Finding, ...]]:
    """Return the scenarios of one file that can be run on `release`, and everything that is wrong with the others."""
    findings = Findings()
    tree = read_yaml(content, file, findings)
    if tree is None:
        return (), findings.sorted()
    ctx = Context(findings)
    if not isinstance(tree, ListNode) or not 1 <= len(tree.items) <= MAX_SCENARIOS:
        message = f"a file of scenarios is a list of 1 to {MAX_SCENARIOS} of them"
        findings.error(tree.mark, "structure", message, "begin each with '- name:'")
        return (), findings.sorted()
    scenarios = []
    names: dict[str, Mark] = {}
    for node in tree.items:
        before = len(findings.sorted())
        values, good = read_fields(ScenarioSpec, node, ctx, ("scenario",))
        if not good or len(findings.sorted()) > before:
            continue
        spec = ScenarioSpec(**values)
        if spec.name in names:
            message = f"line {names[spec.name].line} has a scenario of this name already"
            findings.error(node.mark, "duplicate-name", message, "give each a name of its own")
        names.setdefault(spec.name, node.mark)
        scenario = _settled(spec, node, file, release, findings)
        if scenario is not None:
            _check_names(scenario, node, release, findings)
            scenarios.append(scenario)
    return tuple(scenarios), findings.sorted()


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of one scenario's fields, for editors."""
    return {field.key: field.kind.schema() for field in fields_of(ScenarioSpec)}


def _settled(spec: ScenarioSpec, node: Node, file: str, release: Release, findings: Findings) -> Scenario | None:
    """Find the flow, the language and the time of a scenario; add a finding and return None if there is none."""
    number = release.number(spec.to) if spec.to else None
    if spec.to and number is None:
        message = f"no flow answers '{clipped(spec.to, 40)}'"
        findings.error(_place(node, "to"), "number", message, did_you_mean(spec.to, release.numbers))
        return None
    named_after = file.rpartition("/")[2].removesuffix(SUFFIX)
    flow = spec.flow or (number.flow if number else named_after)
    if flow not in release.flows:
        hint = did_you_mean(flow, release.flows)
        findings.error(_place(node, "flow"), "flow", f"there is no flow '{clipped(flow, 64)}'", hint)
        return None
    language = spec.language or (number.language if number else "") or release.default_language
    zone = ZoneInfo(release.zone)
    at = (spec.at or datetime.fromisoformat(DEFAULT_AT)).replace(tzinfo=zone)
    return Scenario(spec, node.mark, flow, spec.to, language, at)


def _check_names(scenario: Scenario, node: Node, release: Release, findings: Findings) -> None:
    """Find steps, extensions and variables that a scenario names and no flow has."""
    expect = scenario.spec.expect
    steps = {step for flow in release.flows.values() for step in flow.steps}
    dotted = {f"{name}.{step}" for name, flow in release.flows.items() for step in flow.steps}
    place = _place(node, "expect")
    named = [*(expect.visits or ()), *(expect.path or ()), *expect.never, *((expect.ends,) if expect.ends else ())]
    _check_each(named, steps | dotted, "step", place, findings)
    asks = {
        each
        for name, flow in release.flows.items()
        for step, kind in flow.steps.items()
        if kind.type == "http"
        for each in (step, f"{name}.{step}")
    }
    _check_each(scenario.spec.http, asks, "http step", _place(node, "http"), findings)
    _check_each(scenario.spec.dial, release.extensions, "extension", _place(node, "dial"), findings)
    _check_each(expect.dials or (), release.extensions, "extension", place, findings)
    _check_each(scenario.spec.queues, release.queues, "queue", _place(node, "queues"), findings)
    left_for = [message.queue for message in scenario.spec.mailbox]
    _check_each(left_for, release.queues, "queue", _place(node, "mailbox"), findings)
    known = scenario.spec.callback
    if known is not None:
        opened = [known.open.queue] if known.open is not None else []
        _check_each(opened, release.queues, "queue", _place(node, "callback"), findings)
        if known.called and known.open is None:
            message = "a call that we make is made for a request"
            findings.error(_place(node, "callback"), "called", message, "add open: {queue: …}")
    if isinstance(expect.callback, WishSpec) and expect.callback.queue:
        _check_each([expect.callback.queue], release.queues, "queue", place, findings)
    _check_each((*(expect.queues or ()), *(expect.messages or ())), release.queues, "queue", place, findings)


def _check_each(names: Iterable[str], known: Iterable[str], what: str, place: Mark, findings: Findings) -> None:
    there = set(known)
    for name in names:
        if name not in there:
            message = f"there is no {what} '{clipped(name, 64)}'"
            findings.error(place, f"unknown-{what.rpartition(' ')[2]}", message, did_you_mean(name, there))


def _place(node: Node, key: str) -> Mark:
    if isinstance(node, MapNode) and key in node.entries:
        return node.entries[key][1].mark
    return node.mark
