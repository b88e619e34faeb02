"""What is known on the floor at this moment, and what others read of it: places, estimates, counts, states."""

from __future__ import annotations

from typing import Final

import msgspec

from controller.acd.estimate import Pace
from controller.acd.line import Line, Waiting
from controller.acd.model import AgentAccount, AgentId, AgentState, Entry, EntryId, Queue
from controller.acd.roster import Roster
from controller.acd.state import AgentFacts
from controller.acd.timers import Timers

_ON_DUTY: Final = (
    AgentState.FREE,
    AgentState.OFFERED,
    AgentState.TALKING,
    AgentState.WRAP_UP,
    AgentState.BUSY,
)


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One queue at one moment."""

    waiting: int
    offered: int
    """Of these, how many have an agent's phone ringing."""
    longest_wait_s: float
    logged_in: int
    on_duty: int
    """Logged in, reachable, not paused."""
    free: int
    talking: int
    """Agents of the queue in a conversation, of whatever queue."""


class WaitingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One who waits, at one moment."""

    entry: Entry
    position: int
    waited_s: float
    offered_to: tuple[AgentId, ...]


class Books:
    """The floor without what changes it: `controller.acd.floor.Floor` is that."""

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}
        self._roster = Roster()
        self._line = Line()
        self._timers: Timers[EntryId] = Timers()
        self._paces: dict[str, Pace] = {}
        self._again: dict[EntryId, dict[AgentId, float]] = {}
        """Of those who waited before a restart and have not entered again."""

    # --- what others read

    def view(self, agent: AgentId, now: float) -> AgentFacts | None:
        """Return what an agent is doing; None for who is not known."""
        self._advance(now)
        return self._roster.view(agent)

    def agents(self) -> tuple[AgentId, ...]:
        """Return all agents, by id."""
        return tuple(sorted(self._roster.agents))

    def account(self, agent: AgentId) -> AgentAccount | None:
        """Return an agent's account."""
        known = self._roster.agents.get(agent)
        return known.account if known else None

    def changed(self) -> tuple[AgentId, ...]:
        """Return whose facts changed since last asked (who is gone included)."""
        return self._roster.changed()

    def position(self, entry_id: EntryId) -> int:
        """Return the place in the own queue by the order of `controller.acd.line`, from 1; 0 when not waiting."""
        waiting = self._line.waiting.get(entry_id)
        return self._line.position(waiting) if waiting else 0

    def estimate_s(self, entry_id: EntryId) -> float | None:
        """Return how long the entry may still wait, None when that cannot be said."""
        waiting = self._line.waiting.get(entry_id)
        if waiting is None:
            return None
        queue = waiting.entry.queue
        return self._paces[queue].estimate_s(self._line.position(waiting), self._on_duty(queue))

    def estimate_new_s(self, queue: str) -> float | None:
        """Return what one who enters the queue now, without priority, would be told; 0 when somebody is free."""
        if queue not in self._queues:
            return None
        waiting = self._line.count(queue)
        if not waiting and self._of(queue, AgentState.FREE):
            return 0.0
        return self._paces[queue].estimate_s(waiting + 1, self._on_duty(queue))

    def staffed(self, queue: str) -> bool:
        """Tell whether anybody who serves the queue is logged in."""
        crew = self._roster.crew
        return bool(crew.serving(queue) & ~crew.in_state(AgentState.LOGGED_OUT))

    def counts(self, queue: str, now: float) -> QueueCounts:
        """Return the queue's figures at this moment."""
        self._advance(now)
        crew = self._roster.crew
        line = list(self._line.ordered(queue))
        serving = crew.serving(queue)
        return QueueCounts(
            waiting=len(line),
            offered=sum(1 for each in line if each.ringing),
            longest_wait_s=max((now - each.began for each in line), default=0.0),
            logged_in=(serving & ~crew.in_state(AgentState.LOGGED_OUT)).bit_count(),
            on_duty=self._on_duty(queue),
            free=self._of(queue, AgentState.FREE),
            talking=self._of(queue, AgentState.TALKING),
        )

    def line(self, queue: str, now: float) -> list[WaitingFacts]:
        """Return who waits in `queue` as their own, first one first."""
        self._advance(now)
        return [
            WaitingFacts(entry=each.entry, position=place, waited_s=now - each.began, offered_to=tuple(each.ringing))
            for place, each in enumerate(self._line.ordered(queue), start=1)
        ]

    def waiting_of(self, entry_id: EntryId, now: float) -> tuple[Entry, float] | None:
        """Return the entry and how much of its longest wait is left; None when not waiting."""
        waiting = self._line.waiting.get(entry_id)
        return (waiting.entry, waiting.began + waiting.wait_s - now) if waiting else None

    # --- inside

    def _advance(self, now: float) -> None:
        """Do what was due until now."""
        self._roster.tick(now)
        for _, entry_id in self._timers.pop_due(now):
            self._place(self._line.waiting[entry_id], now)

    def _place(self, waiting: Waiting, now: float) -> None:
        self._timers.set(waiting.entry.entry, self._line.place(waiting, self._queues, now))

    def _of(self, queue: str, state: AgentState) -> int:
        crew = self._roster.crew
        return (crew.serving(queue) & crew.in_state(state)).bit_count()

    def _on_duty(self, queue: str) -> int:
        return sum(self._of(queue, state) for state in _ON_DUTY)
