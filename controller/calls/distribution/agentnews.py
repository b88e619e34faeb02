"""Tells what agents are doing, once for each change: into the record, and to those who watch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from controller.acd.floor import Floor
from controller.acd.model import AgentId, AgentState
from controller.acd.state import AgentFacts
from controller.calls.distribution.matcher import wall
from controller.cdr.entries import AgentChanged
from controller.ports import Clock

BUSY_S = 0.3
"""A device that is busy for less is told of by nobody: our own leg that is just ending."""
_CLOCK_ERROR_S = 1.0  # by so much the time of day may move against the monotonic clock without that being news


class ToldState(msgspec.Struct, frozen=True):
    """What was last told of an agent."""

    state: str
    presence: str
    reason: str
    until: datetime | None
    queue: str
    call_id: str


class AgentNews:
    """What was told of each agent, and what is to be told now.

    `known` says whether enough is known of an agent to tell anything; `again` asks for another `tell` after a while.
    """

    def __init__(
        self,
        floor: Floor,
        clock: Clock,
        told: Callable[[AgentChanged], None],
        *,
        known: Callable[[AgentId], bool],
        again: Callable[[float], None],
    ) -> None:
        self._floor = floor
        self._clock = clock
        self._entry_told = told
        self._known = known
        self._again = again
        self._postponed: set[AgentId] = set()
        self._last: dict[AgentId, ToldState] = {}
        self._last_at: dict[AgentId, datetime] = {}

    def tell(self, by: str) -> bool:
        """Tell all that has changed since last time, as done `by`; return whether somebody's presence has."""
        now = self._clock.monotonic()
        presence = False
        postponed, self._postponed, wait = self._postponed, set(), False
        for agent in dict.fromkeys((*self._floor.changed(), *sorted(postponed))):
            facts = self._floor.view(agent, now)
            if facts is None:
                continue
            passing = facts.state is AgentState.BUSY and now < facts.since + BUSY_S
            if passing or not self._known(agent):
                self._postponed.add(agent)
                wait |= passing and agent not in postponed
            else:
                presence |= self._tell(facts, by)
        if wait:
            self._again(BUSY_S)
        return presence

    def kept(self) -> dict[str, ToldState]:
        """Return what a restart needs."""
        return {str(agent): told for agent, told in self._last.items()}

    def restore(self, kept: dict[str, ToldState]) -> None:
        """Begin with what an earlier controller told."""
        self._last = {AgentId(agent): told for agent, told in kept.items()}

    def _tell(self, facts: AgentFacts, by: str) -> bool:
        agent = facts.agent
        told = ToldState(
            state=facts.state.value,
            presence=facts.presence.value,
            reason=facts.reason,
            until=None if facts.until is None else wall(self._clock, facts.until),
            queue=facts.queue,
            call_id=facts.call_id,
        )
        before = self._last.get(agent)
        if _same(before, told):
            return False
        self._last[agent] = told
        at = self._clock.now()
        if agent in self._last_at:  # an agent's entries are told apart by their time
            at = max(at, self._last_at[agent] + timedelta(microseconds=1))
        self._last_at[agent] = at
        entry = AgentChanged(
            agent=agent,
            at=at,
            state=told.state,
            presence=told.presence,
            reason=told.reason,
            until=told.until,
            queue=told.queue,
            call_id=told.call_id,
            by=by,
        )
        self._entry_told(entry)
        return before is None or before.presence != told.presence


def _same(before: ToldState | None, after: ToldState) -> bool:
    if before is None or before.until is None or after.until is None:
        return before == after
    moved_s = abs((before.until - after.until).total_seconds())
    return moved_s < _CLOCK_ERROR_S and msgspec.structs.replace(before, until=after.until) == after
