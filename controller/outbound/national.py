"""A country's rules for outbound calls: data in `rules/`, each with the law it comes from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec
import msgspec.yaml

from controller.hours import Calendar, Hours
from controller.numbering.model import NumberKind

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is asked for, and by which law."""

    law: str


class CallerIdRule(Rule, frozen=True, forbid_unknown_fields=True):
    """Kinds of numbers that a call centre's calls may not show."""

    refused: frozenset[NumberKind]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Hours on some days of the week."""

    days: tuple[str, ...]
    from_: str
    to: str


class WindowsRule(Rule, frozen=True, forbid_unknown_fields=True):
    """When people may be called, by their own clock; `holidays`: not on public holidays."""

    hours: tuple[Window, ...]
    holidays: bool


class FrequencyRule(Rule, frozen=True, forbid_unknown_fields=True):
    """At most so many calls to a number in so many calendar days."""

    calls: int
    days: int


class SilenceRule(Rule, frozen=True, forbid_unknown_fields=True):
    """No call for so many whole calendar days after a refusal."""

    days: int


class PurposeRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for calls of one purpose; None: nothing of the kind."""

    consent: Rule | None = None
    windows: WindowsRule | None = None
    frequency: FrequencyRule | None = None
    silence: SilenceRule | None = None
    law: str = ""


class NationalRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules of a country. `parts`: country of a number → part of `holidays` whose days count there."""

    name: str
    title: str
    countries: tuple[str, ...]
    zone: str
    holidays: str
    caller_id: CallerIdRule
    requested: PurposeRules
    service: PurposeRules
    prospecting: PurposeRules
    opposition: Rule
    parts: dict[str, str] = {}

    def calendar(self, windows: WindowsRule, zone: str, country: str) -> Calendar:
        """Return when somebody in `zone`, with a number of `country`, may be called."""
        return _calendar(self, windows, zone, self.parts.get(country, ""))


def national_rules(country: str) -> NationalRules | None:
    """Return the rules for numbers of `country` (ISO 3166); None when none are known."""
    return _by_country().get(country)


@cache
def _by_country() -> MappingProxyType[str, NationalRules]:
    folder = files("controller.outbound").joinpath("rules")
    found = [
        msgspec.yaml.decode(file.read_bytes(), type=NationalRules)
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    ]
    return MappingProxyType({country: rules for rules in found for country in rules.countries})


_calendars: dict[tuple[str, str, str, str], Calendar] = {}


def _calendar(rules: NationalRules, windows: WindowsRule, zone: str, part: str) -> Calendar:
    key = (rules.name, windows.law, zone, part)  # zones are few: the library knows some 600
    found = _calendars.get(key)
    if found is None:
        week = tuple(
            tuple(Hours.parse(f"{each.from_}-{each.to}") for each in windows.hours if day in each.days)
            for day in _DAYS
        )
        found = Calendar(zone, week, rules.holidays if windows.holidays else "", part if windows.holidays else "")
        _calendars[key] = found
    return found
