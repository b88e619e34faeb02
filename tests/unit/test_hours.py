from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.hours import Calendar, Days, Hours, Opening, subdivisions, zones

PARIS = ZoneInfo("Europe/Paris")
OFFICE = (Hours.parse("08:30-12:30"), Hours.parse("13:30-18:00"))
CLOSED: tuple[Hours, ...] = ()
ALL_DAY = (Hours.parse("00:00-24:00"),)
NIGHT = (Hours.parse("22:00-02:00"),)


def office(**more):
    return Calendar("Europe/Paris", (OFFICE,) * 5 + (CLOSED,) * 2, country="FR", **more)


def paris(text, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-11-24T08:29:59", "closed"),
        ("2026-11-24T08:30", "open"),
        ("2026-11-24T12:29:59", "open"),
        ("2026-11-24T12:30", "closed"),
        ("2026-11-24T12:45", "closed"),
        ("2026-11-24T17:59", "open"),
        ("2026-11-24T18:00", "closed"),
        ("2026-11-28T10:00", "closed"),
        ("2026-07-14T10:00", "holiday"),
        ("2026-04-06T10:00", "holiday"),  # Easter Monday
        ("2027-03-29T10:00", "holiday"),  # the next one
        ("2026-05-14T10:00", "holiday"),  # Ascension
        ("2026-05-25T10:00", "holiday"),  # Whit Monday
        ("2026-11-11T23:00", "holiday"),
        ("2026-04-03T10:00", "open"),  # Good Friday is none, but for Alsace
    ],
)
def test_an_office_in_france(at, status):
    calendar = office()
    assert calendar.status(paris(at)) == status
    assert calendar.is_open(paris(at).astimezone(UTC)) is (status == "open")


def test_a_subdivision_has_holidays_of_its_own():
    assert office(subdivision="57").status(paris("2026-04-03T10:00")) == "holiday"


def test_a_closure_closes_and_an_opening_beats_everything():
    calendar = office(
        closures=(Days(date(2026, 12, 24), date(2026, 12, 31)),),
        openings=(
            Opening(Days(date(2026, 12, 25), date(2026, 12, 25)), (Hours.parse("10:00-12:00"),)),
            Opening(Days(date(2026, 7, 14), date(2026, 7, 14)), ALL_DAY),
            Opening(Days(date(2026, 11, 24), date(2026, 11, 24)), CLOSED),
        ),
    )
    assert calendar.status(paris("2026-12-24T10:00")) == "closed"
    assert calendar.status(paris("2026-12-25T11:00")) == "open"
    assert calendar.status(paris("2026-12-25T13:00")) == "closed"
    assert calendar.status(paris("2026-07-14T23:59")) == "open"
    assert calendar.status(paris("2026-11-24T10:00")) == "closed"
    assert calendar.next_open(paris("2026-12-25T12:00")) == paris("2027-01-04T08:30")


def test_hours_across_midnight_belong_to_the_day_they_begin_on():
    calendar = Calendar("Europe/Paris", (CLOSED,) * 5 + (NIGHT, CLOSED), country="FR")
    assert calendar.is_open(paris("2026-11-28T22:00"))
    assert calendar.is_open(paris("2026-11-29T01:59"))
    assert not calendar.is_open(paris("2026-11-29T02:00"))
    assert not calendar.is_open(paris("2026-11-29T22:30"))
    # Saturday 31 October into All Saints' Day
    assert calendar.status(paris("2026-11-01T01:00")) == "open"
    assert calendar.status(paris("2026-11-01T03:00")) == "holiday"


def test_the_night_that_has_an_hour_twice():
    calendar = Calendar("Europe/Paris", ((Hours.parse("22:00-02:30"),),) * 7)
    assert calendar.is_open(paris("2026-10-25T02:29", fold=0))
    assert calendar.is_open(paris("2026-10-25T02:29", fold=1))
    assert not calendar.is_open(paris("2026-10-25T02:30", fold=1))
    assert calendar.next_change(paris("2026-10-24T23:00")) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_the_night_that_lacks_an_hour():
    calendar = Calendar("Europe/Paris", ((Hours.parse("02:30-06:00"),),) * 7)
    assert calendar.next_change(paris("2026-03-29T00:00")) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert not calendar.is_open(datetime(2026, 3, 29, 1, 29, tzinfo=UTC))
    assert calendar.next_change(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) == datetime(2026, 3, 29, 4, tzinfo=UTC)


def test_office_hours_follow_the_clock_over_the_year():
    calendar = office()
    assert calendar.next_open(datetime(2026, 1, 5, 0, tzinfo=UTC)) == datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
    assert calendar.next_open(datetime(2026, 7, 6, 0, tzinfo=UTC)) == datetime(2026, 7, 6, 6, 30, tzinfo=UTC)


def test_next_change():
    calendar = office()
    assert calendar.next_change(paris("2026-11-24T12:00")) == paris("2026-11-24T12:30")
    assert calendar.next_change(paris("2026-11-24T12:30")) == paris("2026-11-24T13:30")
    assert calendar.next_change(paris("2026-11-27T18:00")) == paris("2026-11-30T08:30")


def test_next_open_is_now_while_it_is_open():
    at = paris("2026-11-24T10:00")
    assert office().next_open(at) == at


def test_days_that_touch_are_one_span():
    calendar = Calendar("Europe/Paris", (ALL_DAY,) * 5 + (CLOSED,) * 2)
    assert calendar.next_change(paris("2026-11-24T10:00")) == paris("2026-11-28T00:00")


def test_what_never_changes_has_no_next_change():
    always = Calendar("UTC", (ALL_DAY,) * 7)
    never = Calendar("UTC", (CLOSED,) * 7)
    at = paris("2026-11-24T10:00")
    assert always.next_change(at) is None
    assert always.next_open(at) == at
    assert never.next_change(at) is None
    assert never.next_open(at) is None
    assert never.status(at) == "closed"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("08:30-18:00", 510, 1080), ("00:00-24:00", 0, 1440), ("22:00 - 02:00", 1320, 1560), ("12:00-00:00", 720, 1440)],
)
def test_hours_are_read(text, start, end):
    assert Hours.parse(text) == Hours(start, end)


@pytest.mark.parametrize("text", ["", "8:30-18:00", "08:30", "08:30-18", "08:60-18:00", "24:00-25:00", "10:00-10:00"])
def test_what_are_no_hours_is_refused(text):
    with pytest.raises(ValueError, match="write"):
        Hours.parse(text)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (1440, 1500), (10, 10), (10, 1451)])
def test_hours_out_of_bounds_are_refused(start, end):
    with pytest.raises(ValueError, match="24 hours"):
        Hours(start, end)


def test_what_is_not_known_is_refused():
    week = (CLOSED,) * 7
    with pytest.raises(ValueError, match="Europe/Paris"):
        Calendar("Europe/Pariss", week)
    with pytest.raises(ValueError, match="country code"):
        Calendar("UTC", week, country="France")
    with pytest.raises(ValueError, match="no part"):
        Calendar("UTC", week, country="FR", subdivision="75")
    with pytest.raises(ValueError, match="seven days"):
        Calendar("UTC", week[1:])
    with pytest.raises(ValueError, match="earlier date first"):
        Days(date(2026, 1, 2), date(2026, 1, 1))
    with pytest.raises(ValueError, match="aware"):
        office().is_open(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_what_is_known_can_be_listed():
    assert "Europe/Paris" in zones()
    assert "57" in (subdivisions("FR") or ())
    assert subdivisions("XX") is None


ranges = st.builds(
    lambda start, length: (Hours(start, start + length),), st.integers(0, 1439), st.integers(1, 1440)
) | st.just(CLOSED)
calendars = st.builds(
    Calendar,
    zone=st.sampled_from(["Europe/Paris", "UTC", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe"]),
    week=st.tuples(*[ranges] * 7),
    country=st.sampled_from(["", "FR", "GB"]),
)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(calendar=calendars, at=moments)
def test_the_next_change_is_one_and_none_comes_before_it(calendar, at):
    change = calendar.next_change(at)
    if change is None:
        return
    assert change > at
    before = calendar.is_open(at)
    tick = timedelta(microseconds=1)
    assert calendar.is_open(change) is not before
    assert calendar.is_open(change - tick) is before
    for part in range(1, 20):
        assert calendar.is_open(at + (change - tick - at) * part / 20) is before
    assert calendar.next_open(at) == (at if before else change)
