"""The `voicemail` step: leave a message for a queue."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import (
    Collect,
    Collected,
    Command,
    DigitRules,
    Event,
    HungUp,
    KeepMessage,
    MediaId,
    MessageKept,
    Play,
    Record,
    Recorded,
)
from controller.flow.kinds import Duration, Flag
from controller.flow.queuekinds import KEY
from controller.flow.refkinds import Prompts, RefTo
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn

SAID_S = 1.0
"""A recording below this is a hang-up or a breath, not a message."""
MAX_TAKES = 4
MAX_ROUNDS = 8
SEND, LISTEN, AGAIN = "1", "2", "3"


class Voicemail(Step, frozen=True, kw_only=True):
    """Record a message, let the caller hear and change it, and keep it for the queue; a hang-up keeps it too.

    `none` is taken when nothing was said, twice. The whole is bounded: four recordings, eight answers to the
    question what to do with one; then, as after silence, the last recording is kept.
    """

    type: ClassVar[str] = "voicemail"
    needs: ClassVar[frozenset[str]] = frozenset({"play", "collect", "record"})
    human: ClassVar[bool] = True

    queue: Annotated[str, RefTo("queue")]
    next: Next
    none: Next
    prompt: Annotated[tuple[str, ...], Prompts(8)] = ()
    max_s: Annotated[float, Duration(5, 1800)] = 180.0
    silence_s: Annotated[float, Duration(1, 60)] = 5.0
    end: Annotated[str, KEY] = "#"
    review: Annotated[bool, Flag()] = True

    def enter(self, run: Turn) -> Outcome:
        greeting = run.media(self.prompt) if self.prompt else run.greeting(self.queue)
        return self._record(run, greeting)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if isinstance(event, Recorded):
            return self._recorded(run, event.duration_s)
        if isinstance(event, Collected):
            return self._chosen(run, event.digits)
        if isinstance(event, MessageKept):
            run.note(kept=True)
            return Play(run.notice("message-kept"))
        if run.local.get("empty"):
            return Go("none", self.none)
        return Go("next", self.next)

    def gone(self, run: Turn, event: HungUp) -> Command | None:
        local = run.local
        if local.pop("recording", False):
            local["seconds"] = event.recorded_s
            run.note(seconds=round(event.recorded_s, 3))
        seconds = local.get("seconds", 0.0)
        if local.get("kept") or seconds < SAID_S:
            return None
        return self._keep(run)

    def _record(self, run: Turn, before: tuple[MediaId, ...]) -> Outcome:
        local = run.local
        local["takes"] = local.get("takes", 0) + 1
        local["number"] = run.next_recording()
        local["recording"] = True
        local["seconds"] = 0.0
        run.note(queue=self.queue, recording=local["number"])
        return Record(before, local["number"], self.max_s, self.silence_s, self.end)

    def _recorded(self, run: Turn, seconds: float) -> Outcome:
        local = run.local
        local["recording"] = False
        local["seconds"] = seconds
        run.note(seconds=round(seconds, 3))
        if seconds >= SAID_S:
            return self._ask(run, ()) if self.review else self._keep(run)
        local["silent"] = local.get("silent", 0) + 1
        if local["silent"] > 1 or local["takes"] >= MAX_TAKES:
            local["empty"] = True
            return Play(run.notice("message-empty"))
        return self._record(run, run.notice("message-empty") + run.greeting(self.queue))

    def _ask(self, run: Turn, before: tuple[MediaId, ...]) -> Outcome:
        first_digit_s = run.defaults.first_digit_s
        rules = DigitRules(first_digit_s=first_digit_s, choices=(SEND, LISTEN, AGAIN))
        return Collect((*before, *run.notice("message-review")), rules)

    def _chosen(self, run: Turn, digits: str) -> Outcome:
        local = run.local
        local["rounds"] = local.get("rounds", 0) + 1
        run.pressed(digits)
        last = local["rounds"] >= MAX_ROUNDS
        if digits in ("", SEND) or last:
            return self._keep(run)
        if digits == LISTEN:
            return self._ask(run, (f"recording/{local['number']}",))
        if digits == AGAIN and local["takes"] < MAX_TAKES:
            return self._record(run, ())
        return self._ask(run, ())

    def _keep(self, run: Turn) -> KeepMessage:
        run.local["kept"] = True
        return KeepMessage(self.queue, run.local["number"], run.local["seconds"])
