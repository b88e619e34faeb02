"""The rules of call-backs a second time, as plainly as they can be written: the tests compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.callback.model import CallbackPlan, Outcome
from controller.callback.retry import DEFAULT_DELAYS

MINUTE = timedelta(minutes=1)


ENDS = {Outcome.TALKED: "done", Outcome.CANCELLED: "cancelled", Outcome.DECLINED: "cancelled"}


def plain_wait(plan: CallbackPlan, before: Sequence[Outcome], outcome: Outcome) -> float | str:
    """Seconds to the next try after `outcome`, or the state in which it ends; expiry and the gate aside."""
    if outcome in ENDS:
        return ENDS[outcome]
    delays = plan.delays[outcome] if outcome in plan.delays else DEFAULT_DELAYS[outcome]
    tries, busy = 0, 0
    for each in [*before, outcome]:
        if each is Outcome.RESCHEDULED:
            tries, busy = 0, 0
        elif each is Outcome.BUSY:
            busy += 1
        elif each not in {Outcome.BLOCKED, Outcome.NO_AGENT}:
            tries += 1
    worn = busy >= plan.busy_tries if outcome is Outcome.BUSY else tries >= plan.tries
    if len(delays) == 0 or (worn and outcome not in {Outcome.BLOCKED, Outcome.NO_AGENT}):
        return "failed"
    same = [*before, outcome].count(outcome)
    return delays[-1] if same > len(delays) else delays[same - 1]


def plain_slots(
    plan: CallbackPlan,
    openings: Sequence[tuple[datetime, datetime]],
    agents: float,
    booked: Mapping[datetime, int],
    now: datetime,
    zone: str,
) -> dict[datetime, int]:
    """Free places by beginning, found minute by minute; slots of whole minutes that divide a day.

    A minute is a beginning when the clock on the wall shows a multiple of the length, no slot of that date holds it
    already, and every minute of the slot is within the openings.
    """
    where = ZoneInfo(zone)
    length = int(plan.slot_s // 60)
    free = plan.per_slot or int(agents * plan.share * plan.slot_s / plan.handling_s + 1e-9)
    until = now + timedelta(seconds=plan.ahead_s)
    minute = (now - timedelta(days=2)).replace(second=0, microsecond=0).astimezone(UTC)
    held: dict[object, datetime] = {}
    found = {}
    while minute <= until:
        wall = minute.astimezone(where)
        if (wall.hour * 60 + wall.minute) % length == 0 and held.get(wall.date(), minute) <= minute:
            held[wall.date()] = minute + length * MINUTE
            whole = all(
                any(begins <= minute + n * MINUTE and minute + (n + 1) * MINUTE <= ends for begins, ends in openings)
                for n in range(length)
            )
            places = free - booked.get(minute, 0)
            if whole and places > 0 and minute >= now + timedelta(seconds=plan.notice_s):
                found[minute] = places
        minute += MINUTE
    return found
