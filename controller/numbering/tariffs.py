"""What calls cost: rates by destination, and who pays for calls to the company's own numbers.

The package's table is `tariffs.yaml`; the operator's own entries replace those of the same destination. A
destination is a prefix (`+3389`), a country and a kind (`FR mobile`), or a country (`FR`); the longest prefix that
fits wins, then country and kind, then the country. Amounts are in the table's currency, without tax.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
import msgspec.yaml

from controller.numbering.model import NumberFacts, NumberKind

DESTINATION = re.compile(r"\+[1-9][0-9]{0,14}|[A-Z]{2}(?: (?:" + "|".join(kind.value for kind in NumberKind) + r"))?")
"""How a destination is written."""


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a call that was answered: `connection`, and `per_min` for each begun step of `step_s` seconds."""

    per_min: float
    connection: float = 0.0
    step_s: float = 1.0
    least_s: float = 0.0
    """Seconds that are paid at least."""

    def cost(self, talk_s: float) -> float:
        """Return what a call of `talk_s` costs; 0 for one that was not answered."""
        if talk_s <= 0:
            return 0.0
        paid_s = math.ceil(max(talk_s, self.least_s) / self.step_s) * self.step_s
        return round(self.connection + self.per_min * paid_s / 60.0, 6)


class TariffClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays for a call to one of the company's numbers: the caller (in words), the company (in money)."""

    caller: str
    company: Tariff


class TariffTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rates of a centre."""

    currency: str
    outgoing: dict[str, Tariff]
    incoming: dict[str, TariffClass]
    """By tariff class, as `numbers:` of centre.yaml names them."""

    def of(self, facts: NumberFacts) -> Tariff | None:
        """Return what a call to a number costs; None when the table does not say."""
        for length in range(len(facts.number), 1, -1):
            found = self.outgoing.get(facts.number[:length])
            if found is not None:
                return found
        by_kind = self.outgoing.get(f"{facts.country} {facts.kind.value}")
        return by_kind if by_kind is not None else self.outgoing.get(facts.country)

    def with_own(
        self, currency: str, outgoing: Mapping[str, Tariff], incoming: Mapping[str, TariffClass]
    ) -> TariffTable:
        """Return the table with the operator's entries; in another currency nothing else of it is left."""
        if currency != self.currency:
            free = {name: each for name, each in self.incoming.items() if each.company.cost(60.0) == 0}
            return TariffTable(currency, dict(outgoing), {**free, **incoming})
        return TariffTable(currency, {**self.outgoing, **outgoing}, {**self.incoming, **incoming})


@cache
def package_tariffs() -> TariffTable:
    """Return the table that comes with Rappel."""
    raw = files("controller.numbering").joinpath("tariffs.yaml").read_bytes()
    return msgspec.yaml.decode(raw, type=TariffTable)
