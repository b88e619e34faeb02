"""Which times can be booked: the openings, cut into slots on the clock of a zone, less what is promised already.

A slot begins where the wall clock of the zone shows a whole multiple of its length since midnight, and lies whole
within one opening. In the night when clocks go forward, the times that do not occur are no slots; when they go back,
the times that occur twice are two slots, an hour apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from controller.callback.model import CallbackPlan, Slot

Opening = tuple[datetime, datetime]
"""From when until just before when it is open, aware."""

_ROUNDING = 1e-9  # 0.3 * 10 agents is 3 calls, whatever the binary fraction is


def open_slots(
    plan: CallbackPlan,
    openings: Iterable[Opening],
    agents_at: Callable[[datetime], float],
    booked: Mapping[datetime, int],
    now: datetime,
    zone: str,
    *,
    handling_s: float = 0.0,
) -> list[Slot]:
    """Return the slots that can be booked at `now`, the soonest first; times are UTC.

    `agents_at(t)`: how many agents are expected at work at `t`, asked for each slot's beginning. `booked`: open
    requests by the slot's beginning. `handling_s`: how long a call took lately, 0: the plan's. `zone`: whose clock
    the slots go by, IANA.
    """
    earliest = now.astimezone(UTC) + timedelta(seconds=plan.notice_s)
    latest = now.astimezone(UTC) + timedelta(seconds=plan.ahead_s)
    length = timedelta(seconds=plan.slot_s)
    taken = {at.astimezone(UTC): number for at, number in booked.items()}
    slots = []
    for begins, ends in joined(openings):
        for at in _starts(max(begins, earliest), min(ends - length, latest), plan.slot_s, ZoneInfo(zone)):
            free = capacity(plan, agents_at(at), handling_s) - taken.get(at, 0)
            if free > 0:
                slots.append(Slot(at, plan.slot_s, free))
    return slots


def capacity(plan: CallbackPlan, agents: float, handling_s: float = 0.0) -> int:
    """Return how many may book one slot in which `agents` are expected at work."""
    if plan.per_slot > 0:
        return plan.per_slot
    each_s = handling_s if handling_s > 0 else plan.handling_s
    return floor(max(0.0, agents) * plan.share * plan.slot_s / each_s + _ROUNDING)


def joined(openings: Iterable[Opening]) -> list[Opening]:
    """Return `openings` in UTC and in order, those that touch or overlap as one, empty ones left out."""
    found: list[Opening] = []
    for begins, ends in sorted((begins.astimezone(UTC), ends.astimezone(UTC)) for begins, ends in openings):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        elif begins < ends:
            found.append((begins, ends))
    return found


def _starts(first: datetime, last: datetime, length_s: float, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the beginnings of slots from `first` to `last`, both included."""
    if last < first:
        return
    day = first.astimezone(zone).date() - timedelta(days=1)
    until = last.astimezone(zone).date() + timedelta(days=1)  # clocks that go back at midnight show a day twice
    found: set[datetime] = set()
    while day <= until:
        found.update(at for at in _of_day(day, length_s, zone) if first <= at <= last)
        day += timedelta(days=1)
    yield from sorted(found)


def _of_day(day: date, length_s: float, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the beginnings of a local day's slots; one that lies within the slot before it is left out.

    So is the last one of a day that it does not fit into.
    """
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - wall time: its zone comes with the fold
    length = timedelta(seconds=length_s)
    wall = [midnight + n * length for n in range(int(86_400 // length_s))]
    found = {at for each in wall for fold in (0, 1) if (at := _instant(each, fold, zone)) is not None}
    free_from = datetime.min.replace(tzinfo=UTC)
    for at in sorted(found):
        if at >= free_from:
            free_from = at + length
            yield at


def _instant(wall: datetime, fold: int, zone: ZoneInfo) -> datetime | None:
    """Return when the clock of `zone` shows `wall` (the first or the second time), in UTC; None if it never does."""
    at = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == wall else None
