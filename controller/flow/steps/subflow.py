"""Steps between flows: `subflow` enters one, `return` comes back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar

from controller.flow.commands import Event
from controller.flow.kinds import NAME, Name
from controller.flow.reading import Expr
from controller.flow.refkinds import Assignments, ExitMap, RefTo
from controller.flow.steps.base import Enter, Go, Leave, Outcome, Returned, Step, Turn

_FIELD = re.compile(r"\bresult\.([A-Za-z_][A-Za-z0-9_]*)")
_WHOLE = re.compile(r"\bresult\b(?!\.)")


def returned_names(expr: Expr, names: Iterable[str]) -> frozenset[str]:
    """Return which of `names`, the values another flow returns, an expression of `save` may read."""
    if _WHOLE.search(expr.source):
        return frozenset(names)
    return frozenset(_FIELD.findall(expr.source))


class Subflow(Step, frozen=True, kw_only=True):
    """Run another flow, and go on by the exit it returns with.

    The other flow has variables of its own: `with` gives it values for its `inputs`, `save` takes values from what
    it returned (`result`).
    """

    type: ClassVar[str] = "subflow"

    flow: Annotated[str, RefTo("flow")]
    exits: Annotated[dict[str, str], ExitMap(NAME.pattern, "the name of an exit")]
    with_: Annotated[dict[str, Expr], Assignments(writes=False)] = {}
    save: Annotated[dict[str, Expr], Assignments(writes=True, scope="result")] = {}

    def enter(self, run: Turn) -> Outcome:
        values = {name: run.evaluate(expr) for name, expr in self.with_.items()}
        secret = frozenset(name for name, expr in self.with_.items() if run.is_secret(expr))
        return Enter(self.flow, values, secret)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if not isinstance(event, Returned):
            return super().resume(run, event)
        values = {name: run.evaluate(expr, {"result": event.values}) for name, expr in self.save.items()}
        for name, value in values.items():
            secret = bool(event.secret & returned_names(self.save[name], event.values))
            run.save(name, value, secret=secret or run.is_secret(self.save[name]))
        return Go(event.exit, self.exits[event.exit])


class Return(Step, frozen=True, kw_only=True):
    """Go back to the flow that entered this one, by one of its exits and with values for it."""

    type: ClassVar[str] = "return"
    after_hangup: ClassVar[bool] = True
    ends: ClassVar[bool] = True

    exit: Annotated[str, Name()]
    values: Annotated[dict[str, Expr], Assignments(writes=False)] = {}

    def enter(self, run: Turn) -> Outcome:
        values = {name: run.evaluate(expr) for name, expr in self.values.items()}
        secret = frozenset(name for name, expr in self.values.items() if run.is_secret(expr))
        return Leave(self.exit, values, secret)
