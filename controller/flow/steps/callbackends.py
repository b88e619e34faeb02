"""Steps about a call-back that was asked for before: find it, cancel it, and never be called again."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import (
    CallbackCancelled,
    CallbackFound,
    CancelCallback,
    Event,
    FindCallback,
    MediaId,
    OptedOut,
    OptOut,
    Play,
    Played,
)
from controller.flow.expressions import ValueType
from controller.flow.refkinds import Prompts, RefTo, Variable
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn


class CallbackFind(Step, frozen=True, kw_only=True):
    """Look for the open request of the caller's number; `callback.*` tells of it then. Says nothing.

    In a call that we made, it is the request it was made for. `unavailable`: the database is away.
    """

    type: ClassVar[str] = "callback_find"
    needs: ClassVar[frozenset[str]] = frozenset({"callback"})

    found: Next
    none: Next
    unavailable: Next
    queue: Annotated[str, RefTo("queue")] = ""

    def enter(self, run: Turn) -> Outcome:
        if run.is_called and run.callback is not None:
            return Go("found", self.found)
        return FindCallback(self.queue)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if not isinstance(event, CallbackFound):
            return super().resume(run, event)
        if event.refused:
            run.note(refused=event.refused)
            return Go("unavailable", self.unavailable)
        run.about(event.request)
        if event.request is None:
            return Go("none", self.none)
        run.note(queue=event.request.queue)
        return Go("found", self.found)


class Ending(Step, frozen=True, kw_only=True):
    """What the steps have in common that end a request: they say so, by a prompt or a notice, and go on."""

    needs: ClassVar[frozenset[str]] = frozenset({"play", "callback"})

    done: Next
    unavailable: Next
    prompt: Annotated[tuple[str, ...], Prompts(4)] = ()
    save: Annotated[str, Variable(ValueType.TEXT)] = ""

    def _confirm(self, run: Turn, notice: str) -> Outcome:
        if self.save:
            run.save(self.save, "")
        heard: tuple[MediaId, ...] = run.media(self.prompt) if self.prompt else run.notice(notice)
        return Play(heard)

    def _refuse(self, run: Turn, reason: str) -> Go:
        run.note(refused=reason)
        if self.save:
            run.save(self.save, reason)
        return Go("unavailable", self.unavailable)


class CallbackCancel(Ending, frozen=True, kw_only=True):
    """Cancel the open request of the caller's number, and say so; `none`: there is none.

    In a call that we made, the customer does not want it any more. `unavailable`: the database is away, or the
    request is past cancelling (`save` gives a variable the reason).
    """

    type: ClassVar[str] = "callback_cancel"

    none: Next
    queue: Annotated[str, RefTo("queue")] = ""

    def enter(self, run: Turn) -> Outcome:
        known = run.callback
        if known is not None and self.queue in ("", known.queue):
            return CancelCallback(known.request)
        return FindCallback(self.queue)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:  # noqa: PLR0911 - one for each event
        match event:
            case CallbackFound(request=request, refused=refused):
                if refused:
                    return self._refuse(run, refused)
                if request is None:
                    return Go("none", self.none)
                run.about(request)
                return CancelCallback(request.request)
            case CallbackCancelled(refused="unknown_request"):
                return Go("none", self.none)
            case CallbackCancelled(refused=refused):
                if refused:
                    return self._refuse(run, refused)
                run.about(None)
                return self._confirm(run, "callback-cancelled")
            case Played():
                return Go("done", self.done)
        return super().resume(run, event)


class NeverAgain(Ending, frozen=True, kw_only=True):
    """Never call the caller's number again, unless its owner asks for it anew, and say so; its requests end.

    `unavailable`: the database is away, or the number was withheld (`save` gives a variable the reason).
    """

    type: ClassVar[str] = "opt_out"

    def enter(self, run: Turn) -> Outcome:
        called = run.callback if run.is_called else None
        return OptOut() if called is None else OptOut(called.request, called.number)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        match event:
            case OptedOut(refused=refused):
                if refused:
                    return self._refuse(run, refused)
                run.about(None)
                return self._confirm(run, "callback-never")
            case Played():
                return Go("done", self.done)
        return super().resume(run, event)
