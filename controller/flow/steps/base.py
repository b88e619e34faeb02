"""What every type of step is: a declaration of its fields, and a few lines that run it without I/O.

A new type is a module with a `Step` subclass, and a line in `controller.flow.steps`. Loader, checks, JSON Schema and
graph read the declaration; nothing else needs to know the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Protocol

import msgspec

from controller.flow.commands import CallbackNote, Command, Enqueue, Event, HungUp, MediaId, MessageNote
from controller.flow.findings import Mark
from controller.flow.kinds import Duration, Integer
from controller.flow.reading import Context, Expr, Template
from controller.flow.refkinds import Exit

Next = Annotated[str, Exit()]
"""An exit that is taken without an act of the caller."""
Moved = Annotated[str, Exit(moves=True)]
"""An exit that takes an act of the caller, or a conversation."""


class Defaults(msgspec.Struct, frozen=True):
    """What a flow's steps use where they name nothing themselves."""

    first_digit_s: Annotated[float, Duration(0.5, 60)] = 5.0
    inter_digit_s: Annotated[float, Duration(0.3, 30)] = 2.0
    total_s: Annotated[float, Duration(1, 300)] = 60.0
    attempts: Annotated[int, Integer(1, 10)] = 3


class Go(msgspec.Struct, frozen=True):
    """Leave the step by `exit`, to the step `target`."""

    exit: str
    target: str


class Enter(msgspec.Struct, frozen=True):
    """Begin another flow with these variables; the step is resumed with `Returned` when that flow returns."""

    flow: str
    values: dict[str, Any]
    secret: frozenset[str] = frozenset()


class Leave(msgspec.Struct, frozen=True):
    """Return to the flow that entered this one."""

    exit: str
    values: dict[str, Any]
    secret: frozenset[str] = frozenset()


class Returned(msgspec.Struct, frozen=True):
    """The flow that a step entered came back by `exit`."""

    exit: str
    values: dict[str, Any]
    secret: frozenset[str] = frozenset()


Outcome = Command | Go | Enter | Leave


class DayStatus(Protocol):
    """Says whether a calendar is open."""

    def status(self, at: datetime) -> str:
        """Return open, closed or holiday for the time `at` (aware)."""


class Turn(Protocol):
    """What a step may use while it runs: the call, the flow's variables, and its own notes."""

    at: datetime

    @property
    def local(self) -> dict[str, Any]:
        """Plain data of this step alone, kept over its waits and forgotten when it is left."""

    @property
    def defaults(self) -> Defaults:
        """The flow's defaults."""

    def media(self, prompts: tuple[str, ...]) -> tuple[MediaId, ...]:
        """Return what is played for `prompts`, in the call's language."""

    def evaluate(self, expr: Expr, more: Mapping[str, Any] | None = None) -> Any:
        """Return the value of `expr`; `more` is what its scope adds. Raises `EvaluationError`."""

    def fill(self, template: Template) -> str:
        """Return `template` with its names substituted."""

    def is_secret(self, *values: Expr | Template) -> bool:
        """Tell whether one of `values` reads a secret variable."""

    def save(self, name: str, value: Any, *, secret: bool = False) -> None:
        """Give the variable `name` a value."""

    def speak(self, language: str) -> None:
        """Go on in `language`."""

    def calendar(self, name: str) -> DayStatus:
        """Return a calendar of the centre."""

    def next_dial(self) -> int:
        """Return the number of the next dial of this call, from 1."""

    def enqueue(
        self,
        queue: str,
        *,
        priority: int = 0,
        needs: Mapping[str, int] | None = None,
        wait_s: float | None = None,
        callback: tuple[str, float] | None = None,
        message: tuple[str, float] | None = None,
        no_agents: bool = False,
    ) -> Enqueue:
        """Return the command for the next visit to a queue; the offers are a key and the wait before it is told."""

    @property
    def caller(self) -> str:
        """Return the caller's number, "" when withheld; in a call that we made, the customer's."""

    @property
    def country(self) -> str:
        """Return the centre's country."""

    @property
    def zone(self) -> str:
        """Return the centre's time zone."""

    @property
    def language(self) -> str:
        """Return the language the caller hears."""

    @property
    def callback(self) -> CallbackNote | None:
        """Return the request to be called back that the call is about."""

    @property
    def is_called(self) -> bool:
        """Tell whether we have called, for `callback`."""

    def about(self, request: CallbackNote | None) -> None:
        """From now on the call is about `request`."""

    def place(self, queue: str) -> datetime | None:
        """Return the time of the place that the call has in a queue it has just left."""

    def next_ask(self) -> int:
        """Return the number of the next request of this call to be called back, from 1."""

    def next_recording(self) -> int:
        """Return the number of the next recording of this call, from 1."""

    def notice(self, name: str) -> tuple[MediaId, ...]:
        """Return a notice of Rappel's own, in the call's language."""

    def greeting(self, queue: str) -> tuple[MediaId, ...]:
        """Return what a queue says before the tone of a voice message."""

    def heading(self, message: MessageNote) -> tuple[MediaId, ...]:
        """Return what is said before a voice message: new or not, its queue, its time, the caller's number."""

    def note(self, **detail: Any) -> None:
        """Add to the step's record."""

    def pressed(self, digits: str, *, secret: bool = False) -> None:
        """Add digits to the step's record; secret ones are masked."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a flow.

    Fields are annotated with their kinds. `enter` runs when the call comes to the step, `resume` when the command
    that it gave has been carried out; either gives the next command or says where to go. A field that is an exit
    named `x` is left by `Go("x", …)`.
    """

    type: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    """What a driver must be able to do: play, collect, lookup, dial, queue, record, agents."""
    human: ClassVar[bool] = False
    """Whether the caller reaches a person, or may leave a message for one, here."""
    asks: ClassVar[bool] = False
    """Whether the caller is asked for digits, so that a way to a person must lead on from here."""
    after_hangup: ClassVar[bool] = False
    """Whether the step makes sense when the caller has gone."""
    at_once: ClassVar[frozenset[str]] = frozenset()
    """Exits that may be taken without any wait, although a person can be reached here."""
    ends: ClassVar[bool] = False
    """Whether the flow ends here: no exits are expected."""

    def examine(self, ctx: Context, mark: Mark) -> None:
        """Add findings about what the fields mean together."""

    def enter(self, run: Turn) -> Outcome:
        """Begin the step."""
        raise TypeError(f"{self.type} cannot be entered")

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        """Go on after the command that `enter` or `resume` gave."""
        raise TypeError(f"{self.type} waits for nothing, but got {type(event).__name__}")

    def gone(self, run: Turn, event: HungUp) -> Command | None:
        """Return what is still to be done now that the caller has hung up: `KeepMessage`, or nothing."""
        return None
