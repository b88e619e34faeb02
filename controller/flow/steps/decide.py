"""Steps that decide and remember: `hours`, `switch`, `set`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from controller.flow.expressions import EvaluationError, ValueType
from controller.flow.kinds import ListOf, Nested
from controller.flow.reading import Expr
from controller.flow.refkinds import Assignments, Cel, Exit, RefTo
from controller.flow.steps.base import Go, Next, Outcome, Step, Turn


class Hours(Step, frozen=True, kw_only=True):
    """Go by a calendar of the centre; a public holiday is `closed` unless `holiday` leads elsewhere."""

    type: ClassVar[str] = "hours"

    calendar: Annotated[str, RefTo("calendar")]
    open: Next
    closed: Next
    holiday: Annotated[str, Exit()] = ""

    def enter(self, run: Turn) -> Outcome:
        status = run.calendar(self.calendar).status(run.at)
        if status == "open":
            return Go("open", self.open)
        if status == "holiday" and self.holiday:
            return Go("holiday", self.holiday)
        return Go("closed", self.closed)


class Case(msgspec.Struct, frozen=True):
    """A condition, and where it leads."""

    when: Annotated[Expr, Cel(ValueType.BOOL)]
    go: Next


class Switch(Step, frozen=True, kw_only=True):
    """Go where the first true condition leads. One that cannot be decided counts as false, and is recorded."""

    type: ClassVar[str] = "switch"
    after_hangup: ClassVar[bool] = True

    cases: Annotated[tuple[Case, ...], ListOf(Nested(Case))]
    else_: Next

    def enter(self, run: Turn) -> Outcome:
        for number, case in enumerate(self.cases, start=1):
            try:
                if run.evaluate(case.when) is True:
                    return Go(f"cases.{number}", case.go)
            except EvaluationError as error:
                run.note(**{f"case_{number}": str(error)})
        return Go("else", self.else_)


class Set(Step, frozen=True, kw_only=True):
    """Give variables values, in the order written. What is computed from a secret is one too."""

    type: ClassVar[str] = "set"
    after_hangup: ClassVar[bool] = True

    set: Annotated[dict[str, Expr], Assignments(writes=True)]
    next: Next

    def enter(self, run: Turn) -> Outcome:
        for name, expr in self.set.items():
            run.save(name, run.evaluate(expr), secret=run.is_secret(expr))
        return Go("next", self.next)
