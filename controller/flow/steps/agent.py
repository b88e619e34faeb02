"""Steps for agents who dial in from their own phone: log in and out, pause, go on."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import AgentAct, AgentActed, AgentActKind, Event
from controller.flow.expressions import ValueType
from controller.flow.kinds import Pattern
from controller.flow.refkinds import Variable
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn


class AgentStep(Step, frozen=True, kw_only=True):
    """Who calls is found by the phone that calls; `refused` is taken when it is no agent's, or when it cannot be.

    `save` gives a variable the reason as a word (`unknown_agent`, `in_a_call` …), and "" when it was done.
    """

    act: ClassVar[AgentActKind]
    needs: ClassVar[frozenset[str]] = frozenset({"agents"})

    done: Next
    refused: Next
    save: Annotated[str, Variable(ValueType.TEXT)] = ""

    def enter(self, run: Turn) -> Outcome:
        return AgentAct(self.act)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if not isinstance(event, AgentActed):
            return super().resume(run, event)
        if self.save:
            run.save(self.save, event.refused)
        if not event.refused:
            return Go("done", self.done)
        run.note(refused=event.refused)
        return Go("refused", self.refused)


class AgentLogin(AgentStep, frozen=True, kw_only=True):
    """Begin to take calls."""

    type: ClassVar[str] = "agent_login"
    act: ClassVar[AgentActKind] = AgentActKind.LOGIN


class AgentLogout(AgentStep, frozen=True, kw_only=True):
    """Take no more calls."""

    type: ClassVar[str] = "agent_logout"
    act: ClassVar[AgentActKind] = AgentActKind.LOGOUT


class AgentPause(AgentStep, frozen=True, kw_only=True):
    """Take no calls for a while, for a reason that stands on the board."""

    type: ClassVar[str] = "agent_pause"
    act: ClassVar[AgentActKind] = AgentActKind.PAUSE

    reason: Annotated[str, Pattern(r"[a-z][a-z0-9_-]{0,31}", "a reason in one word, such as lunch")] = "pause"

    def enter(self, run: Turn) -> Outcome:
        return AgentAct(self.act, self.reason)


class AgentResume(AgentStep, frozen=True, kw_only=True):
    """End a pause."""

    type: ClassVar[str] = "agent_resume"
    act: ClassVar[AgentActKind] = AgentActKind.RESUME


class AgentReady(AgentStep, frozen=True, kw_only=True):
    """End the time after a call before it is over."""

    type: ClassVar[str] = "agent_ready"
    act: ClassVar[AgentActKind] = AgentActKind.END_WRAP_UP
