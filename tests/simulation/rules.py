"""What holds all day long, whatever people do. Looked at from outside: by the exchange's parties and the record."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from controller.acd.matching import Assignment
from controller.acd.model import AgentState, OfferOutcome
from controller.acd.skills import fit
from controller.cdr.entries import (
    AgentChanged,
    OfferEnded,
    OfferMade,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkStarted,
)
from tests.rig.virtualtime import turns
from tests.simulation.world import PLAIN, Day

_QUEUES = ("billing", "sales", "support", "vip")
_TURN_S = 0.005
"""By then the floor's timer has fired (`matcher._TIMER_SLACK_S`) and everybody is matched."""


@dataclass
class Watch:
    """Looks at a day now and then; `broken` holds what was found, empty on a good day."""

    day: Day
    broken: list[str] = field(default_factory=list)
    looks: int = 0
    most_waiting: int = 0
    most_talking: int = 0

    def __post_init__(self) -> None:
        self.attend()

    def attend(self) -> None:
        """Look at every match of the controller that runs now."""
        floor = self.day.distributor.floor
        original = floor.match

        def match(now: float) -> list[Assignment]:
            dealt = original(now)
            self._nobody_overtaken(dealt, now)
            return dealt

        floor.match = match  # type: ignore[method-assign]

    def _say(self, what: str) -> None:
        if len(self.broken) < 50:
            self.broken.append(f"{self.day.clock.now():%H:%M:%S} {what}")

    def _nobody_overtaken(self, dealt: list[Assignment], now: float) -> None:
        """In the plain queue the first goes first: unless this agent has just not taken that one."""
        floor = self.day.distributor.floor
        for assignment in dealt:
            if assignment.queue != PLAIN:
                continue
            for facts in floor.line(PLAIN, now):
                if facts.entry.entry == assignment.entry:
                    break
                waiting = floor._line.waiting[facts.entry.entry]
                barred = facts.entry.excluded.union(waiting.again_at)
                if not facts.offered_to and not set(assignment.agents) <= barred:
                    self._say(f"{assignment.entry} overtook {facts.entry.entry}")

    async def look(self) -> None:
        """Compare what the distribution says with what is there."""
        day = self.day
        await turns(3)  # whatever has just happened is matched by then
        self.looks += 1
        waiting, talking = await self._free_agents_have_nobody(), 0
        for account in day.accounts:
            up = day.up(account.extension)
            state = next(each for each in self._states if each[0] == account.agent)[1]
            talking += state is AgentState.TALKING
            if len(up) > 1:
                self._say(f"{account.agent} is in {len(up)} calls")
            if len(day.streets.in_use.get(account.extension, ())) > 1:
                self._say(f"{account.agent}'s phone rings in a call")
            if state is AgentState.FREE and up:
                self._say(f"{account.agent} is free and in a call")
        self.most_waiting = max(self.most_waiting, waiting)
        self.most_talking = max(self.most_talking, talking)

    async def _free_agents_have_nobody(self) -> int:
        """Nobody waits for whom an agent is free who fits; return how many wait.

        Who has just become free by time alone (a pause is over) is matched when the floor's timer fires, a
        millisecond later: what is found is looked at once more.
        """
        count, found = self._free_for_nobody()
        if found:
            await asyncio.sleep(_TURN_S)
            count, still = self._free_for_nobody()
            for said in sorted(found & still):
                self._say(said)
        return count

    def _free_for_nobody(self) -> tuple[int, set[str]]:
        """Return how many wait, and who is free for whom."""
        day, floor = self.day, self.day.distributor.floor
        now = day.clock.monotonic()
        self._states = [(each.agent, each.state) for each in day.desk.agents()]
        states = dict(self._states)
        free = [each for each in day.accounts if states[each.agent] is AgentState.FREE]
        count, found = 0, set[str]()
        for queue in _QUEUES:
            for facts in floor.line(queue, now):
                count += 1
                waiting = floor._line.waiting[facts.entry.entry]
                if facts.offered_to or facts.entry.sticky is not None:
                    continue
                for account in free:
                    barred = account.agent in waiting.again_at and waiting.again_at[account.agent] > now
                    if not barred and fit(account, facts.entry, floor._queues, waiting.began, now):
                        found.add(f"{account.agent} is free for {facts.entry.entry}")
        return count, found

    # --- at the end ---------------------------------------------------------------------------------------------

    def the_record_is_whole(self) -> None:
        """Everything that began in the record has ended there, once, in order; nobody is left anywhere."""
        entries = self.day.recorder.entries
        self._paired(
            "visit",
            [(e.call_id, e.visit) for e in entries if isinstance(e, QueueEntered)],
            [(e.call_id, e.visit) for e in entries if isinstance(e, QueueExited)],
        )
        self._paired(
            "offer",
            [(e.call_id, e.offer) for e in entries if isinstance(e, OfferMade)],
            [(e.call_id, e.offer) for e in entries if isinstance(e, OfferEnded)],
        )
        self._paired(
            "talk",
            [(e.call_id, e.talk) for e in entries if isinstance(e, TalkStarted)],
            [(e.call_id, e.talk) for e in entries if isinstance(e, TalkEnded)],
        )
        entered = {e.call_id for e in entries if isinstance(e, QueueEntered)}
        for call_id, customer in self.day.customers.items():
            if not customer.over:
                self._say(f"{call_id} never ended")
            if call_id not in entered:
                self._say(f"{call_id} is not in the record")
        for account in self.day.accounts:
            if self.day.streets.in_use.get(account.extension):
                self._say(f"{account.agent}'s phone is still in use")
        if self.day.streets.parties:
            self._say(f"{len(self.day.streets.parties)} parties are left")
        if self.day.distributor.ghosts.freed:
            self._say(f"{self.day.distributor.ghosts.freed} ghosts")

    def _paired(self, what: str, begun: list[tuple[str, int]], ended: list[tuple[str, int]]) -> None:
        for key, count in (Counter(begun) - Counter(ended)).items():
            self._say(f"{what} {key} began {count} times more than it ended")
        for key, count in (Counter(ended) - Counter(begun)).items():
            self._say(f"{what} {key} ended {count} times more than it began")
        for key, count in Counter(begun).items():
            if count > 1:
                self._say(f"{what} {key} began {count} times")

    def agents_take_one_at_a_time(self) -> None:
        """By the record: an agent's offers and talks never overlap, and free time lies between."""
        ringing: dict[str, str] = {}
        offers: dict[tuple[str, int], str] = {}
        for entry in self.day.recorder.entries:
            if isinstance(entry, OfferMade):
                if entry.agent in ringing:
                    self._say(f"{entry.agent} is offered {entry.call_id} in {ringing[entry.agent]}")
                ringing[entry.agent] = entry.call_id
                offers[entry.call_id, entry.offer] = entry.agent
            elif isinstance(entry, OfferEnded) and entry.outcome != OfferOutcome.CONNECTED:
                ringing.pop(offers[entry.call_id, entry.offer], None)
            elif isinstance(entry, AgentChanged) and entry.state not in {"offered", "talking"}:
                ringing.pop(entry.agent, None)
            elif isinstance(entry, TalkEnded):  # whom nobody saw leave: the agent may be offered the next at once
                ringing = {agent: call_id for agent, call_id in ringing.items() if call_id != entry.call_id}

    # --- figures ------------------------------------------------------------------------------------------------

    def estimates(self) -> list[tuple[str, float, float]]:
        """Return (queue, what was said at the entry, what the wait came to) of who was answered."""
        said: dict[tuple[str, int], QueueEntered] = {}
        found = []
        for entry in self.day.recorder.entries:
            if isinstance(entry, QueueEntered):
                said[entry.call_id, entry.visit] = entry
            elif isinstance(entry, QueueExited) and entry.exit == "connected":
                before = said[entry.call_id, entry.visit]
                if before.estimate_s is not None and before.position > 0:
                    found.append((before.queue, before.estimate_s, (entry.at - before.at).total_seconds()))
        return found

    def exits(self) -> dict[str, int]:
        """Return how the waits ended."""
        counted: dict[str, int] = defaultdict(int)
        for entry in self.day.recorder.entries:
            if isinstance(entry, QueueExited):
                counted[entry.exit] += 1
        return dict(counted)
