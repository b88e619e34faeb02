from __future__ import annotations

import re
from datetime import date, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.flow.spoken import (
    CURRENCIES,
    FRAGMENTS,
    LARGEST,
    VALUES,
    say_amount,
    say_date,
    say_digits,
    say_number,
    say_phone,
    say_time,
)
from controller.flow.spoken.callbacks import CALLBACKS
from controller.flow.spoken.mailbox import MAILBOX
from controller.flow.spoken.notices import NOTICES
from controller.flow.spoken.waiting import WAITING


def text(fragments, language):
    return " ".join(FRAGMENTS[language][name] for name in fragments)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_list_of_recordings_is_bounded_and_safe_as_files(language):
    fragments = FRAGMENTS[language]
    assert len(VALUES[language]) <= 265
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in fragments)
    assert all(spoken.strip() == spoken != "" for spoken in fragments.values())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_fragment_of_the_list_is_used(language):
    used = (
        set(NOTICES[language])
        | set(WAITING[language])
        | set(MAILBOX[language])
        | set(CALLBACKS[language])
        | set(say_digits("0123456789*#+", language))
    )
    numbers = [*range(1000), *(n * 1000 for n in range(1, 1000)), *(n * 1000 + 1 for n in range(1, 1000))]
    for number in [*numbers, *(10**6 * n for n in (1, 2)), *(10**9 * n for n in (1, 2))]:
        used.update(say_number(number, language))
        used.update(say_number(-number, language, gender="f"))
        for currency in CURRENCIES:
            used.update(say_amount(number, currency, language))
    used.update(say_number(1_000_001, language) + say_number(10**9 + 1, language))
    used.update(say_number(Decimal("0.5"), language))
    for cents in range(100):
        for currency in CURRENCIES:
            used.update(say_amount(1 + Decimal(cents) / 100, currency, language))
    for offset in range(366):
        used.update(say_date(date(1999, 1, 1) + timedelta(days=offset), language, weekday=True))
    for year in (1800, 1900, 2100, *range(1901, 2030)):
        used.update(say_date(date(year, 1, 1), language))
    for minute in range(24 * 60):
        used.update(say_time(time(minute // 60, minute % 60), language))
    assert set(FRAGMENTS[language]) - used == set()
    assert used - set(FRAGMENTS[language]) == set()


@given(number=st.integers(-LARGEST, LARGEST), language=st.sampled_from(["fr", "en"]))
def test_every_number_in_range_can_be_spoken_and_is_its_own(number, language):
    spoken = text(say_number(number, language), language)
    assert spoken != text(say_number(number - 1 if number > 0 else number + 1, language), language)


@given(
    amount=st.decimals(-LARGEST, LARGEST, places=2),
    language=st.sampled_from(["fr", "en"]),
    currency=st.sampled_from(CURRENCIES),
)
def test_every_amount_in_range_can_be_spoken(amount, language, currency):
    assert text(say_amount(amount, currency, language), language)


@given(value=st.floats(-1e11, 1e11), language=st.sampled_from(["fr", "en"]))
def test_every_float_in_range_can_be_spoken(value, language):
    assert text(say_number(value, language), language)


def test_a_float_is_rounded_and_has_no_trailing_zeros():
    assert text(say_number(0.1 + 0.2, "fr"), "fr") == "zéro virgule trois"
    assert text(say_number(2.0, "en"), "en") == "two"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (LARGEST + 1, "between"),
        (-LARGEST - 1, "between"),
        (Decimal("1E+400"), "between"),
        (Decimal("NaN"), "between"),
        (float("inf"), "between"),
        (Decimal("0.1234567"), "decimals"),
        (True, "no number"),
    ],
)
def test_a_number_out_of_range_is_refused(value, named):
    with pytest.raises(ValueError, match=named):
        say_number(value, "fr")


@pytest.mark.parametrize("amount", [LARGEST + 1, Decimal("Infinity"), Decimal("NaN")])
def test_an_amount_out_of_range_is_refused(amount):
    with pytest.raises(ValueError, match="between"):
        say_amount(amount, "EUR", "fr")


def test_what_is_not_known_is_refused_with_what_is():
    with pytest.raises(ValueError, match="fr, en"):
        say_number(1, "de")
    with pytest.raises(ValueError, match="EUR, USD, GBP, CHF"):
        say_amount(1, "BTC", "fr")


@pytest.mark.parametrize("bad", ["", "12a", "anonymous", "٣"])
def test_what_is_no_digit_string_is_refused(bad):
    with pytest.raises(ValueError, match="use"):
        say_digits(bad, "fr")
    with pytest.raises(ValueError, match="use"):
        say_phone(bad, "fr")
