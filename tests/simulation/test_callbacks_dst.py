"""Slots in the nights in which clocks change: offered, booked, and called when they were promised."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from controller.acd.model import Refused
from controller.callback.model import Consent, RequestState, Source, When
from controller.calls.callback.desk import Asked, Taken
from controller.hours import Calendar, Hours
from tests.rig.virtualtime import VirtualClock, run
from tests.simulation.callbackpeople import CallbackDay
from tests.simulation.callbackrules import CallbackWatch
from tests.simulation.callbackworld import Wishes
from tests.simulation.outside import Moods
from tests.simulation.world import PLAIN, H, Habits

NIGHTS = [
    (
        "Europe/Paris",
        "2026-10-25T03:00+02:00",
        ["01:30+0200", "02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100", "03:00+0100"],
    ),
    ("Europe/Paris", "2026-03-29T02:00+01:00", ["01:00+0100", "01:30+0100", "03:00+0200", "03:30+0200"]),
    (
        "America/New_York",
        "2026-11-01T02:00-04:00",
        ["00:30-0400", "01:00-0400", "01:30-0400", "01:00-0500", "01:30-0500", "02:00-0500"],
    ),
    ("America/New_York", "2026-03-08T02:00-05:00", ["01:00-0500", "01:30-0500", "03:00-0400", "03:30-0400"]),
]
"""Zone, when its clock changes by the time before, and the slots about that moment."""
NIGHT = (Hours(20 * 60, 30 * 60),)
SURE = Moods(0, 0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("zone", "change", "wanted"), NIGHTS)
def test_slots_of_a_night_in_which_clocks_change(zone: str, change: str, wanted: list[str], tmp_path: Path) -> None:
    run(_night(ZoneInfo(zone), datetime.fromisoformat(change), wanted, tmp_path))


async def _night(zone: ZoneInfo, change: datetime, wanted: list[str], folder: Path) -> None:
    begins = change - timedelta(hours=4)
    day = CallbackDay(folder, Habits(agents=4, missed=0, refused=0), clock=VirtualClock(begins.astimezone(UTC)))
    day.trunk.moods, day.wishes = SURE, Wishes(hangs_up=0, later=0, declines=0, never=0)
    calendars = {"hours": Calendar(zone.key, (NIGHT,) * 7)}
    day.centre = msgspec.structs.replace(day.centre, zone=zone.key, calendars=calendars)
    await day.begin()
    watch = CallbackWatch(day)
    for account in day.accounts:
        assert day.desk.login(account.agent, by=account.agent) is None
    slots = await day.service.slots(PLAIN)
    assert not isinstance(slots, Refused)
    tonight = [slot for slot in slots if slot.at < begins + timedelta(hours=9)]
    walls = [f"{slot.at.astimezone(zone):%H:%M%z}" for slot in tonight]
    place = walls.index(wanted[0])
    assert walls[place : place + len(wanted)] == wanted
    assert {later.at - slot.at for slot, later in pairwise(tonight)} == {timedelta(minutes=30)}
    booked = {}
    for number, slot in enumerate(tonight[place : place + len(wanted)]):
        taken = await day.service.ask(
            Asked(
                queue=PLAIN, number=f"+3361234567{number}", when=When.SLOT, source=Source.WEB, language="",
                zone=zone.key, slot_at=slot.at.astimezone(zone), consent=Consent("call me", "1", begins),
            )
        )  # fmt: skip
        assert isinstance(taken, Taken), taken
        assert taken.request.slot_at == slot.at
        booked[taken.request.request_id] = slot
    await asyncio.sleep(8 * H)
    for request_id, slot in booked.items():
        late_s = (watch.first_dials[request_id] - slot.at).total_seconds()
        assert 0 <= late_s < 5, f"{slot.at.astimezone(zone)} was called {late_s} s late"
        assert day.tables.requests[request_id].state is RequestState.DONE
    watch.nobody_is_lost()
    assert watch.broken == []
    await day.end()
