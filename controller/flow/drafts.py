"""Flows and the centre as they were read: everything the checks look at, whole or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from controller.flow.centre import LATER_KEYS, CentreFile
from controller.flow.findings import Findings, Mark, clipped, did_you_mean
from controller.flow.kinds import ListOf, Name, Nested, Text, Word, valid_name
from controller.flow.prompts import LANGUAGES, Prompt, PromptTable
from controller.flow.reading import BAD, Bad, Context, Expr, Kind, read_fields, read_struct, schema_of
from controller.flow.refkinds import Assignments, Exit, Variable
from controller.flow.release import Edge, Limits
from controller.flow.steps import LATER_TYPES, STEP_TYPES
from controller.flow.steps.base import Defaults, Step
from controller.flow.yamltext import MapNode, Node, TextNode

MAX_STEPS = 500


class StepDraft(msgspec.Struct, frozen=True):
    """A step that stands in the file: its type if it has one that we know, and itself if it could be read."""

    mark: Mark
    model: type[Step] | None = None
    step: Step | None = None


class Steps(Kind):
    """The steps of a flow by name."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if not isinstance(node, MapNode) or not 1 <= len(node.entries) <= MAX_STEPS:
            ctx.findings.error(node.mark, "structure", f"'steps' must be a mapping of 1 to {MAX_STEPS} steps")
            return BAD
        steps: dict[str, StepDraft] = {}
        for name, (mark, body) in node.entries.items():
            valid_name(TextNode(mark, name), ctx)
            ctx.step = name
            steps[name] = self._step(mark, body, ctx)
        ctx.step = ""
        return steps

    @staticmethod
    def _step(mark: Mark, body: Node, ctx: Context) -> StepDraft:
        written = body.entries.get("type") if isinstance(body, MapNode) else None
        if written is None or not isinstance(written[1], TextNode):
            message = "a step is a mapping with a type"
            ctx.findings.error(mark, "step-type", message, "write {type: say, prompt: …, next: …}")
            return StepDraft(mark)
        type_name = written[1].text
        model = STEP_TYPES.get(type_name)
        if model is None:
            if type_name in LATER_TYPES:
                message = f"this version of Rappel does not run '{type_name}' steps yet"
                ctx.findings.error(
                    written[1].mark, "not-yet", message, "dial an extension, or install a later version"
                )
            else:
                message = f"there is no step type '{clipped(type_name, 40)}'"
                hint = did_you_mean(type_name, (*STEP_TYPES, *LATER_TYPES))
                ctx.findings.error(written[1].mark, "step-type", message, hint)
            return StepDraft(mark)
        step = read_struct(model, body, ctx, other_keys={"type": ""})
        if isinstance(step, Bad):
            return StepDraft(mark, model)
        step.examine(ctx, mark)
        return StepDraft(mark, model, step)

    def schema(self) -> dict[str, Any]:
        choices = []
        for name, model in STEP_TYPES.items():
            schema = schema_of(model)
            schema["properties"] = {"type": {"const": name}, **schema["properties"]}
            schema["required"] = ["type", *schema.get("required", [])]
            schema["description"] = " ".join((model.__doc__ or "").split())
            choices.append(schema)
        return {"type": "object", "minProperties": 1, "additionalProperties": {"oneOf": choices}}


class HumanExit(msgspec.Struct, frozen=True):
    """Why nobody can be reached from a flow."""

    none: Annotated[str, Text()]


class FlowFile(msgspec.Struct, frozen=True):
    """The keys of a flow's file. The first language is the default."""

    flow: Annotated[str, Name()]
    start: Annotated[str, Exit()]
    languages: Annotated[tuple[str, ...], ListOf(Word(*LANGUAGES))]
    steps: Annotated[dict[str, StepDraft], Steps()]
    title: Annotated[str, Text()] = ""
    limits: Annotated[Limits, Nested(Limits)] = Limits()
    defaults: Annotated[Defaults, Nested(Defaults)] = Defaults()
    prompts: Annotated[dict[str, Prompt | None], PromptTable()] = {}
    variables: Annotated[dict[str, Expr], Assignments(writes=True)] = {}
    inputs: Annotated[tuple[str, ...], ListOf(Variable())] = ()
    on_hangup: Annotated[str, Exit()] = ""
    on_failure: Annotated[str, Exit()] = ""
    human_exit: Annotated[HumanExit | None, Nested(HumanExit)] = None


class FlowDraft(msgspec.Struct):
    """One flow's file as read. `edges` are the exits that lead to a step there is; linking finds the `secrets`."""

    name: str
    file: str
    mark: Mark
    ctx: Context
    head: dict[str, Any]
    edges: tuple[Edge, ...]
    secrets: frozenset[str] = frozenset()

    @property
    def steps(self) -> dict[str, StepDraft]:
        """All steps that stand in the file."""
        steps: dict[str, StepDraft] = self.head.get("steps", {})
        return steps

    @property
    def languages(self) -> tuple[str, ...]:
        """The flow's languages, the default first."""
        languages: tuple[str, ...] = self.head.get("languages", ())
        return languages

    @property
    def prompts(self) -> dict[str, Prompt | None]:
        """The flow's own prompts; None where one could not be read."""
        prompts: dict[str, Prompt | None] = self.head.get("prompts", {})
        return prompts

    @property
    def roots(self) -> list[str]:
        """The steps where a run can begin: start, on_hangup, on_failure."""
        names = (self.head.get(key, "") for key in ("start", "on_hangup", "on_failure"))
        return [name for name in names if name in self.steps]

    def reachable(self, *roots: str) -> set[str]:
        """Return the steps that can be reached from `roots`."""
        targets: dict[str, list[str]] = {}
        for edge in self.edges:
            targets.setdefault(edge.step, []).append(edge.target)
        return closure(targets, roots)

    def leading_to(self, goals: Iterable[str]) -> set[str]:
        """Return the steps from which one of `goals` can be reached."""
        sources: dict[str, list[str]] = {}
        for edge in self.edges:
            sources.setdefault(edge.target, []).append(edge.step)
        return closure(sources, goals)


def closure(targets: Mapping[str, Iterable[str]], roots: Iterable[str]) -> set[str]:
    """Return `roots` and everything that can be reached from them."""
    seen = set(roots)
    waiting = list(seen)
    while waiting:
        fresh = {target for target in targets.get(waiting.pop(), ()) if target not in seen}
        seen |= fresh
        waiting += fresh
    return seen


class CentreDraft(msgspec.Struct):
    """The whole centre as read."""

    findings: Findings
    ctx: Context
    head: dict[str, Any]
    flows: dict[str, FlowDraft]
    recordings: frozenset[str]
    flow_files: frozenset[str] = frozenset()
    """The names of all flow files, also of those that could not be read."""
    marks: dict[str, Mark] = {}
    """Where the keys of centre.yaml stand."""

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of centre.yaml, empty when it is missing or could not be read."""
        table: dict[str, Any] = self.head.get(key, {})
        return table


def read_centre(node: Node | None, findings: Findings) -> tuple[Context, dict[str, Any]]:
    """Read centre.yaml."""
    ctx = Context(findings)
    if node is None:
        return ctx, {}
    head, _ = read_fields(CentreFile, node, ctx, other_keys=LATER_KEYS)
    return ctx, head


def read_flow(name: str, file: str, node: Node, findings: Findings) -> FlowDraft:
    """Read one flow's file; `name` is what the file's name says."""
    ctx = Context(findings)
    head, _ = read_fields(FlowFile, node, ctx)
    written = head.get("flow", name)
    if written != name and isinstance(node, MapNode):
        mark = node.entries["flow"][1].mark
        findings.error(mark, "flow-name", f"the file {file} holds the flow '{name}'", f"write flow: {name}")
    steps = head.get("steps", {})
    edges = tuple(
        Edge(ref.step, ref.exit, ref.name, ref.moves)
        for ref in ctx.references
        if ref.what == "step" and ref.step and ref.name in steps
    )
    return FlowDraft(name, file, node.mark, ctx, head, edges)
