"""Flows that enter other flows: exits named on both sides, inputs given, values taken, no flow inside itself."""

from __future__ import annotations

from controller.flow.checks.structure import circles
from controller.flow.drafts import CentreDraft, FlowDraft
from controller.flow.findings import Mark, did_you_mean
from controller.flow.release import Edge
from controller.flow.steps.subflow import Return, Subflow


def check_subflows(draft: CentreDraft) -> None:
    """Report what does not fit between a flow and the flows it enters."""
    edges = []
    switched = _languages_switched_to(draft)
    for flow in draft.flows.values():
        for name, each in flow.steps.items():
            if isinstance(each.step, Subflow):
                edges.append(Edge(flow.name, name, each.step.flow))
                other = draft.flows.get(each.step.flow)
                if other is not None:
                    _check_pair(each.mark, each.step, other, draft)
                    _check_languages(flow, each.mark, other, switched[other.name], draft)
    for circle in circles(edges):
        marks = [
            ref.mark for ref in draft.flows[circle[0]].ctx.references if ref.what == "flow" and ref.name in circle
        ]
        message = f"the flows {' → '.join([*circle, circle[0]])} enter each other without end"
        draft.findings.error(marks[0], "subflow-recursion", message, "let one of them return instead")
    for reference in draft.ctx.references:
        entered = draft.flows.get(reference.name) if reference.what == "flow" else None
        if entered is not None and entered.head.get("inputs"):
            message = f"the flow '{entered.name}' has inputs that a number cannot give"
            draft.findings.error(reference.mark, "subflow-input", message, "enter it from a subflow step")


def _check_pair(mark: Mark, step: Subflow, other: FlowDraft, draft: CentreDraft) -> None:
    findings = draft.findings
    returns = [each.step for each in other.steps.values() if isinstance(each.step, Return)]
    whole = all(each.step is not None for each in other.steps.values())
    exits = {each.exit for each in returns}
    for name in sorted(exits - step.exits.keys()):
        message = f"the flow '{other.name}' can return by '{name}', which is not named here"
        findings.error(mark, "unnamed-exit", message, f"add {name}: to exits:")
    if whole:
        for name in sorted(step.exits.keys() - exits):
            message = f"the flow '{other.name}' has no exit '{name}'"
            findings.error(mark, "unknown-exit", message, did_you_mean(name, exits))
    inputs = set(other.head.get("inputs", ()))
    for name in sorted(inputs - step.with_.keys()):
        message = f"the flow '{other.name}' needs the input '{name}'"
        findings.error(mark, "subflow-input", message, f"add {name}: to with:")
    for name in sorted(step.with_.keys() - inputs):
        message = f"the flow '{other.name}' has no input '{name}'"
        findings.error(mark, "subflow-input", message, did_you_mean(name, inputs))


def _check_languages(flow: FlowDraft, mark: Mark, other: FlowDraft, switched: set[str], draft: CentreDraft) -> None:
    if not flow.languages or not other.languages:
        return
    missing = [language for language in flow.languages if language not in other.languages]
    if missing:
        message = f"the flow '{other.name}' does not speak {', '.join(missing)}, as '{flow.name}' does"
        draft.findings.error(mark, "subflow-language", message, f"add it to languages: in {other.file}")
    strange = sorted(switched - set(flow.languages))
    if strange:
        message = f"the flow '{other.name}' may come back in {', '.join(strange)}, which '{flow.name}' does not speak"
        draft.findings.error(mark, "subflow-language", message, f"add it to languages: in {flow.file}")


def _languages_switched_to(draft: CentreDraft) -> dict[str, set[str]]:
    """Return, for every flow, the languages that it or a flow it enters can change to."""
    switched = {
        flow.name: {ref.name for ref in flow.ctx.references if ref.what == "language"}
        for flow in draft.flows.values()
    }
    for _ in draft.flows:
        for flow in draft.flows.values():
            for ref in flow.ctx.references:
                if ref.what == "flow":
                    switched[flow.name] |= switched.get(ref.name, set())
    return switched
