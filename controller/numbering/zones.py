"""The time zones of countries, from the time zone database: which of a number's possible zones can be true.

The library of number plans names a zone with the same hours now, somewhere: Europe/Paris for Algeria, whose clock
does not change. When people may be called is asked of their own clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from types import MappingProxyType


def zones_of(country: str) -> tuple[str, ...]:
    """Return the IANA zones of a country (ISO 3166), the largest first; none for one that the database lacks."""
    return _by_country().get(country, ())


def corrected(country: str, told: Iterable[str]) -> tuple[str, ...]:
    """Return those zones `told` of a number that are its country's; all of the country's, if none is."""
    known = tuple(told)
    own = zones_of(country)
    return tuple(zone for zone in known if zone in own) or own or known


@cache
def _by_country() -> MappingProxyType[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    # Lines of zone.tab: country, coordinates, zone, comment; tab between them.
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            table.setdefault(country, []).append(zone)
    return MappingProxyType({country: tuple(zones) for country, zones in table.items()})
