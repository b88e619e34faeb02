"""Due requests as entries of the floor's line: the first of each queue, refilled as they go.

Postgres has the truth; what stands here is a bounded window on it, looked at anew every `POLL_S`, and at once when
somebody says that something has changed (`poke`). What is no longer due is taken out again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from controller.acd.model import AgentId, Entry, EntryId, EntryKind, OfferOutcome
from controller.callback.model import CallbackPlan, Request, RequestId
from controller.calls.asks import Assigned, QueueClosed
from controller.calls.callback.means import Line
from controller.calls.callback.store import CallbackStore
from controller.calls.callback.terms import is_for_nobody_else
from controller.errors import StoreError
from controller.flow.queues import QueuePlan
from controller.ports import Clock
from controller.switchboard import Ask

log = structlog.get_logger(__name__)

POLL_S = 1.0
EXPIRE_S = 5.0
"""How often requests whose time is over are ended."""
REST_S = 30.0
"""An agent who did not take a call-back that rang them first is not offered it again so soon."""
_SPACING_S = 0.05
"""However often it is poked, Postgres is not asked more often."""


class Lineup:
    """See the module. `assigned(request, ask)` takes a match, and says whether it did; `expired` is told of ends.

    `run` it in a task of its own; it does nothing while `may()` says no.
    """

    def __init__(
        self,
        store: CallbackStore,
        line: Line,
        clock: Clock,
        *,
        limit: int,
        may: Callable[[], bool],
        flying: Callable[[RequestId], bool],
        assigned: Callable[[Request, Assigned], bool],
        expired: Callable[[Request], None],
    ) -> None:
        self._store = store
        self._line = line
        self._clock = clock
        self._limit = limit
        self._may = may
        self._flying = flying
        self._assigned = assigned
        self._expired = expired
        self._there: dict[RequestId, tuple[Request, Entry]] = {}
        self._missed: dict[RequestId, dict[AgentId, float]] = {}
        self._poked = asyncio.Event()
        self._expire_at = 0.0

    def __len__(self) -> int:
        return len(self._there)

    def holds(self, entry: str) -> bool:
        """Tell whether an entry of the line is one of ours."""
        return entry in self._there

    def poke(self) -> None:
        """Something has changed: look soon."""
        self._poked.set()

    def put(self, request: Request) -> None:
        """A request is due that was just taken: it need not wait for the next look, if there is room."""
        if self._may() and sum(each.queue == request.queue for each, _ in self._there.values()) < self._limit:
            self._enter(request)

    def missed(self, request_id: RequestId, agent: AgentId) -> None:
        """The agent was called first, and did not take it."""
        now = self._clock.monotonic()
        if len(self._missed) > 10 * self._limit:
            self._missed = {name: rest for name, rest in self._missed.items() if max(rest.values()) > now}
        self._missed.setdefault(request_id, {})[agent] = now + REST_S

    def remove(self, request_id: RequestId) -> None:
        """Take a request out of the line: it is not to be called now."""
        if self._there.pop(request_id, None) is not None:
            self._line.withdraw(EntryId(request_id))

    def clear(self) -> None:
        """Take everything out of the line: nothing may be dialled just now."""
        for request_id in list(self._there):
            self.remove(request_id)

    def _give_back(self, request_id: RequestId, ask: Assigned) -> None:
        """Nobody is dialled just now: the agents are for others, and what waits looks again later."""
        self.clear()
        for agent in ask.agents:
            self._line.offer_ended(EntryId(request_id), agent.agent, OfferOutcome.WITHDRAWN)

    # --- looking ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the line filled; for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), POLL_S)
            self._poked.clear()
            if self._may():
                await self._look()
            else:
                self.clear()
            await asyncio.sleep(_SPACING_S)

    async def _look(self) -> None:
        now = self._clock.now()
        asked_s = self._clock.monotonic()
        try:
            if asked_s >= self._expire_at:
                self._expire_at = asked_s + EXPIRE_S
                for request in await self._store.expire(now):
                    self.remove(request.request_id)
                    self._expired(request)
            due = await self._store.due(now, self._limit)
        except StoreError as error:
            log.warning("callbacks.line_unknown", error=str(error))
            self.clear()
            return
        if self._may():
            self._merge(due, now)

    def _merge(self, due: Sequence[Request], asked_at: datetime) -> None:
        """Make the line what is due. Whoever was asked for after the question stays; so does who was cut off."""
        counts: dict[str, int] = {}
        for request in due:
            counts[request.queue] = counts.get(request.queue, 0) + 1
        wanted = {request.request_id for request in due}
        queues = {request.queue for request, _ in self._there.values()} | counts.keys()
        is_open = {queue: self._open(queue) for queue in queues}  # hours are worked out once, not for each request
        for request_id, (request, _) in list(self._there.items()):
            full = counts.get(request.queue, 0) >= self._limit
            gone = request_id not in wanted and not full and request.created_at < asked_at
            if gone or not is_open[request.queue]:
                self.remove(request_id)
        for request in due:
            if not self._flying(request.request_id) and is_open[request.queue]:
                self._enter(request)

    def _open(self, queue: str) -> bool:
        plan = self._line.plan(queue)
        return plan is not None and plan.callback is not None and self._in_hours(plan, plan.callback)

    def _in_hours(self, plan: QueuePlan, callback: CallbackPlan) -> bool:
        name, release = callback.calendar or plan.calendar, self._line.release
        return not name or release is None or release.calendars[name].status(self._clock.now()) == "open"

    # --- one of them ------------------------------------------------------------------------------------------

    def _enter(self, request: Request) -> None:
        if is_for_nobody_else(request):
            return  # `Dialler.at_once` begins it, or it is over soon
        entry = self._entry(request)
        known = self._there.get(request.request_id)
        if known is not None and known[1] == entry:
            return
        if known is not None and known[1].queue != entry.queue:
            self.remove(request.request_id)
        self._there[request.request_id] = (request, entry)
        refused = self._line.enter(entry, lambda ask: self._deliver(request.request_id, ask), wait_s=0.0)
        if refused is not None:  # the queue is full: its callers first
            del self._there[request.request_id]

    def _entry(self, request: Request) -> Entry:
        now = self._clock.monotonic()
        missed = self._missed.get(request.request_id, {})
        return Entry(
            entry=EntryId(request.request_id),
            queue=request.queue,
            entered_at=request.entered_at,
            kind=EntryKind.CALLBACK,
            priority=request.priority,
            needs=request.needs,
            language=request.language,
            number=request.number,
            sticky=request.agent or self._line.last_agent(request.number, request.queue),
            excluded=frozenset(agent for agent, until in missed.items() if until > now),
        )

    def _deliver(self, request_id: RequestId, ask: Ask) -> bool:
        known = self._there.get(request_id)
        if known is None:
            return False
        match ask:
            case Assigned():
                if self._assigned(known[0], ask):
                    self.remove(request_id)
                else:
                    self._give_back(request_id, ask)
            case QueueClosed():
                del self._there[request_id]
            case _:
                return False
        ask.done()
        return True
