"""The floor: who waits, who could take it, and who gets whom. The one door to `controller.acd` for the calls layer.

Pure: each call hands in `now`, seconds on one monotonic clock that never goes back; what time alone changes is done
at the next call of anything, at its own time, and `next_due` says when to come again. `match` is to be called
whenever something has happened; when nothing has, it costs nothing.

Rules as published: `controller.acd.line` (the order), `controller.acd.skills` (who fits, handicaps),
`controller.acd.matching` (who gets whom), `controller.acd.estimate` (the wait).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from controller.acd.agents import AgentMemory
from controller.acd.books import Books, QueueCounts, WaitingFacts
from controller.acd.estimate import Pace, PaceMemory
from controller.acd.line import Lane, Waiting
from controller.acd.matching import Assignment, deal
from controller.acd.model import (
    BLAMED,
    AgentAccount,
    AgentId,
    AgentState,
    Entry,
    EntryId,
    OfferOutcome,
    Queue,
    Refused,
)
from controller.acd.state import Engagement, EngagementKind

__all__ = ["Assignment", "Floor", "FloorMemory", "QueueCounts", "WaitingFacts"]

AGAIN_S: Final = 30.0
"""A customer whom an agent did not take is offered to that agent again after this, if nobody else took them."""
NEWCOMER_S: Final = 1.0
"""Who has waited less is turned away by a full queue; who has waited longer keeps the place (restart, escalation)."""

_NOT_TAKEN: Final = BLAMED | {OfferOutcome.BUSY, OfferOutcome.FAILED}
_NOT_RUNG: Final = frozenset({OfferOutcome.BUSY, OfferOutcome.FAILED})


class FloorMemory(msgspec.Struct, frozen=True):
    """What must survive a restart, as plain data. Who waits and who talks is told anew by the calls themselves."""

    agents: tuple[AgentMemory, ...] = ()
    paces: dict[str, PaceMemory] = {}
    again: dict[EntryId, dict[AgentId, float]] = {}
    """When one who waits may be offered again to an agent who did not take them; seconds from the snapshot."""


def _unknown_queue(name: str) -> Refused:
    return Refused("unknown_queue", f"There is no queue {name}.", "Look at the names under queues in centre.yaml.")


def _full(queue: Queue) -> Refused:
    return Refused("queue_full", f"{queue.capacity} wait in {queue.name} already.", "Try again later.")


class Floor(Books):
    """See the module. Every method may be called again with the same facts."""

    # --- what is declared

    def set_queues(self, queues: Iterable[Queue], now: float) -> list[EntryId]:
        """Take over the queues; return who waited in one that is gone: their places are given up."""
        self._advance(now)
        self._queues = {queue.name: queue for queue in queues}
        for name in self._queues:
            self._paces.setdefault(name, Pace())
        lost = [each for each in self._line.waiting.values() if each.entry.queue not in self._queues]
        for each in lost:
            self._remove(each, now)
        for each in list(self._line.waiting.values()):
            self._place(each, now)
        return sorted(each.entry.entry for each in lost)

    def set_accounts(self, accounts: Iterable[AgentAccount], now: float) -> None:
        """Take over the agents' accounts. A conversation of one who is gone or disabled is not touched."""
        self._advance(now)
        self._roster.set_accounts(accounts, now)

    # --- what agents ask for

    def login(self, agent: AgentId, now: float) -> Refused | None:
        """Begin the shift; None when done, also when logged in already."""
        self._advance(now)
        return self._roster.login(agent, now)

    def logout(self, agent: AgentId, now: float) -> Refused | None:
        """End the shift; refused while a call is there."""
        self._advance(now)
        return self._roster.logout(agent, now)

    def pause(self, agent: AgentId, reason: str, now: float, until: float | None = None) -> Refused | None:
        """Offer nothing more, until then or until resumed; a call and its wrap-up go on to their end."""
        self._advance(now)
        return self._roster.pause(agent, reason, now, until)

    def resume(self, agent: AgentId, now: float) -> Refused | None:
        """End a pause."""
        self._advance(now)
        return self._roster.resume(agent, now)

    def end_wrap_up(self, agent: AgentId, now: float) -> Refused | None:
        """Be ready before the wrap-up's time is over."""
        self._advance(now)
        return self._roster.end_wrap_up(agent, now)

    def extend_wrap_up(self, agent: AgentId, seconds: float, now: float) -> Refused | None:
        """Take more time for the wrap-up, within the queue's `wrap_up_max_s`."""
        self._advance(now)
        return self._roster.extend_wrap_up(agent, seconds, now)

    def device(self, agent: AgentId, *, reachable: bool, busy: bool, now: float) -> None:
        """Note the agent's device: registered; in a conversation that is not ours. Unknown agents are ignored."""
        self._advance(now)
        self._roster.device(agent, reachable=reachable, busy=busy, now=now)

    # --- the line

    def enter(self, entry: Entry, now: float, *, waited_s: float, wait_s: float) -> Refused | None:
        """Take a place, `waited_s` after the original entry. An entry that waits already keeps its place.

        Entered again with other needs, priority or exclusions, these hold from now on. `wait_s` is kept for who asks
        (`waiting_of`): the visit ends the wait, not the floor.
        """
        self._advance(now)
        queue = self._queues.get(entry.queue)
        if queue is None:
            return _unknown_queue(entry.queue)
        known = self._line.waiting.get(entry.entry)
        if known is not None:
            self._replace(known, entry, known.began, wait_s, now)
            return None
        if waited_s < NEWCOMER_S and 0 < queue.capacity <= self._line.count(entry.queue):
            return _full(queue)
        self._observe(entry.queue, now)
        waiting = Waiting(entry, now - waited_s, wait_s)
        waiting.again_at = self._again.pop(entry.entry, {})
        self._line.waiting[entry.entry] = waiting
        self._place(waiting, now)
        self._observe(entry.queue, now)
        return None

    def leave(self, entry_id: EntryId, now: float, *, abandoned: bool = True) -> None:
        """Give the place up. Agents whose phones still ring for it stay engaged until `offer_ended`.

        `abandoned`: the customer has lost patience, which estimates learn from.
        """
        self._advance(now)
        waiting = self._line.waiting.get(entry_id)
        if waiting is None:
            return
        queue = waiting.entry.queue
        self._remove(waiting, now)
        if abandoned:
            self._paces[queue].abandoned()

    def move(self, entry_id: EntryId, queue: str, now: float) -> Refused | None:
        """Let one who waits wait in another queue, the original entry time kept."""
        self._advance(now)
        waiting = self._line.waiting.get(entry_id)
        if waiting is None:
            return Refused("not_waiting", "The customer does not wait any more.", "Look at the board again.")
        rules = self._queues.get(queue)
        if rules is None:
            return _unknown_queue(queue)
        if queue == waiting.entry.queue:
            return None
        if 0 < rules.capacity <= self._line.count(queue):
            return _full(rules)
        entry = msgspec.structs.replace(waiting.entry, queue=queue)
        self._replace(waiting, entry, waiting.began, waiting.wait_s, now)
        return None

    # --- who gets whom

    def match(self, now: float) -> list[Assignment]:
        """Match those who wait with the free agents, and engage these. Afterwards nobody free fits who waits.

        (But for customers kept for their sticky agent.) An entry under offer is not matched again until all its
        offers have ended.
        """
        self._advance(now)
        lanes = self._stirred()
        if not lanes:
            return []
        dealt = deal(lanes, self._roster.crew, self._queues)
        for assignment in dealt:
            waiting = self._line.waiting[assignment.entry]
            for agent in assignment.agents:
                offer = Engagement(EngagementKind.OFFERED, assignment.entry, assignment.queue, now)
                self._roster.engage(agent, offer, now)
                waiting.ringing[agent] = assignment.queue
            self._line.hide(waiting)
        return dealt

    def offer_ended(self, entry_id: EntryId, agent: AgentId, outcome: OfferOutcome, now: float) -> None:
        """An offer came to nothing: the agent is free again, or paused, or rests; the customer waits on in place.

        Told again, or of an agent who is engaged otherwise by now, it changes nothing for the agent.
        """
        self._advance(now)
        known = self._roster.agents.get(agent)
        if known is not None and known.engagement is not None and known.engagement.call_id == entry_id:
            if known.engagement.kind is EngagementKind.TALKING:
                return
            rules = self._rules(known.engagement.queue)
            if outcome in BLAMED:
                self._roster.missed(agent, rules.missed_pause_s, now)
            elif outcome in _NOT_RUNG:
                self._roster.rest(agent, now)
            self._roster.release(agent, now, rules, wrap_up=False)
        waiting = self._line.waiting.get(entry_id)
        if waiting is None or agent not in waiting.ringing:
            return
        del waiting.ringing[agent]
        if outcome in _NOT_TAKEN:
            waiting.again_at[agent] = now + AGAIN_S
        self._place(waiting, now)

    def connected(self, entry_id: EntryId, agent: AgentId, now: float) -> tuple[AgentId, ...]:
        """Agent and customer talk: the place is given up. Return who still rings for it, to be withdrawn.

        These stay engaged until `offer_ended`.
        """
        self._advance(now)
        waiting = self._line.waiting.get(entry_id)
        queue = ""
        others: tuple[AgentId, ...] = ()
        if waiting is not None:
            queue = waiting.ringing.get(agent, waiting.entry.queue)
            others = tuple(each for each in waiting.ringing if each != agent)
            home = waiting.entry.queue
            self._remove(waiting, now)
            self._paces[home].answered()
        known = self._roster.agents.get(agent)
        if known is not None and known.engagement is not None and known.engagement.call_id == entry_id:
            queue = known.engagement.queue
        self._talk(agent, entry_id, queue, now)
        return others

    def take_out(self, entry_id: EntryId, agent: AgentId, call_id: str, now: float) -> bool:
        """Make the offer of `entry_id` to `agent` a reservation for `call_id`, and take the entry out of the line.

        So a call-back begins to be dialled: nobody else can get the agent in between. Other agents it was offered to
        are free again. False, and nothing changed, when it was not offered to the agent.
        """
        self._advance(now)
        waiting = self._line.waiting.get(entry_id)
        if waiting is None or agent not in waiting.ringing:
            return False
        queue = waiting.ringing.pop(agent)
        others = tuple(waiting.ringing)
        self.leave(entry_id, now, abandoned=False)
        for other in others:
            self.offer_ended(entry_id, other, OfferOutcome.ELSEWHERE, now)
        self._roster.engage(agent, Engagement(EngagementKind.RESERVED, call_id, queue, now), now)
        return True

    # --- calls outside the line

    def reserve(self, agent: AgentId, call_id: str, queue: str, now: float) -> Refused | None:
        """Engage an agent for a call outside the line; refused unless free, or engaged with the same call already.

        The call an agent had before a restart takes the agent up again whatever the state (`restore`). When `call_id`
        is an entry that waits, this is an offer of it, and `offer_ended` or `connected` ends it.
        """
        self._advance(now)
        engagement = Engagement(EngagementKind.RESERVED, call_id, queue, now)
        refused = self._roster.reserve(agent, engagement, now)
        waiting = self._line.waiting.get(EntryId(call_id))
        known = self._roster.agents.get(agent)
        talks = known is not None and known.state is AgentState.TALKING
        if refused is None and waiting is not None and not talks and agent not in waiting.ringing:
            waiting.ringing[agent] = queue
            self._line.hide(waiting)
        return refused

    def talking(self, agent: AgentId, call_id: str, queue: str, now: float) -> None:
        """The agent talks with the customer of `call_id`: a fact, reserved or not."""
        self._advance(now)
        self._talk(agent, call_id, queue, now)

    def released(self, agent: AgentId, now: float, *, wrap_up: bool) -> None:
        """The agent is out of the call; wrap-up begins, or not. Does nothing to one who has no call."""
        self._advance(now)
        known = self._roster.agents.get(agent)
        if known is None or known.engagement is None:
            return
        ended = self._roster.release(agent, now, self._rules(known.engagement.queue), wrap_up=wrap_up)
        waiting = self._line.waiting.get(EntryId(ended.call_id)) if ended else None
        if waiting is not None and waiting.ringing.pop(agent, None) is not None:
            self._place(waiting, now)

    # --- time

    def tick(self, now: float) -> None:
        """Do what time alone brings about: rungs, overflow, holds, ends of pauses and of wrap-ups."""
        self._advance(now)

    def next_due(self, now: float) -> float | None:
        """Return when `tick` (and then `match`) is due; None when time alone changes nothing."""
        self._advance(now)
        times = [due for due in (self._roster.next_due(), self._timers.next_due()) if due is not None]
        return min(times, default=None)

    # --- over a restart

    def snapshot(self, now: float) -> FloorMemory:
        """Return what must survive a restart."""
        self._advance(now)
        paces = {name: pace.memory() for name, pace in self._paces.items()}
        again = {
            name: {agent: at - now for agent, at in waiting.again_at.items()}
            for name, waiting in self._line.waiting.items()
            if waiting.again_at
        }
        return FloorMemory(self._roster.remember(now), paces, again)

    def restore(self, memory: FloorMemory, now: float, *, age_s: float) -> None:
        """Take up what `snapshot` gave `age_s` ago; once, before anything has happened here.

        Agents whose accounts are not known yet are taken up when they are. Queues and accounts may come before or
        after; devices, calls and who waits are told anew.
        """
        self._roster.restore(memory.agents, now, age_s=age_s)
        self._paces.update({name: Pace(pace) for name, pace in memory.paces.items()})
        self._again = {
            name: {agent: now - age_s + at for agent, at in agents.items()} for name, agents in memory.again.items()
        }
        self._advance(now)

    # --- inside

    def _stirred(self) -> list[Lane]:
        """Return the lanes in which something may be possible that was not at the last match."""
        roster, line = self._roster, self._line
        for agent in roster.gone:
            line.stir(agent)
        roster.gone.clear()
        lanes = dict(line.fresh)
        served: dict[str, None] = {}
        for agent in roster.freed:
            known = roster.agents[agent]
            if known.state is AgentState.FREE:
                served.update(dict.fromkeys(known.account.queues))
        for queue in served:
            lanes.update(line.lanes_of(queue))
        roster.freed.clear()
        line.fresh.clear()
        return list(lanes)

    def _remove(self, waiting: Waiting, now: float) -> None:
        queue = waiting.entry.queue
        self._observe(queue, now)
        self._timers.set(waiting.entry.entry, None)
        self._line.remove(waiting)
        self._observe(queue, now)

    def _replace(self, waiting: Waiting, entry: Entry, began: float, wait_s: float, now: float) -> None:
        """Let one who waits wait by other rules."""
        ringing, again_at = waiting.ringing, waiting.again_at
        if waiting.entry == entry:
            waiting.wait_s = wait_s
            return
        self._remove(waiting, now)
        anew = Waiting(entry, began, wait_s)
        anew.ringing, anew.again_at = ringing, again_at
        self._line.waiting[entry.entry] = anew
        self._place(anew, now)
        self._observe(entry.queue, now)

    def _talk(self, agent: AgentId, call_id: str, queue: str, now: float) -> None:
        if agent in self._roster.agents:
            talk = Engagement(EngagementKind.TALKING, call_id, queue, now)
            self._roster.engage(agent, talk, now)

    def _rules(self, queue: str) -> Queue:
        return self._queues.get(queue) or Queue(name=queue)

    def _observe(self, queue: str, now: float) -> None:
        pace = self._paces.get(queue)
        if pace is not None:
            pace.seen(now, waiting=self._line.count(queue), agents=self._on_duty(queue))
