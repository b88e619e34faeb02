"""What the steps of a running flow see: the call, its variables, prompts in its language, their own notes.

`controller.flow.interpreter.FlowRun` is this and the way from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from controller.flow import callbacknow, mailbox
from controller.flow.commands import CallbackNote, Enqueue, MediaId, MessageNote
from controller.flow.expressions import EvaluationError
from controller.flow.linking import reads
from controller.flow.queuenow import NO_QUEUES, ROOT, QueuesNow, value_of
from controller.flow.reading import Expr, Template
from controller.flow.release import Flow, Release
from controller.flow.runstate import Frame, State, clean
from controller.flow.steps.base import DayStatus, Defaults, Step
from controller.flow.trace import MASK, MAX_DIGITS
from controller.flow.visits import Offer, enqueue, kept
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand


class StepFaultError(Exception):
    """A step cannot go on, for a reason that is not a bug of ours."""


class SecretLostError(Exception):
    """A step reads a secret that did not survive a restart."""


class RunTurn:
    """The `Turn` of a run: the present step of the innermost flow, at the time last fed."""

    __slots__ = ("_state", "at", "queues", "release")

    def __init__(self, release: Release, state: State) -> None:
        self.release = release
        self.at: datetime = state.began_at
        self._state = state
        self.queues: QueuesNow = NO_QUEUES
        """How the queues are, for conditions that read it."""

    @property
    def _frame(self) -> Frame:
        return self._state.frames[-1]

    @property
    def _flow(self) -> Flow:
        return self.release.flows[self._state.frames[-1].flow]

    @property
    def _step(self) -> Step:
        return self._flow.steps[self._frame.step]

    @property
    def local(self) -> dict[str, Any]:
        """Plain data of the present step."""
        return self._frame.local

    @property
    def defaults(self) -> Defaults:
        """The flow's defaults."""
        return self._flow.defaults

    def media(self, prompts: tuple[str, ...]) -> tuple[MediaId, ...]:
        """Return what is played for `prompts`."""
        known = self._flow.prompts
        language = self._state.language
        try:
            parts = [known[name].media(language, self.evaluate) for name in prompts]
        except (ValueError, EvaluationError) as error:
            raise StepFaultError(f"prompt {', '.join(prompts)}: {error}") from None
        return parts[0] if len(parts) == 1 else tuple(media for part in parts for media in part)

    def evaluate(self, expr: Expr, more: Mapping[str, Any] | None = None) -> Any:
        """Return the value of `expr`; raise `EvaluationError` if it has none."""
        program = expr.program
        if program is None:
            raise StepFaultError("an expression that was never compiled")
        frame = self._frame
        if frame.lost and not frame.lost.isdisjoint(program.names):
            raise SecretLostError
        values = {**frame.variables, **(more or {})}
        for name in program.names:
            if name not in values:
                found = self._built_in(name)
                if found is not None:
                    values[name] = found
        return program.evaluate(values)

    def fill(self, template: Template) -> str:
        """Return `template` with its names substituted, percent-encoded in a URL; raise `EvaluationError`."""
        parts = list(template.parts)
        for place in range(1, len(parts), 2):
            text = _as_text(self._look_up(parts[place]))
            parts[place] = _encoded(text) if template.url else text
        filled = "".join(parts)
        if not filled.isprintable():
            raise EvaluationError("a value with control characters")
        return filled

    def is_secret(self, *values: Expr | Template) -> bool:
        """Tell whether one of `values` reads a secret variable."""
        secrets = self._frame.secrets
        return bool(secrets) and any(not secrets.isdisjoint(reads(value)) for value in values)

    def save(self, name: str, value: Any, *, secret: bool = False) -> None:
        """Give the variable `name` a value."""
        frame = self._frame
        frame.variables[name] = value
        frame.lost.discard(name)
        if secret:
            frame.secrets.add(name)
            frame.secret_step = frame.secret_step or frame.step
        else:
            frame.secrets.discard(name)

    def speak(self, language: str) -> None:
        """Go on in `language`."""
        self._state.language = language

    def calendar(self, name: str) -> DayStatus:
        """Return a calendar of the centre."""
        return self.release.calendars[name]

    def next_dial(self) -> int:
        """Return the number of the next dial of this call, from 1."""
        self._state.dials += 1
        return self._state.dials

    def enqueue(
        self,
        queue: str,
        *,
        priority: int = 0,
        needs: Mapping[str, int] | None = None,
        wait_s: float | None = None,
        callback: Offer | None = None,
        message: Offer | None = None,
        no_agents: bool = False,
    ) -> Enqueue:
        """Return the command for the next visit to a queue; see `controller.flow.visits`."""
        return enqueue(
            self.release,
            self._state,
            self.at,
            queue,
            priority=priority,
            needs=needs,
            wait_s=wait_s,
            callback=callback,
            message=message,
            no_agents=no_agents,
        )

    @property
    def caller(self) -> str:
        """Return the caller's number, "" when withheld; in a call that we made, the customer's."""
        return self._state.call.caller

    @property
    def country(self) -> str:
        """Return the centre's country."""
        return self.release.country

    @property
    def zone(self) -> str:
        """Return the centre's time zone."""
        return self.release.zone

    @property
    def language(self) -> str:
        """Return the language the caller hears."""
        return self._state.language

    @property
    def callback(self) -> CallbackNote | None:
        """Return the request to be called back that the call is about."""
        return self._state.callback

    @property
    def is_called(self) -> bool:
        """Tell whether we have called, for `callback`."""
        return self._state.call.callback is not None

    def about(self, request: CallbackNote | None) -> None:
        """From now on the call is about `request`."""
        self._state.callback = request

    def place(self, queue: str) -> datetime | None:
        """Return the time of the place that the call has in a queue it has just left."""
        place = kept(self._state, queue, self.at)
        return place.entered_at if place is not None else None

    def next_ask(self) -> int:
        """Return the number of the next request of this call to be called back, from 1."""
        self._state.asks += 1
        return self._state.asks

    def next_recording(self) -> int:
        """Return the number of the next recording of this call, from 1."""
        self._state.recordings += 1
        return self._state.recordings

    def notice(self, name: str) -> tuple[MediaId, ...]:
        """Return a notice of Rappel's own, in the call's language."""
        return (f"say/{self._state.language}/{name}",)

    def greeting(self, queue: str) -> tuple[MediaId, ...]:
        """Return what a queue says before the tone of a voice message."""
        return self.release.queues[queue].message_greeting(self._state.language)

    def heading(self, message: MessageNote) -> tuple[MediaId, ...]:
        """Return what is said before a voice message."""
        return mailbox.heading(self.release, self._state.language, message)

    def note(self, **detail: Any) -> None:
        """Add to the step's record; long texts are cut."""
        frame = self._frame
        for key, value in detail.items():
            frame.detail[key] = clean(value) if isinstance(value, str) else value

    def pressed(self, digits: str, *, secret: bool = False) -> None:
        """Add digits to the step's record; attempts are set apart by a blank."""
        frame = self._frame
        shown = MASK if secret else digits
        frame.digits = f"{frame.digits} {shown}".strip()[:MAX_DIGITS]

    def _built_in(self, name: str) -> Any:
        if name.startswith(f"{ROOT}."):
            return value_of(name, self.queues)
        if name.startswith(f"{callbacknow.ROOT}."):
            return callbacknow.value_of(name, self._state.callback, called=self.is_called)
        call = self._state.call
        if name == "caller.country":
            return call.country or _country(call.caller, self.release.country)
        if name == "now":
            return self.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        known = {
            "caller.number": call.caller,
            "caller.name": call.caller_name,
            "called.number": call.called,
            "language": self._state.language,
        }
        return known.get(name)

    def _look_up(self, name: str) -> Any:
        found = self._built_in(name)
        if found is not None:
            return found
        if name.partition(".")[0] in self._frame.lost:
            raise SecretLostError
        value: Any = self._frame.variables
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise EvaluationError(f"{name} has no value yet")
            value = value[part]
        return value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | str):
        return str(value)
    raise EvaluationError("only text, numbers and booleans can be put into a text")


def _encoded(text: str) -> str:
    """Return `text` as one segment of a URL: a value of dots must not climb the path."""
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def _country(number: str, region: str) -> str:
    """Return the ISO code of the country a caller's number belongs to, "" when it cannot be told."""
    found = understand(number, region)
    return found.country if isinstance(found, NumberFacts) else ""
