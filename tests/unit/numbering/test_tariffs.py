from __future__ import annotations

import pytest

from controller.numbering.model import NumberKind
from controller.numbering.numbers import understand
from controller.numbering.plan import range_of
from controller.numbering.tariffs import DESTINATION, Tariff, TariffClass, TariffTable, package_tariffs

TABLE = TariffTable(
    "EUR",
    {
        "FR": Tariff(1.0),
        "FR mobile": Tariff(2.0),
        "+336": Tariff(3.0),
        "+33639": Tariff(4.0),
    },
    {"free": TariffClass("nothing", Tariff(0.03)), "standard": TariffClass("a call", Tariff(0.0))},
)


@pytest.mark.parametrize(
    ("number", "per_min"),
    [("+33353014700", 1.0), ("+33750123456", 2.0), ("+33612345678", 3.0), ("+33639984701", 4.0)],
)
def test_the_longest_prefix_wins_then_country_and_kind_then_the_country(number, per_min):
    assert TABLE.of(understand(number, "FR")) == Tariff(per_min)


def test_what_stands_nowhere_has_no_price():
    assert TABLE.of(understand("+41446681800", "FR")) is None
    assert TABLE.of(understand("+881612345678", "FR")) is None


@pytest.mark.parametrize(
    ("tariff", "talk_s", "cost"),
    [
        (Tariff(0.6), 0.0, 0.0),
        (Tariff(0.6, connection=1.0), -3.0, 0.0),
        (Tariff(0.6), 60.0, 0.6),
        (Tariff(0.6), 0.2, 0.01),
        (Tariff(0.6, connection=0.1), 60.0, 0.7),
        (Tariff(0.6, step_s=60.0), 61.0, 1.2),
        (Tariff(0.6, least_s=30.0), 1.0, 0.3),
        (Tariff(0.0), 3600.0, 0.0),
    ],
)
def test_what_a_call_costs(tariff, talk_s, cost):
    assert tariff.cost(talk_s) == pytest.approx(cost)


def test_own_entries_replace_those_of_the_same_destination():
    table = TABLE.with_own("EUR", {"FR": Tariff(9.0)}, {"free": TariffClass("", Tariff(1.0))})
    assert (table.outgoing["FR"], table.outgoing["FR mobile"]) == (Tariff(9.0), Tariff(2.0))
    assert table.incoming["free"].company == Tariff(1.0)


def test_of_another_currency_only_what_is_free_stays():
    table = TABLE.with_own("CHF", {"CH": Tariff(0.1)}, {})
    assert (table.currency, set(table.outgoing), set(table.incoming)) == ("CHF", {"CH"}, {"standard"})


def test_the_table_of_the_package_is_whole():
    table = package_tariffs()
    assert all(DESTINATION.fullmatch(destination) for destination in table.outgoing)
    assert set(table.incoming) >= {"free", "standard", "shared", "premium", "internal"}


def test_the_ranges_of_the_package_name_their_source():
    for prefix in ("881", "33937", "3363998", "33162"):
        found = range_of(prefix + "123456")
        assert found is not None
        assert found.source
    assert range_of("33353014700") is None
    assert range_of("33947599999").kind is NumberKind.PLATFORM
