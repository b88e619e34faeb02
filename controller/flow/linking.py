"""Second pass of a load: expressions are compiled once all variables of a flow are known, secrets are followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.flow import callbacknow
from controller.flow.drafts import FlowDraft
from controller.flow.expressions import ExpressionError, ValueType, compile_expression
from controller.flow.findings import Findings, Mark
from controller.flow.queuenow import ROOT, names_of
from controller.flow.reading import Expr, Template, Write
from controller.flow.steps.subflow import Return, Subflow, returned_names

BUILT_IN = {
    "caller.number": ValueType.TEXT,
    "caller.country": ValueType.TEXT,
    "caller.name": ValueType.TEXT,
    "called.number": ValueType.TEXT,
    "language": ValueType.TEXT,
    "now": ValueType.TEXT,
    **callbacknow.NAMES,
}
"""What every expression may read. `now` is RFC 3339 in UTC: `timestamp(now).getHours("Europe/Paris")`."""

_SCOPES = {
    "": {},
    "response": {"body": ValueType.ANY, "status": ValueType.INT},
    "result": {"result": ValueType.MAP},
}
_ROOTS = frozenset(name.partition(".")[0] for name in BUILT_IN)
_RESERVED = _ROOTS | {"body", "status", "result", ROOT}


def variables_of(draft: FlowDraft, findings: Findings) -> dict[str, ValueType]:
    """Return what the flow's steps can set, with the type if all agree; add findings for reserved names."""
    types: dict[str, ValueType] = {}
    for write in draft.ctx.writes:
        if write.name in _RESERVED:
            message = f"'{write.name}' is a name of the language, not of a variable"
            findings.error(write.mark, "reserved-name", message, f"write {write.name}_1")
            continue
        known = types.setdefault(write.name, write.type)
        if known is not write.type:
            types[write.name] = ValueType.ANY
    return types


def link(draft: FlowDraft, findings: Findings, queues: Iterable[str] = ()) -> None:
    """Compile the expressions of a flow, which may read how `queues` are, and check its templates."""
    variables = variables_of(draft, findings)
    with_queues = {**variables, **names_of(queues)}
    for expr in draft.ctx.expressions:
        compile_expr(expr, with_queues if ROOT in expr.source else variables, findings)
    for use in draft.ctx.uses:
        if isinstance(use.value, Template):
            _check_names(use.value, with_queues, findings)


def compile_expr(expr: Expr, variables: dict[str, ValueType], findings: Findings) -> None:
    """Set `expr.program`, or add a finding at the place in the file."""
    names = {**BUILT_IN, **_SCOPES[expr.scope], **variables}
    try:
        expr.program = compile_expression(expr.source, names, expect=expr.wants)
    except ExpressionError as error:
        mark = Mark(expr.mark.file, expr.mark.line, expr.mark.column + error.offset)
        findings.error(mark, "expression", error.message, error.suggestion)


def _check_names(template: Template, variables: dict[str, ValueType], findings: Findings) -> None:
    for name in template.names:
        if name in BUILT_IN or (name in variables and "." in name):
            continue
        if name.partition(".")[0] in _ROOTS or name.partition(".")[0] not in variables:
            compile_expr(Expr(name, template.mark, ""), variables, findings)


def find_secrets(flows: Mapping[str, FlowDraft]) -> None:
    """Set, for every flow, which variables can hold a secret: entered or fetched as one, or computed from one.

    Secrets are followed through `with` into the flows that are entered, and through `values` and `save` back.
    """
    for flow in flows.values():
        flow.secrets = frozenset(write.name for write in flow.ctx.writes if _is_source(flow, write))
    for _ in range(1 + sum(len(flow.ctx.writes) for flow in flows.values())):  # each round but the last adds one
        before = [flow.secrets for flow in flows.values()]
        for flow in flows.values():
            flow.secrets |= {
                write.name
                for write in flow.ctx.writes
                if write.source is not None and reads(write.source) & flow.secrets
            }
            for each in flow.steps.values():
                if isinstance(each.step, Subflow) and each.step.flow in flows:
                    _follow(flow, each.step, flows[each.step.flow])
        if before == [flow.secrets for flow in flows.values()]:
            break


def _follow(flow: FlowDraft, step: Subflow, other: FlowDraft) -> None:
    other.secrets |= {name for name, expr in step.with_.items() if reads(expr) & flow.secrets}
    returns = [each.step for each in other.steps.values() if isinstance(each.step, Return)]
    given = {name: expr for each in returns for name, expr in each.values.items()}
    secret = {name for each in returns for name, expr in each.values.items() if reads(expr) & other.secrets}
    flow.secrets |= {name for name, expr in step.save.items() if returned_names(expr, given) & secret}


def _is_source(draft: FlowDraft, write: Write) -> bool:
    step = draft.steps[write.step].step if write.step in draft.steps else None
    return write.source is None and bool(getattr(step, "secret", False))


def reads(value: Expr | Template) -> frozenset[str]:
    """Return the names of variables that an expression or a template reads."""
    if isinstance(value, Template):
        return frozenset(name.partition(".")[0] for name in value.names)
    return value.program.names if value.program is not None else frozenset()
