from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.callback.model import CallbackPlan, Slot
from controller.callback.slots import capacity, joined, open_slots
from tests.unit.callback.plain import plain_slots

PLAN = CallbackPlan(flow="called_back", per_slot=2, notice_s=0.0, ahead_s=2 * 86_400.0)
PARIS, NEW_YORK = "Europe/Paris", "America/New_York"


def local(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def shown(slots: list[Slot], zone: str) -> list[str]:
    return [f"{slot.at.astimezone(ZoneInfo(zone)):%H:%M%z}" for slot in slots]


def night(zone: str, day: str, **more: object) -> list[str]:
    """The slots from midnight to five in the morning of a day on which it is always open."""
    plan = msgspec.structs.replace(PLAN, **more)
    begins, ends = local(zone, f"{day} 00:00"), local(zone, f"{day} 05:00")
    return shown(open_slots(plan, [(begins, ends)], lambda _: 1.0, {}, begins, zone), zone)


@pytest.mark.parametrize(
    ("zone", "day", "skipped", "before", "after"),
    [
        (PARIS, "2026-03-29", "02", "+0100", "+0200"),
        (NEW_YORK, "2026-03-08", "02", "-0500", "-0400"),
    ],
)
def test_times_that_do_not_occur_are_no_slots(zone: str, day: str, skipped: str, before: str, after: str):
    hours = [f"{hour:02}:{minute}" for hour in range(5) for minute in ("00", "30")]
    assert night(zone, day) == [
        f"{hour}{before if hour < skipped else after}" for hour in hours if not hour.startswith(skipped)
    ]


def test_times_that_occur_twice_are_two_slots_an_hour_apart():
    assert night(PARIS, "2026-10-25")[3:8] == ["01:30+0200", "02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]
    assert night(NEW_YORK, "2026-11-01")[1:6] == [
        "00:30-0400", "01:00-0400", "01:30-0400", "01:00-0500", "01:30-0500",
    ]  # fmt: skip


def test_long_slots_do_not_overlap_in_the_night_the_clocks_change():
    assert night(PARIS, "2026-10-25", slot_s=7200.0) == ["00:00+0200", "02:00+0200"]
    assert night(PARIS, "2026-03-29", slot_s=7200.0) == ["00:00+0100"]
    assert night("Africa/Cairo", "2026-04-24", slot_s=1800.0)[0] == "01:00+0300"  # no midnight there


def test_clocks_that_go_back_over_midnight():
    zone = "America/St_Johns"  # until 2011, a minute after midnight
    begins = local(zone, "2010-11-06 22:00")
    slots = open_slots(PLAN, [(begins, begins + timedelta(hours=5))], lambda _: 1.0, {}, begins, zone)
    assert shown(slots, zone) == [
        "22:00-0230", "22:30-0230", "23:00-0230", "23:30-0230", "00:00-0230", "23:30-0330",
        "00:00-0330", "00:30-0330", "01:00-0330", "01:30-0330", "02:00-0330", "02:30-0330",
    ]  # fmt: skip


def test_from_the_notice_on_and_not_too_far_ahead():
    at = local(PARIS, "2026-06-01 09:10")
    plan = msgspec.structs.replace(PLAN, notice_s=1800.0, ahead_s=5400.0)
    opening = (local(PARIS, "2026-06-01 09:00"), local(PARIS, "2026-06-01 18:00"))
    assert shown(open_slots(plan, [opening], lambda _: 1.0, {}, at, PARIS), PARIS) == ["10:00+0200", "10:30+0200"]


def test_only_whole_slots_of_one_opening():
    day = "2026-06-01 "
    openings = [
        (local(PARIS, day + "14:10"), local(PARIS, day + "15:00")),
        (local(PARIS, day + "09:00"), local(PARIS, day + "09:45")),
        (local(PARIS, day + "09:45"), local(PARIS, day + "10:29")),
    ]
    slots = open_slots(PLAN, openings, lambda _: 1.0, {}, local(PARIS, day + "08:00"), PARIS)
    assert shown(slots, PARIS) == ["09:00+0200", "09:30+0200", "14:30+0200"]


def test_as_many_as_are_expected_to_be_served_less_what_is_booked():
    plan = msgspec.structs.replace(PLAN, per_slot=0, share=0.3, handling_s=300.0)
    assert [capacity(plan, agents) for agents in (0.0, 0.5, 1.0, 10.0, -1.0)] == [0, 0, 1, 18, 0]
    assert capacity(plan, 10.0, 600.0) == 9
    at = local(PARIS, "2026-06-01 09:00")
    slots = open_slots(
        plan, [(at, at + timedelta(hours=2))], lambda when: 0.0 if when < at + timedelta(hours=1) else 2.0,
        {at + timedelta(minutes=90): 2}, at, PARIS,
    )  # fmt: skip
    assert [(slot.at - at, slot.free) for slot in slots] == [
        (timedelta(minutes=60), 3),
        (timedelta(minutes=90), 1),
    ]
    full = msgspec.structs.replace(PLAN, per_slot=1)
    assert open_slots(full, [(at, at + timedelta(minutes=30))], lambda _: 9.0, {at: 1}, at, PARIS) == []


def test_openings_that_touch_are_one():
    one, two, three = (datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in (8, 9, 10))
    assert joined([(two, three), (one, two), (one, one)]) == [(one, three)]
    assert joined([]) == []


NIGHTS = [(PARIS, "2026-03-28"), (PARIS, "2026-10-24"), (NEW_YORK, "2026-03-07"), (NEW_YORK, "2026-10-31"),
          ("Australia/Lord_Howe", "2026-04-04"), ("Asia/Kathmandu", "2026-06-01")]  # fmt: skip
minutes = st.integers(0, 2 * 1440)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(NIGHTS),
    st.lists(st.tuples(minutes, minutes), max_size=4),
    st.sampled_from([10, 15, 20, 30, 45, 60, 90, 120]),
    st.integers(0, 7200),
    st.integers(0, 3 * 86_400),
    st.integers(0, 3),
    st.floats(0, 5),
    st.dictionaries(minutes, st.integers(1, 3), max_size=20),
)
def test_as_the_plain_rule_says(
    where: tuple[str, str],
    spans: list[tuple[int, int]],
    length: int,
    notice_s: int,
    ahead_s: int,
    per_slot: int,
    agents: float,
    taken: dict[int, int],
):
    zone, day = where
    midnight = local(zone, f"{day} 00:00").astimezone(UTC)
    openings = [(midnight + timedelta(minutes=min(span)), midnight + timedelta(minutes=max(span))) for span in spans]
    booked = {midnight + timedelta(minutes=minute // 15 * 15): number for minute, number in taken.items()}
    plan = CallbackPlan(
        flow="", slot_s=length * 60.0, notice_s=float(notice_s), ahead_s=float(ahead_s), per_slot=per_slot
    )
    now = midnight + timedelta(hours=7, minutes=3, seconds=20)
    slots = open_slots(plan, openings, lambda _: agents, booked, now, zone)
    assert {slot.at: slot.free for slot in slots} == plain_slots(plan, joined(openings), agents, booked, now, zone)
    assert [slot.at for slot in slots] == sorted({slot.at for slot in slots})
