"""The desk: what agents, supervisors, the API and boards see of the distribution and may ask of it.

`Desk` is implemented by `controller.calls.distribution`; the web API, `rappel board` and feature codes are its users.
All figures are of this moment; reports over time are SQL (`docs/figures.md`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from controller.acd.model import AgentId, AgentView, Refused
from controller.switchboard import Ask


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One queue at one moment. Figures since midnight in the centre's zone are named `today_…`."""

    queue: str
    title: str
    open: bool
    waiting: int
    longest_wait_s: float
    agents_logged_in: int
    agents_free: int
    agents_talking: int
    estimate_s: float | None
    """What a customer who enters now would be told; None when it cannot be said."""
    today_offered: int = 0
    today_answered: int = 0
    today_abandoned: int = 0
    today_short_abandoned: int = 0
    today_in_level: int = 0
    """Answered within the queue's `service_level_s`."""


class WaitingView(msgspec.Struct, frozen=True, kw_only=True):
    """One who waits."""

    call_id: str
    queue: str
    position: int
    entered_at: datetime
    waited_s: float
    priority: int
    number: str
    offered_to: tuple[AgentId, ...] = ()


class TalkView(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation."""

    call_id: str
    queue: str
    agent: AgentId
    number: str
    since: datetime
    on_hold: bool = False
    consulting: str = ""
    parked_slot: int = 0
    recording: str = ""
    """"", on or paused."""
    supervisors: tuple[AgentId, ...] = ()
    request: str = ""
    """The request to be called back that the customer was called for."""
    name: str = ""
    """What the customer told about themselves there."""
    reason: str = ""


class MonitorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something changed. `seq` grows by one for each event of this controller since its start.

    `kind` is a stable word: agent.changed, queue.entered, queue.left, offer.made, offer.ended, talk.started,
    talk.event, talk.ended, call.disposed, message.left, recording.kept, callback.changed,
    callback.attempt. `data` holds the fields of the entry of the
    record of that kind (`controller.cdr.entries`), or the agent's view.
    """

    seq: int
    at: datetime
    kind: str
    queue: str = ""
    agent: str = ""
    call_id: str = ""
    data: dict[str, Any] = {}


class Desk(Protocol):
    """See the module. `by` names who asks, for the record."""

    def agents(self) -> Sequence[AgentView]:
        """Return all agents, by id."""

    def queues(self) -> Sequence[QueueView]:
        """Return all queues, by name."""

    def waiting(self, queue: str = "") -> Sequence[WaitingView]:
        """Return who waits, first one first; in one queue or in all."""

    def talks(self) -> Sequence[TalkView]:
        """Return the conversations, oldest first."""

    def login(self, agent: AgentId, *, by: str) -> Refused | None:
        """Let the agent take calls; None when done (also when logged in already)."""

    def logout(self, agent: AgentId, *, by: str) -> Refused | None:
        """End the agent's shift; refused while a customer is there."""

    def pause(self, agent: AgentId, reason: str, *, by: str, until_s: float | None = None) -> Refused | None:
        """Offer the agent nothing, from now or from the end of the call on, for `until_s` or until resumed."""

    def resume(self, agent: AgentId, *, by: str) -> Refused | None:
        """End a pause."""

    def end_wrap_up(self, agent: AgentId, *, by: str) -> Refused | None:
        """Make the agent ready before the wrap-up time is over."""

    def extend_wrap_up(self, agent: AgentId, seconds: float, *, by: str) -> Refused | None:
        """Give the agent more time, within the queue's `wrap_up_max_s`."""

    def dispose(self, call_id: str, agent: AgentId, code: str, note: str = "") -> Refused | None:
        """Say what became of a call; the code is one of the queue's."""

    async def ask(self, call_id: str, ask: Ask, *, agent: AgentId | None, by: str) -> Refused | None:
        """Put `ask` to a running call and wait for its answer.

        `agent`: who asks, when an agent does: it must be the one who talks there.
        """

    def events(self) -> AsyncIterator[MonitorEvent]:
        """Yield what changes from this call on. A reader that lags by more than 1,000 events is ended."""
