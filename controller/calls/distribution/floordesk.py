"""The desk over a distributor's floor: what is seen of it, and who may ask what of agents and calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from controller.acd.floor import WaitingFacts
from controller.acd.model import AgentId, AgentState, AgentView, Queue, Refused
from controller.acd.roster import UNKNOWN_AGENT
from controller.acd.state import AgentFacts
from controller.calls.desk import MonitorEvent, QueueView, TalkView, WaitingView
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.rights import may
from controller.cdr.entries import Disposed
from controller.flow.queues import QueuePlan
from controller.ids import CallId
from controller.switchboard import Ask

MAX_NOTE = 2000
"""Longest note of a disposition, in characters."""
MAX_REASON = 100
"""Longest reason of a pause, in characters."""

_UNKNOWN_CALL = Refused("unknown_call", "No such call waits or talks now.", "Look at the board again.")
_CALL_ENDED = Refused("call_ended", "The call has just ended.", "Look at the board again.")
_NOT_TALKED = Refused("unknown_call", "This agent has not talked in that call lately.", "Give the last call's id.")


class FloorDesk:
    """`controller.calls.desk.Desk`."""

    def __init__(self, distributor: Distributor) -> None:
        self._of = distributor
        self._floor = distributor.floor

    # --- what is seen ---------------------------------------------------------------------------------------

    def agents(self) -> Sequence[AgentView]:
        """See `Desk.agents`."""
        accounts = self._of.accounts.by_id
        now = self._of.clock.monotonic()
        found = [self._floor.view(agent, now) for agent in self._floor.agents()]
        return [
            self._view(facts)
            for facts in found
            if facts is not None and (facts.agent in accounts or facts.state is AgentState.TALKING)
        ]

    def queues(self) -> Sequence[QueueView]:
        """See `Desk.queues`."""
        release = self._of.release
        plans = release.queues if release is not None else {}
        return [self._queue(plans[name]) for name in sorted(plans)]

    def waiting(self, queue: str = "") -> Sequence[WaitingView]:
        """See `Desk.waiting`."""
        release = self._of.release
        names = [queue] if queue else sorted(release.queues if release is not None else ())
        now = self._of.clock.monotonic()
        found = [_waiting(facts) for name in names for facts in self._floor.line(name, now)]
        return found if queue else sorted(found, key=lambda view: view.entered_at)

    def talks(self) -> Sequence[TalkView]:
        """See `Desk.talks`."""
        return [view for view, _ in self._of.talks.running.values()]

    def events(self) -> AsyncIterator[MonitorEvent]:
        """See `Desk.events`."""
        return self._of.broadcast.events()

    # --- what agents do -------------------------------------------------------------------------------------

    def login(self, agent: AgentId, *, by: str) -> Refused | None:
        """See `Desk.login`."""
        return self._acted(self._floor.login(agent, self._now()), by)

    def logout(self, agent: AgentId, *, by: str) -> Refused | None:
        """See `Desk.logout`."""
        return self._acted(self._floor.logout(agent, self._now()), by)

    def pause(self, agent: AgentId, reason: str, *, by: str, until_s: float | None = None) -> Refused | None:
        """See `Desk.pause`."""
        now = self._now()
        until = None if until_s is None else now + max(until_s, 0.0)
        return self._acted(self._floor.pause(agent, reason.strip()[:MAX_REASON], now, until), by)

    def resume(self, agent: AgentId, *, by: str) -> Refused | None:
        """See `Desk.resume`."""
        return self._acted(self._floor.resume(agent, self._now()), by)

    def end_wrap_up(self, agent: AgentId, *, by: str) -> Refused | None:
        """See `Desk.end_wrap_up`."""
        return self._acted(self._floor.end_wrap_up(agent, self._now()), by)

    def extend_wrap_up(self, agent: AgentId, seconds: float, *, by: str) -> Refused | None:
        """See `Desk.extend_wrap_up`."""
        return self._acted(self._floor.extend_wrap_up(agent, seconds, self._now()), by)

    def dispose(self, call_id: str, agent: AgentId, code: str, note: str = "") -> Refused | None:
        """See `Desk.dispose`."""
        if self._of.account(agent) is None:
            return UNKNOWN_AGENT
        queue = self._of.talked_in(call_id, agent)
        if queue is None:
            return _NOT_TALKED
        plan = self._of.plan(queue)
        rules = plan.rules if plan is not None else Queue(name=queue)
        if code not in rules.dispositions:
            known = ", ".join(rules.dispositions) or "none: the queue has no codes"
            return Refused("unknown_code", f"The queue {queue} has no code {code!r}.", f"Known codes: {known}.")
        self._of.told(Disposed(CallId(call_id), agent, self._of.clock.now(), code, note[:MAX_NOTE]))
        return None

    # --- what is asked of calls -----------------------------------------------------------------------------

    async def ask(self, call_id: str, ask: Ask, *, agent: AgentId | None, by: str) -> Refused | None:
        """See `Desk.ask`."""
        del by  # the call writes down who did it: the asks that need it carry it
        talk = self._of.talks.running.get(call_id)
        if talk is None and not self._of.waits(call_id):
            return _UNKNOWN_CALL
        refused = may(ask, agent, talk[0] if talk is not None else None, self._of)
        if refused is not None:
            return refused
        delivered = talk[1](ask) if talk is not None else self._of.tell_waiting(call_id, ask)
        return await ask.answer() if delivered else _CALL_ENDED

    # --- inside ---------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._of.clock.monotonic()

    def _acted(self, refused: Refused | None, by: str) -> Refused | None:
        if refused is None:
            self._of.acted(by)
        return refused

    def _view(self, facts: AgentFacts) -> AgentView:
        account = self._of.account(facts.agent)
        return AgentView(
            agent=facts.agent,
            name=account.name if account is not None else facts.agent,
            extension=account.extension if account is not None else "",
            state=facts.state,
            since=self._of.wall(facts.since),
            presence=facts.presence,
            reason=facts.reason,
            until=None if facts.until is None else self._of.wall(facts.until),
            queue=facts.queue,
            call_id=facts.call_id,
            calls=facts.calls,
        )

    def _queue(self, plan: QueuePlan) -> QueueView:
        name = plan.rules.name
        counts = self._floor.counts(name, self._now())
        today = self._of.ledger.day(name, self._of.clock.now())
        return QueueView(
            queue=name,
            title=plan.title,
            open=self._of.is_open(name),
            waiting=counts.waiting,
            longest_wait_s=round(counts.longest_wait_s, 3),
            agents_logged_in=counts.logged_in,
            agents_free=counts.free,
            agents_talking=counts.talking,
            estimate_s=self._floor.estimate_new_s(name),
            today_offered=today.offered,
            today_answered=today.answered,
            today_abandoned=today.abandoned,
            today_short_abandoned=today.short_abandoned,
            today_in_level=today.in_level,
        )


def _waiting(facts: WaitingFacts) -> WaitingView:
    entry = facts.entry
    return WaitingView(
        call_id=entry.entry,
        queue=entry.queue,
        position=facts.position,
        entered_at=entry.entered_at,
        waited_s=round(facts.waited_s, 3),
        priority=entry.priority,
        number=entry.number,
        offered_to=facts.offered_to,
    )
