"""What the parts of one visit to the queues share: the call's means, and how far the visit has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from controller.acd.model import AgentAccount, AgentId, EntryId
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.places import Places
from controller.errors import AsteriskRefused
from controller.flow.commands import Enqueue, VisitProgress
from controller.flow.queues import QueuePlan
from controller.flow.visits import NEW
from controller.ports import Clock
from controller.switchboard import Switchboard

log = structlog.get_logger(__name__)

WAITING = "waiting"
OFFERING = "offering"
CONNECTING = "connecting"
"""Phases of `VisitProgress` in which the visit has the call; in every other one a conversation has it."""
ANNOUNCED = "announced"
"""Key of `VisitProgress.detail`: the caller has been told that the conversation is recorded."""
NOTES = "visit"
"""Key of `VisitProgress.detail`: the visit's own notes, while it lasts."""


class OfferNote(msgspec.Struct, frozen=True):
    """An offer that may still be alive: its number, whom it rings, by which queue's rules, on which legs."""

    offer: int
    agent: AgentId
    queue: str
    legs: tuple[int, ...]


class VisitNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What a visit keeps of itself in `VisitProgress.detail`, under a name of its own.

    `began_at` is when the command began, `visit_at` when this queue was entered (neither is the original entry time),
    `until` when the longest wait in it is over.
    """

    began_at: datetime
    visit_at: datetime
    until: datetime
    priority: int = 0
    needs: dict[str, int] = {}
    excluded: tuple[AgentId, ...] = ()
    """Agents who shall not get this customer as long as the visit lasts (who sent them here)."""
    from_agent: str = ""
    offers: tuple[OfferNote, ...] = ()
    ring_until: datetime | None = None
    talk_s: float = 0.0
    agent: str = ""
    """Of the conversations that are over: their length, and who talked last."""


@dataclass(slots=True)
class Stay:
    """One call while an `Enqueue` is performed. `keep` writes progress down; it is durable when it returns."""

    board: Switchboard
    places: Places
    plans: Mapping[str, QueuePlan]
    call: CallRef
    command: Enqueue
    clock: Clock
    write: Callable[[VisitProgress], None]
    progress: VisitProgress = field(init=False)
    notes: VisitNotes = field(init=False)
    entered: bool = field(init=False)
    """The record knows of this visit: an earlier controller began it, or we did."""

    def __post_init__(self) -> None:
        command, now = self.command, self.clock.now()
        saved = command.progress or VisitProgress(visit=command.number)
        kept = None if saved.phase == NEW else saved.detail.get(NOTES)
        self.progress = saved
        self.entered = kept is not None
        if kept is not None:
            self.notes = msgspec.convert(kept, VisitNotes)
        else:
            until = command.entered_at + timedelta(seconds=command.wait_s)
            self.progress = msgspec.structs.replace(saved, queue=command.queue, phase=WAITING)
            self.notes = VisitNotes(
                began_at=now, visit_at=now, until=until, priority=command.priority, needs=command.needs
            )

    @property
    def entry(self) -> EntryId:
        """Who waits: the call."""
        return EntryId(self.call.call_id)

    @property
    def plan(self) -> QueuePlan:
        """The queue the visit is in."""
        return self.plans[self.progress.queue]

    @property
    def announced(self) -> bool:
        """Whether what the caller hears before being recorded has been said, in this call."""
        return bool(self.progress.detail.get(ANNOUNCED))

    def keep(self, **changes: Any) -> None:
        """Change fields of the progress, and write it down with the notes as they are."""
        detail = {**self.progress.detail, **changes.pop("detail", {}), NOTES: msgspec.to_builtins(self.notes)}
        self.take(msgspec.structs.replace(self.progress, detail=detail, **changes))

    def take(self, progress: VisitProgress) -> None:
        """Go on from `progress`, which a conversation may have changed, and write it down."""
        self.progress = progress
        self.write(progress)

    def note(self, **changes: Any) -> None:
        """Change notes; written with the next `keep`."""
        self.notes = msgspec.structs.replace(self.notes, **changes)

    def let_go(self, leg: int) -> None:
        """Only `leg` is left, and goes into a conversation, which writes that down with the first it keeps."""
        self.note(offers=())
        detail = {**self.progress.detail, NOTES: msgspec.to_builtins(self.notes)}
        self.progress = msgspec.structs.replace(self.progress, legs=(leg,), detail=detail)

    def account(self, agent: AgentId) -> AgentAccount:
        """Return an agent's account; a bare one when it was deleted meanwhile."""
        return self.places.account(agent) or AgentAccount(agent=agent, name=agent, extension="")

    def waited_s(self) -> float:
        """Return how long this queue has been waited in."""
        return (self.clock.now() - self.notes.visit_at).total_seconds()


@contextmanager
def unless_gone(what: str) -> Iterator[None]:
    """Go on when Asterisk refuses `what`: whoever has gone is told by the stream, and music is not worth a call."""
    try:
        yield
    except AsteriskRefused as error:
        log.info("queue.refused_by_asterisk", what=what, error=str(error))
