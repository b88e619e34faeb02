"""Steps that speak: `say`, `hangup`, and `language`, which decides how."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import Event, Hangup, Play
from controller.flow.kinds import Flag, Word
from controller.flow.refkinds import Prompts, RefTo
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn

CAUSES = {"normal": 16, "busy": 17, "no_answer": 19, "rejected": 21, "unavailable": 38}
"""Q.850 causes that a flow may end a call with."""


class Say(Step, frozen=True, kw_only=True):
    """Play a prompt, then go on. A digit stops it, unless `bargein: false`, and counts for the next entry."""

    type: ClassVar[str] = "say"
    needs: ClassVar[frozenset[str]] = frozenset({"play"})

    prompt: Annotated[tuple[str, ...], Prompts(8)]
    next: Next
    bargein: Annotated[bool, Flag()] = True

    def enter(self, run: Turn) -> Outcome:
        return Play(run.media(self.prompt), self.bargein)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        return Go("next", self.next)


class HangUp(Step, frozen=True, kw_only=True):
    """End the call, after a prompt if there is one."""

    type: ClassVar[str] = "hangup"
    needs: ClassVar[frozenset[str]] = frozenset({"play"})
    after_hangup: ClassVar[bool] = True
    ends: ClassVar[bool] = True

    prompt: Annotated[tuple[str, ...], Prompts(8)] = ()
    cause: Annotated[str, Word(*CAUSES)] = "normal"

    def enter(self, run: Turn) -> Outcome:
        if self.prompt:
            return Play(run.media(self.prompt), bargein=False)
        return Hangup(CAUSES[self.cause])

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        return Hangup(CAUSES[self.cause])


class Language(Step, frozen=True, kw_only=True):
    """Go on in another language of the flow."""

    type: ClassVar[str] = "language"
    after_hangup: ClassVar[bool] = False

    to: Annotated[str, RefTo("language")]
    next: Next

    def enter(self, run: Turn) -> Outcome:
        run.speak(self.to)
        return Go("next", self.next)
