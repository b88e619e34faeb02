"""The `dial` step: talk to an extension of the centre."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import Dial, Dialled, DialOutcome, Event, Play, Played
from controller.flow.kinds import Duration
from controller.flow.refkinds import Prompts, RefTo
from controller.flow.steps.base import Go, Moved, Next, Outcome, Returned, Step, Turn


class DialExtension(Step, frozen=True, kw_only=True):
    """Ring an extension, after a prompt if there is one; `next` once they have talked and the caller stays."""

    type: ClassVar[str] = "dial"
    needs: ClassVar[frozenset[str]] = frozenset({"dial"})
    human: ClassVar[bool] = True

    extension: Annotated[str, RefTo("extension")]
    next: Moved
    busy: Next
    no_answer: Next
    failed: Next
    prompt: Annotated[tuple[str, ...], Prompts(8)] = ()
    ring_s: Annotated[float, Duration(5, 120)] = 25.0
    max_talk_s: Annotated[float, Duration(10, 14_400)] = 14_400.0

    def enter(self, run: Turn) -> Outcome:
        if self.prompt:
            return Play(run.media(self.prompt), bargein=False)
        return self._dial(run)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if isinstance(event, Played):
            return self._dial(run)
        if not isinstance(event, Dialled):
            return super().resume(run, event)
        run.note(outcome=event.outcome.value, cause=event.cause)
        if event.outcome is DialOutcome.TALKED:
            run.note(talk_s=round(event.talk_s, 3))
            return Go("next", self.next)
        if event.outcome is DialOutcome.BUSY:
            return Go("busy", self.busy)
        if event.outcome is DialOutcome.NO_ANSWER:
            return Go("no_answer", self.no_answer)
        return Go("failed", self.failed)

    def _dial(self, run: Turn) -> Dial:
        number = run.next_dial()
        run.note(extension=self.extension, dial=number)
        return Dial(self.extension, number, self.ring_s, self.max_talk_s)
