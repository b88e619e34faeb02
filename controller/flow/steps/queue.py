"""The `queue` step: wait for an agent and talk."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from controller.flow.commands import Event, Play, Played, QueueExit, QueueLeft
from controller.flow.findings import Mark
from controller.flow.kinds import Duration, Integer, Nested
from controller.flow.queuekinds import KEY, MAX_PRIORITY, Grades
from controller.flow.reading import Context
from controller.flow.refkinds import Exit, Prompts, RefTo
from controller.flow.steps.base import Go, Moved, Next, Outcome, Returned, Step, Turn


class CallbackKey(msgspec.Struct, frozen=True):
    """The key by which a caller asks to be called back, offered after a time."""

    key: Annotated[str, KEY]
    go: Moved
    after_s: Annotated[float, Duration(0, 14_400)] = 60.0


class MessageKey(msgspec.Struct, frozen=True):
    """The key by which a caller leaves a message instead, offered after a time."""

    key: Annotated[str, KEY]
    go: Moved
    after_s: Annotated[float, Duration(0, 14_400)] = 0.0


class WaitInQueue(Step, frozen=True, kw_only=True):
    """Wait in a queue until an agent answers, and talk; `next` once they have talked and the caller stays.

    Who comes back to the same queue within two minutes, without having talked there, has the old place again.
    """

    type: ClassVar[str] = "queue"
    needs: ClassVar[frozenset[str]] = frozenset({"queue"})
    human: ClassVar[bool] = True
    at_once: ClassVar[frozenset[str]] = frozenset({"full", "closed", "no_agents", "failed"})

    queue: Annotated[str, RefTo("queue")]
    next: Moved
    timeout: Next
    full: Next
    closed: Next
    failed: Next
    no_agents: Annotated[str, Exit()] = ""
    prompt: Annotated[tuple[str, ...], Prompts(8)] = ()
    priority: Annotated[int, Integer(0, MAX_PRIORITY)] = 0
    skills: Annotated[dict[str, int], Grades()] = {}
    wait_s: Annotated[float | None, Duration(5, 14_400)] = None
    offer_callback: Annotated[CallbackKey | None, Nested(CallbackKey)] = None
    leave_message: Annotated[MessageKey | None, Nested(MessageKey)] = None

    def examine(self, ctx: Context, mark: Mark) -> None:
        callback, message = self.offer_callback, self.leave_message
        if callback is not None and message is not None and callback.key == message.key:
            text = f"the key {callback.key} stands for a call-back and for a message"
            ctx.findings.error(mark, "ambiguous-choice", text, "give each a key of its own")

    def enter(self, run: Turn) -> Outcome:
        if self.prompt:
            return Play(run.media(self.prompt), bargein=False)
        return self._wait(run)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if isinstance(event, Played):
            return self._wait(run)
        if not isinstance(event, QueueLeft):
            return super().resume(run, event)
        run.note(left=event.exit.value, waited_s=round(event.waited_s, 3))
        if event.queue != self.queue:
            run.note(last_queue=event.queue)
        if event.agent:
            run.note(agent=event.agent, talk_s=round(event.talk_s, 3))
        return self._leave(event.exit)

    def _wait(self, run: Turn) -> Outcome:
        callback, message = self.offer_callback, self.leave_message
        return run.enqueue(
            self.queue,
            priority=self.priority,
            needs=self.skills,
            wait_s=self.wait_s,
            callback=(callback.key, callback.after_s) if callback else None,
            message=(message.key, message.after_s) if message else None,
            no_agents=bool(self.no_agents),
        )

    def _leave(self, how: QueueExit) -> Go:
        if how is QueueExit.CALLBACK and self.offer_callback is not None:
            return Go("offer_callback", self.offer_callback.go)
        if how is QueueExit.MESSAGE and self.leave_message is not None:
            return Go("leave_message", self.leave_message.go)
        if how is QueueExit.NO_AGENTS and not self.no_agents:
            return Go("timeout", self.timeout)
        exits = {
            QueueExit.TALKED: ("next", self.next),
            QueueExit.TIMEOUT: ("timeout", self.timeout),
            QueueExit.FULL: ("full", self.full),
            QueueExit.CLOSED: ("closed", self.closed),
            QueueExit.NO_AGENTS: ("no_agents", self.no_agents),
        }
        name, target = exits.get(how, ("failed", self.failed))
        return Go(name, target)
