"""No ghosts: what is held by a call that does not run is found twice in a row, then freed.

Calls give back what they hold, whatever ends them. This is for the rest: a bug, a fault, a killed controller whose
calls ended before the next one came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from controller.acd.floor import Floor
from controller.acd.model import AgentId, AgentState

_ENGAGED = (AgentState.OFFERED, AgentState.TALKING)


class Ghost(NamedTuple):
    """Something held in vain: an agent, or with "" a place, a conversation on the boards, or a slot."""

    agent: str
    call_id: str


class GhostWatch:
    """Looks at what is held. `alive` says whether a call runs."""

    def __init__(self, floor: Floor, alive: Callable[[str], bool]) -> None:
        self._floor = floor
        self._alive = alive
        self._suspected: set[Ghost] = set()
        self.freed = 0
        """How many were found since the start."""

    def look(self, calls: Iterable[str], now: float) -> list[Ghost]:
        """Return what is to be freed. `calls`: all that hold a place, a conversation or a slot."""
        found = {Ghost("", call_id) for call_id in calls if not self._alive(call_id)}
        for agent in self._floor.agents():
            facts = self._floor.view(AgentId(agent), now)
            if facts is not None and facts.state in _ENGAGED and not self._alive(facts.call_id):
                found.add(Ghost(agent, facts.call_id))
        ghosts = sorted(found & self._suspected)
        self._suspected = found
        self.freed += len(ghosts)
        return ghosts
