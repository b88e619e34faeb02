"""When the company can be reached: weekly hours in a time zone, public holidays, closures, exceptional openings.

What a day's hours are, the first that applies: an exceptional opening on that date, a closure (none), a public
holiday (none), the hours of its weekday. Hours that cross midnight belong to the day they begin on, whatever the
next day is. Hours are wall time: in the night the clocks change, a time that occurs twice opens the first time and
closes the second, and one that does not occur is an hour later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import holidays
import msgspec

HORIZON_DAYS = 400
"""How far `next_change` and `next_open` look ahead."""

Status = Literal["open", "closed", "holiday"]

_DAY_MIN = 24 * 60
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")


class Hours(msgspec.Struct, frozen=True):
    """From `start_min` until just before `end_min`, minutes since midnight; above 1440 is the next day."""

    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_min < _DAY_MIN or not 0 < self.end_min - self.start_min <= _DAY_MIN:
            raise ValueError("Hours begin within a day and last at most 24 hours.")

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read `08:30-18:00`, `00:00-24:00` or, across midnight, `22:00-02:00`; ValueError says what is wrong."""
        found = _HOURS.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"'{text[:40]}' are no opening hours: write them as 08:30-18:00.")
        start = int(found[1]) * 60 + int(found[2])
        end = _DAY_MIN if found[3] is None else int(found[3]) * 60 + int(found[4])
        if end == start:
            raise ValueError(f"'{text[:40]}' begins when it ends: for a whole day, write 00:00-24:00.")
        return cls(start, end if end > start else end + _DAY_MIN)


class Days(msgspec.Struct, frozen=True):
    """From the date `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}: write the earlier date first.")

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class Opening(msgspec.Struct, frozen=True):
    """Exceptional hours on some days, which replace whatever else holds on them."""

    days: Days
    hours: tuple[Hours, ...]


class Calendar(msgspec.Struct, frozen=True):
    """One calendar of the centre. `week` holds the hours of Monday to Sunday.

    `country` is an ISO 3166 code whose public holidays close it, "" for none, `subdivision` a part of that country
    with holidays of its own. Raises ValueError for a zone, country or subdivision that is not known.
    """

    zone: str
    week: tuple[tuple[Hours, ...], ...]
    country: str = ""
    subdivision: str = ""
    closures: tuple[Days, ...] = ()
    openings: tuple[Opening, ...] = ()

    def __post_init__(self) -> None:
        if len(self.week) != 7:  # noqa: PLR2004 - days
            raise ValueError("A week has hours for seven days, Monday first.")
        if self.zone not in zones():
            raise ValueError(f"There is no time zone '{self.zone}': write one such as Europe/Paris.")
        parts = subdivisions(self.country) if self.country else frozenset()
        if parts is None:
            raise ValueError(f"The holidays of '{self.country}' are not known: write a country code such as FR.")
        if self.subdivision and self.subdivision not in parts:
            raise ValueError(f"'{self.country}' has no part '{self.subdivision}' with holidays of its own.")

    def is_open(self, at: datetime) -> bool:
        """Tell whether it is open at `at` (aware)."""
        today = self._local_date(at)
        return any(
            start <= at < end for day in (today - timedelta(days=1), today) for start, end in self._intervals(day)
        )

    def status(self, at: datetime) -> Status:
        """Return `open`, `holiday` on a public holiday that no closure or opening covers, else `closed`."""
        if self.is_open(at):
            return "open"
        today = self._local_date(at)
        covered = any(today in each.days for each in self.openings) or any(today in each for each in self.closures)
        return "holiday" if not covered and self.is_holiday(today) else "closed"

    def is_holiday(self, day: date) -> bool:
        """Tell whether `day` is a public holiday there."""
        return bool(self.country) and day in _public_holidays(self.country, self.subdivision, day.year)

    def next_change(self, at: datetime) -> datetime | None:
        """Return when it next opens or closes after `at`, in UTC; None if not within `HORIZON_DAYS`."""
        for start, end in self._spans(at):
            if at < start:
                return start
            if at < end:
                return end if end - at <= timedelta(days=HORIZON_DAYS) else None
        return None

    def next_open(self, at: datetime) -> datetime | None:
        """Return `at` (in UTC) if it is open then, else when it next opens; None if not within `HORIZON_DAYS`."""
        for start, end in self._spans(at):
            if at < end:
                return max(at.astimezone(UTC), start)
        return None

    def _local_date(self, at: datetime) -> date:
        if at.tzinfo is None:
            raise ValueError("A time without a zone says nothing here: pass an aware one.")
        return at.astimezone(ZoneInfo(self.zone)).date()

    def _hours_of(self, day: date) -> tuple[Hours, ...]:
        for opening in self.openings:
            if day in opening.days:
                return opening.hours
        if any(day in closure for closure in self.closures) or self.is_holiday(day):
            return ()
        return self.week[day.weekday()]

    def _intervals(self, day: date) -> list[tuple[datetime, datetime]]:
        """Return the spans in UTC that begin on the local date `day`, in order."""
        zone = ZoneInfo(self.zone)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        spans = []
        for hours in self._hours_of(day):
            start = midnight + timedelta(minutes=hours.start_min)  # wall time: no offset is added before astimezone
            end = (midnight + timedelta(minutes=hours.end_min)).replace(fold=1)
            spans.append((start.astimezone(UTC), end.astimezone(UTC)))
        return sorted(spans)

    def _spans(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans that end after `at`, those that touch or overlap as one, up to the horizon."""
        day = self._local_date(at) - timedelta(days=1)
        current: tuple[datetime, datetime] | None = None
        for _ in range(HORIZON_DAYS + 2):
            for start, end in self._intervals(day):
                if current is not None and start <= current[1]:
                    current = (current[0], max(current[1], end))
                    continue
                if current is not None:
                    yield current
                current = (start, end)
            day += timedelta(days=1)
        if current is not None:
            yield current


_COUNTRY = re.compile(r"[A-Z]{2}")


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return every known IANA time zone."""
    return frozenset(available_timezones())


@lru_cache(maxsize=64)
def subdivisions(country: str) -> frozenset[str] | None:
    """Return the parts of `country` that have public holidays of their own; None if its holidays are not known.

    Asks for the one country: the library's list of all would import some 250 modules.
    """
    if not _COUNTRY.fullmatch(country):
        return None  # the library would take the names of its classes, too
    try:
        return frozenset(holidays.country_holidays(country).subdivisions)
    except NotImplementedError:
        return None


@lru_cache(maxsize=256)
def _public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False))
