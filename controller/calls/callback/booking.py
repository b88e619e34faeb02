"""Which slots of a queue can be booked: its hours, who is expected at work then, and what is promised already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.callback.model import CallbackPlan, Slot
from controller.callback.slots import Opening, capacity, open_slots
from controller.calls.callback.means import Expected, Line, Staffing
from controller.calls.callback.store import CallbackStore
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.hours import Calendar
from controller.ports import Clock

_LEARN_S = 900.0
_MOST_SPANS = 400


class Booking:
    """See the module. `serving(queue)`: how many agents have an account for it, where there is no past to go by."""

    def __init__(
        self, store: CallbackStore, staffing: Staffing, line: Line, clock: Clock, serving: Callable[[str], int]
    ) -> None:
        self._store = store
        self._staffing = staffing
        self._line = line
        self._clock = clock
        self._serving = serving
        self._learnt: dict[str, tuple[float, Expected]] = {}

    async def slots(self, queue: str, plan: QueuePlan, callback: CallbackPlan) -> list[Slot]:
        """Return what can be booked now, the soonest first. Raises `StoreError`."""
        now = self._clock.now()
        until = now + timedelta(seconds=callback.ahead_s + callback.slot_s)
        expected = await self._expected(queue)
        booked = dict(await self._store.booked(queue, now - timedelta(days=1), until))
        openings = list(self._openings(plan, callback, now, until))
        agents_at = self._agents_at(queue, expected)
        return open_slots(
            callback, openings, agents_at, booked, now, self._zone, handling_s=self._handling_s(plan, expected)
        )

    async def limit(self, queue: str, plan: QueuePlan, callback: CallbackPlan, at: datetime) -> int:
        """Return how many may book the slot that begins at `at`. Raises `StoreError`."""
        expected = await self._expected(queue)
        return capacity(callback, self._agents_at(queue, expected)(at), self._handling_s(plan, expected))

    @property
    def _zone(self) -> str:
        return self._line.release.zone if self._line.release is not None else "UTC"

    async def _expected(self, queue: str) -> Expected:
        now = self._clock.monotonic()
        known = self._learnt.get(queue)
        if known is None or known[0] <= now:
            known = (now + _LEARN_S, await self._staffing.expected(queue, self._zone, self._clock.now()))
            self._learnt[queue] = known
        return known[1]

    def _agents_at(self, queue: str, expected: Expected) -> Callable[[datetime], float]:
        zone, serving = ZoneInfo(self._zone), float(self._serving(queue))

        def agents(at: datetime) -> float:
            local = at.astimezone(zone)
            return expected.agents.get((local.isoweekday(), local.hour), 0.0) if expected.agents else serving

        return agents

    @staticmethod
    def _handling_s(plan: QueuePlan, expected: Expected) -> float:
        return expected.talk_s + plan.rules.wrap_up_s if expected.talk_s else 0.0

    def _openings(
        self, plan: QueuePlan, callback: CallbackPlan, begins: datetime, ends: datetime
    ) -> Iterator[Opening]:
        calendar = hours_of(self._line.release, plan, callback)
        if calendar is None:
            yield begins, ends
            return
        at: datetime | None = begins
        for _ in range(_MOST_SPANS):
            at = calendar.next_open(at) if at is not None else None
            if at is None or at >= ends:
                return
            closes = calendar.next_change(at)
            yield at, min(closes, ends) if closes is not None else ends
            at = closes


def hours_of(release: Release | None, plan: QueuePlan, callback: CallbackPlan) -> Calendar | None:
    """Return when customers of a queue are called; None: at any time."""
    name = callback.calendar or plan.calendar
    calendar = release.calendars.get(name) if name and release is not None else None
    return calendar if isinstance(calendar, Calendar) else None
