"""The shape of a flow: what cannot be reached, what goes round without end, and whether a person can be reached."""

from __future__ import annotations

from collections.abc import Iterable

from controller.flow.drafts import CentreDraft, FlowDraft, closure
from controller.flow.findings import Mark
from controller.flow.linking import reads
from controller.flow.release import Edge
from controller.flow.steps.decide import Switch


def check_structure(draft: CentreDraft) -> None:
    """Report unreachable steps, steps without a way on, endless loops, flows without a way to a person."""
    with_person = _flows_with_person(draft)
    entered = {ref.name for ref in draft.ctx.references if ref.what == "flow"}
    for flow in draft.flows.values():
        if not flow.steps:
            continue
        reached = flow.reachable(*flow.roots)
        _check_unreachable(flow, reached, draft)
        _check_loops(flow, draft)
        _check_after_hangup(flow, draft)
        if "human_exit" in flow.head:
            message = f"nobody is reached from here: {flow.head['human_exit'].none}"
            draft.findings.note(flow.mark, "no-human-exit", message)
        elif not _is_broken(flow):
            _check_person(flow, with_person, flow.name in entered, draft)


def _is_broken(flow: FlowDraft) -> bool:
    """Whether a step could not be read or an exit leads nowhere: then nothing can be said of the other ways."""
    dangling = any(ref.what == "step" and ref.name not in flow.steps for ref in flow.ctx.references)
    return dangling or any(each.step is None for each in flow.steps.values())


def _check_unreachable(flow: FlowDraft, reached: set[str], draft: CentreDraft) -> None:
    if "start" not in flow.head or _is_broken(flow):
        return
    for name, each in flow.steps.items():
        if name not in reached:
            message = f"no way leads to the step '{name}'"
            draft.findings.error(each.mark, "unreachable-step", message, "lead an exit to it, or delete it")


def _check_loops(flow: FlowDraft, draft: CentreDraft) -> None:
    """An endless loop is a circle in which nobody acts or talks, nothing is asked and nothing is counted."""
    quiet = [edge for edge in flow.edges if not edge.moves]
    idle = [edge for edge in quiet if not _waits(flow, edge)]
    reported: set[str] = set()
    counting = {name for circle in circles(idle) for name in _counting_switches(flow, circle)}
    for circle in circles(edge for edge in idle if edge.step not in counting):
        reported.update(circle)
        message = f"the steps {_list(circle)} go round without waiting for the caller"
        draft.findings.error(flow.steps[circle[0]].mark, "endless-loop", message, "lead one exit elsewhere")
    for circle in circles(edge for edge in quiet if edge.step not in counting and not _rings(flow, edge.step)):
        if not reported.intersection(circle):
            message = f"a silent caller goes round {_list(circle)} until the time limit"
            hint = "after the attempts, lead to a person or hang up"
            draft.findings.warning(flow.steps[circle[0]].mark, "silent-loop", message, hint)


def _counting_switches(flow: FlowDraft, circle: list[str]) -> set[str]:
    """Return the switches of a circle that read what a step of the circle sets: these can bound it."""
    written = {write.name for write in flow.ctx.writes if write.step in circle}
    readers = {expr.step for expr in flow.ctx.expressions if reads(expr) & written}
    return {name for name in circle if name in readers and isinstance(flow.steps[name].step, Switch)}


def _waits(flow: FlowDraft, edge: Edge) -> bool:
    """Whether the caller is asked, or a telephone rings, before this exit: it bounds the pace of a loop."""
    model = flow.steps[edge.step].model
    return model is None or ((model.asks or model.human) and edge.exit not in model.at_once)


def _rings(flow: FlowDraft, name: str) -> bool:
    """Whether somebody may still answer the caller in this step: such a loop is a second try, not silence."""
    model = flow.steps[name].model
    return model is not None and model.human and not model.asks


def circles(edges: Iterable[Edge]) -> list[list[str]]:
    """Return the strongly connected parts of a graph that hold a circle, their members in order of appearance."""
    onward: dict[str, list[str]] = {}
    back: dict[str, list[str]] = {}
    for edge in edges:
        onward.setdefault(edge.step, []).append(edge.target)
        back.setdefault(edge.target, []).append(edge.step)
    left = dict.fromkeys(name for name in onward if name in back)
    found = []
    while left:
        first = next(iter(left))
        part = closure(onward, [first]) & closure(back, [first])
        if len(part) > 1 or first in onward[first]:
            found.append([name for name in left if name in part])
        for name in part:
            left.pop(name, None)
    return found


def _check_after_hangup(flow: FlowDraft, draft: CentreDraft) -> None:
    first = flow.head.get("on_hangup", "")
    if first not in flow.steps:
        return
    for name in sorted(flow.reachable(first)):
        model = flow.steps[name].model
        if model is not None and not model.after_hangup:
            message = f"'{name}' is reached from on_hangup, but a '{model.type}' needs a caller"
            hint = "set, http, switch, return and hangup work without one"
            draft.findings.error(flow.steps[name].mark, "after-hangup", message, hint)


def _flows_with_person(draft: CentreDraft) -> frozenset[str]:
    """Return the flows in which a person can be reached, in them or in a flow they enter."""
    entered = {
        flow.name: {ref.name for ref in flow.ctx.references if ref.what == "flow"} for flow in draft.flows.values()
    }
    found = {
        flow.name
        for flow in draft.flows.values()
        if any(each.model is not None and each.model.human for each in flow.steps.values())
    }
    for _ in draft.flows:
        found |= {name for name, others in entered.items() if others & found}
    return frozenset(found)


def _check_person(flow: FlowDraft, with_person: frozenset[str], by_number: bool, draft: CentreDraft) -> None:
    """From the start of a flow that callers dial, and from every menu of any flow, a person must be reachable.

    In a flow that others enter, the way back counts: the other flow has its own way to a person.
    """
    people = {name for name, each in flow.steps.items() if each.model is not None and each.model.human}
    people |= {ref.step for ref in flow.ctx.references if ref.what == "flow" and ref.name in with_person}
    back = {name for name, each in flow.steps.items() if each.model is not None and each.model.type == "return"}
    goals = people if by_number else people | back
    hint = "lead an exit to a dial step, or write human_exit: {none: why}"
    start = flow.head.get("start", "")
    saved = flow.leading_to(goals)
    if by_number and start in flow.steps and start not in saved:
        message = f"no way leads from the start of '{flow.name}' to a person"
        draft.findings.error(_key_mark(flow), "no-human-exit", message, hint)
        return
    for name, each in flow.steps.items():
        if each.model is not None and each.model.asks and name not in saved:
            message = f"no way leads from '{name}' to a person"
            draft.findings.error(each.mark, "no-human-exit", message, hint)


def _key_mark(flow: FlowDraft) -> Mark:
    start = [ref for ref in flow.ctx.references if ref.what == "step" and not ref.step and ref.exit == "start"]
    return start[0].mark if start else flow.mark


def _list(names: list[str]) -> str:
    most = 6
    shown = " → ".join(names[:most])
    return f"{shown} …" if len(names) > most else shown
