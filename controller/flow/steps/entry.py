"""Steps that take digits: `menu` and `collect`.

`no_input` and `invalid` are counted separately, each with its own prompts; both together never exceed `attempts`.
"""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar

import msgspec

from controller.flow.commands import Collect, Collected, CollectEnd, DigitRules, Event
from controller.flow.entrychecks import Check, EntryCheck
from controller.flow.expressions import ValueType
from controller.flow.findings import Mark
from controller.flow.kinds import Duration, Flag, Integer, Nested, Pattern
from controller.flow.reading import Context
from controller.flow.refkinds import Exit, ExitMap, Prompts, Variable
from controller.flow.steps.base import Go, Moved, Next, Outcome, Returned, Step, Turn

MAX_DIGITS = 64


class Retry(msgspec.Struct, frozen=True):
    """What is said before asking again (one prompt, or one per attempt), and where to go after `attempts`."""

    then: Next
    prompt: Annotated[tuple[str, ...], Prompts(10)] = ()


class OptionalRetry(msgspec.Struct, frozen=True):
    """The same, where the step has a `failed` exit for the case that no `then` is named."""

    prompt: Annotated[tuple[str, ...], Prompts(10)] = ()
    then: Annotated[str, Exit()] = ""


class Length(msgspec.Struct, frozen=True):
    """How many digits an entry has, and the key that ends it."""

    max: Annotated[int, Integer(1, MAX_DIGITS)]
    min: Annotated[int, Integer(1, MAX_DIGITS)] = 1
    end: Annotated[str, Pattern(r"[0-9*#]", "one key: 0-9, * or #")] = ""


class Asking(Step, frozen=True, kw_only=True):
    """What the steps that take digits have in common."""

    needs: ClassVar[frozenset[str]] = frozenset({"collect"})
    asks: ClassVar[bool] = True

    prompt: Annotated[tuple[str, ...], Prompts(8)]
    bargein: Annotated[bool, Flag()] = True
    first_digit_s: Annotated[float | None, Duration(0.5, 60)] = None
    inter_digit_s: Annotated[float | None, Duration(0.3, 30)] = None
    total_s: Annotated[float | None, Duration(1, 300)] = None
    attempts: Annotated[int | None, Integer(1, 10)] = None

    def enter(self, run: Turn) -> Outcome:
        return self._ask(run, ())

    def rules(self, run: Turn) -> DigitRules:
        """Return when an entry ends."""
        raise TypeError(f"{self.type} takes no digits")

    @property
    def is_secret(self) -> bool:
        """Whether the digits must not be seen."""
        return False

    def _ask(self, run: Turn, before: tuple[str, ...]) -> Outcome:
        return Collect(run.media(before + self.prompt), self.rules(run), self.bargein, self.is_secret)

    def _again(self, run: Turn, exit_name: str, retry: Retry | OptionalRetry | None, last_exit: Go) -> Outcome:
        """Ask again after a failed attempt, or leave by `last_exit` when it was the last one."""
        local = run.local
        count = local[exit_name] = local.get(exit_name, 0) + 1
        if local.get("no_input", 0) + local.get("invalid", 0) >= (self.attempts or run.defaults.attempts):
            return last_exit
        prompts = retry.prompt if retry is not None else ()
        return self._ask(run, prompts[min(count, len(prompts)) - 1 :][:1])


class Menu(Asking, frozen=True, kw_only=True):
    """Offer choices: digits → step."""

    type: ClassVar[str] = "menu"

    choices: Annotated[dict[str, str], ExitMap(r"[0-9*#]{1,8}", "keys 0-9, * and #", moves=True)]
    no_input: Annotated[Retry, Nested(Retry)]
    invalid: Annotated[Retry, Nested(Retry)]

    def examine(self, ctx: Context, mark: Mark) -> None:
        if self.inter_digit_s is not None:
            return
        for short, longer in itertools.pairwise(sorted(self.choices)):  # what begins alike stands side by side
            if longer.startswith(short):
                message = f"the choices '{short}' and '{longer}' begin alike, and no clock decides between them"
                ctx.findings.error(mark, "ambiguous-choice", message, "set inter_digit: in this step")

    def rules(self, run: Turn) -> DigitRules:
        defaults = run.defaults
        choices = tuple(self.choices)
        return DigitRules(
            max=max(map(len, choices)),
            first_digit_s=self.first_digit_s or defaults.first_digit_s,
            inter_digit_s=self.inter_digit_s or defaults.inter_digit_s,
            total_s=self.total_s or defaults.total_s,
            choices=choices,
        )

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if not isinstance(event, Collected):
            return super().resume(run, event)
        if event.end is CollectEnd.NO_INPUT or not event.digits:
            return self._again(run, "no_input", self.no_input, Go("no_input", self.no_input.then))
        run.pressed(event.digits)
        target = self.choices.get(event.digits)
        if target is None:
            return self._again(run, "invalid", self.invalid, Go("invalid", self.invalid.then))
        return Go(event.digits, target)


class CollectDigits(Asking, frozen=True, kw_only=True):
    """Take a number and keep it in a variable, if it passes the check."""

    type: ClassVar[str] = "collect"

    digits: Annotated[Length, Nested(Length)]
    save: Annotated[str, Variable(ValueType.TEXT)]
    next: Moved
    failed: Next
    check: Annotated[Check | None, EntryCheck()] = None
    secret: Annotated[bool, Flag()] = False
    no_input: Annotated[OptionalRetry | None, Nested(OptionalRetry)] = None
    invalid: Annotated[OptionalRetry | None, Nested(OptionalRetry)] = None

    def examine(self, ctx: Context, mark: Mark) -> None:
        if self.digits.min > self.digits.max:
            message = f"digits: min {self.digits.min} is more than max {self.digits.max}"
            ctx.findings.error(mark, "digits", message, "exchange them")

    @property
    def is_secret(self) -> bool:
        return self.secret

    def rules(self, run: Turn) -> DigitRules:
        defaults = run.defaults
        return DigitRules(
            min=self.digits.min,
            max=self.digits.max,
            end=self.digits.end,
            first_digit_s=self.first_digit_s or defaults.first_digit_s,
            inter_digit_s=self.inter_digit_s or defaults.inter_digit_s,
            total_s=self.total_s or defaults.total_s,
        )

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if not isinstance(event, Collected):
            return super().resume(run, event)
        if event.end is CollectEnd.NO_INPUT or not event.digits:
            return self._again(run, "no_input", self.no_input, self._last("no_input", self.no_input))
        run.pressed(event.digits, secret=self.secret)
        if not self._is_valid(event):
            return self._again(run, "invalid", self.invalid, self._last("invalid", self.invalid))
        run.save(self.save, event.digits, secret=self.secret)
        return Go("next", self.next)

    def _is_valid(self, event: Collected) -> bool:
        if not self.digits.min <= len(event.digits) <= self.digits.max or not event.digits.isdecimal():
            return False
        return self.check is None or self.check.passes(event.digits)

    def _last(self, exit_name: str, retry: OptionalRetry | None) -> Go:
        if retry is not None and retry.then:
            return Go(exit_name, retry.then)
        return Go("failed", self.failed)
