"""What is said of a call-back: the number, days and times to choose from, and the promise at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from controller.flow.events import CallbackNote
from controller.flow.media import MediaId
from controller.flow.spoken import FRAGMENTS, Fragments, say_date, say_phone, say_time
from controller.flow.spoken.waiting import wait_notice
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand

_SAID_S = 1800.0
"""A longer wait is not told with the promise: nobody can say so long ahead how it will be."""
LOCAL, OURS = "callback-local-time", "callback-our-time"
"""Whose time it is that is said, where the customer's and the centre's differ."""


class Centre(msgspec.Struct, frozen=True):
    """Where and when something is said, and in which language."""

    language: str
    country: str
    zone: str
    now: datetime


def say(language: str, *fragments: str) -> tuple[MediaId, ...]:
    """Return the media of fragments or notices."""
    return tuple(f"say/{language}/{fragment}" for fragment in fragments)


def words(media: Iterable[MediaId]) -> str:
    """Return what `media` of fragments and notices say, as text: the proof of what a caller agreed to."""
    found = []
    for each in media:
        kind, _, rest = each.partition("/")
        language, _, name = rest.partition("/")
        if kind == "say":
            found.append(FRAGMENTS.get(language, {}).get(name, ""))
    return " ".join(filter(None, found))


def number(language: str, phone: str, country: str) -> tuple[MediaId, ...]:
    """Say which number will be called: `phone` in E.164, as it is dialled in `country` if it is one of that."""
    facts = understand(phone, country)
    written = facts.national if isinstance(facts, NumberFacts) and facts.country == country else phone
    return say(language, "callback-number", *say_phone(written, language))


def zone_of(phone: str, country: str, centre: str, moments: Sequence[datetime]) -> tuple[str, str]:
    """Return the zone in which times are told to the owner of `phone`, and which notice says whose time that is.

    The customer's own, if the number tells which clock that is; else the centre's. "" when both clocks show the same
    at all of `moments`: nothing is to be said then.
    """
    facts = understand(phone, country)
    zones = facts.zones if isinstance(facts, NumberFacts) else ()
    clocks = {tuple(_offset(zone, at) for at in moments) for zone in zones}
    if not clocks - {tuple(_offset(centre, at) for at in moments)}:
        return centre, ""
    return (zones[0], LOCAL) if len(clocks) == 1 else (centre, OURS)


def days_of(slots: Iterable[datetime], zone: str) -> list[date]:
    """Return the days on which `slots` lie, as the customer counts them, in order."""
    return sorted({at.astimezone(ZoneInfo(zone)).date() for at in slots})


def on_day(slots: Iterable[datetime], day: date, zone: str) -> list[datetime]:
    """Return the slots of one day, in order."""
    return sorted(at for at in slots if at.astimezone(ZoneInfo(zone)).date() == day)


def day(language: str, day_: date, now: datetime, zone: str) -> tuple[MediaId, ...]:
    """Say a day to choose: `aujourd'hui`, `demain`, `mardi vingt-quatre novembre`."""
    near = _near(day_, now, zone)
    return say(language, near) if near else say(language, *_date(language, day_))


def hours(language: str, at: datetime, length_s: float, zone: str) -> tuple[MediaId, ...]:
    """Say a time to choose: `entre quatorze heures et quatorze heures trente`."""
    begins = at.astimezone(ZoneInfo(zone))
    ends = (at + timedelta(seconds=length_s)).astimezone(ZoneInfo(zone))
    return say(language, "between", *say_time(begins.time(), language), "and", *say_time(ends.time(), language))


def promise(language: str, at: datetime, length_s: float, zone: str, now: datetime) -> tuple[MediaId, ...]:
    """Say when the customer is called: `nous vous rappellerons le mardi … entre … et …`."""
    local = at.astimezone(ZoneInfo(zone)).date()
    near = _near(local, now, zone)
    beginning = say(language, f"callback-{near}") if near else say(language, "callback-on", *_date(language, local))
    return (*beginning, *hours(language, at, length_s, zone))


def promised(
    centre: Centre, request: CallbackNote, *, kept: bool = False, estimate_s: float | None = None
) -> tuple[MediaId, ...]:
    """Say what stands: the time; or as soon as possible, that the place is `kept`, and about when that is."""
    language = centre.language
    if request.slot_at is not None:
        zone, remark = zone_of(request.number, centre.country, centre.zone, (request.slot_at, centre.now))
        heard = promise(language, request.slot_at, request.slot_s, zone, centre.now)
        return (*heard, *(say(language, remark) if remark else ()))
    notices = ["callback-asap"]
    if kept:
        notices.append("callback-kept")
    if estimate_s is not None and estimate_s <= _SAID_S:
        notices.append(wait_notice(estimate_s))
    return say(language, *notices)


def _date(language: str, day_: date) -> Fragments:
    return say_date(day_, language, weekday=True, year=False)


def _near(day_: date, now: datetime, zone: str) -> str:
    today = now.astimezone(ZoneInfo(zone)).date()
    return {today: "today", today + timedelta(days=1): "tomorrow"}.get(day_, "")


def _offset(zone: str, at: datetime) -> timedelta | None:
    return at.astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()
