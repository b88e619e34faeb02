from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest

from controller.flow.spoken import (
    FRAGMENTS,
    say_amount,
    say_date,
    say_digits,
    say_number,
    say_phone,
    say_time,
)


def text(fragments):
    return " ".join(FRAGMENTS["en"][name] for name in fragments)


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (21, "twenty-one"),
        (40, "forty"),
        (100, "one hundred"),
        (101, "one hundred and one"),
        (999, "nine hundred and ninety-nine"),
        (1000, "one thousand"),
        (1001, "one thousand and one"),
        (1100, "one thousand one hundred"),
        (1121, "one thousand one hundred and twenty-one"),
        (21_000, "twenty-one thousand"),
        (100_021, "one hundred thousand and twenty-one"),
        (205_000, "two hundred and five thousand"),
        (1_000_001, "one million and one"),
        (1_001_021, "one million one thousand and twenty-one"),
        (2_000_000_000, "two billion"),
        (1_000_000_005, "one billion and five"),
        (-7, "minus seven"),
        (Decimal("3.14"), "three point one four"),
        (Decimal("-0.05"), "minus zero point zero five"),
    ],
)
def test_numbers(value, spoken):
    assert text(say_number(value, "en")) == spoken


def test_gender_changes_nothing():
    assert say_number(21, "en", gender="f") == say_number(21, "en")


@pytest.mark.parametrize(
    ("amount", "currency", "spoken"),
    [
        ("0", "EUR", "zero euros"),
        ("1", "EUR", "one euro"),
        ("1.01", "EUR", "one euro and one cent"),
        ("12.50", "EUR", "twelve euros and fifty cents"),
        ("-3.2", "EUR", "minus three euros and twenty cents"),
        ("0.5", "USD", "fifty cents"),
        ("1", "USD", "one dollar"),
        ("1.01", "GBP", "one pound and one penny"),
        ("102.50", "GBP", "one hundred and two pounds and fifty pence"),
        ("1", "CHF", "one Swiss franc"),
        ("2.20", "CHF", "two Swiss francs and twenty centimes"),
        ("1000000", "EUR", "one million euros"),
    ],
)
def test_amounts(amount, currency, spoken):
    assert text(say_amount(Decimal(amount), currency, "en")) == spoken


@pytest.mark.parametrize(
    ("day", "spoken"),
    [
        (date(2026, 12, 1), "the first of December twenty twenty-six"),
        (date(1999, 11, 22), "the twenty-second of November nineteen ninety-nine"),
        (date(2000, 1, 3), "the third of January two thousand"),
        (date(2005, 5, 12), "the twelfth of May two thousand and five"),
        (date(2010, 5, 20), "the twentieth of May twenty ten"),
        (date(1900, 5, 31), "the thirty-first of May nineteen hundred"),
        (date(1905, 5, 9), "the ninth of May nineteen oh five"),
        (date(2100, 5, 8), "the eighth of May twenty-one hundred"),
        (date(1066, 10, 14), "the fourteenth of October one thousand and sixty-six"),
    ],
)
def test_dates(day, spoken):
    assert text(say_date(day, "en")) == spoken


def test_a_date_with_its_weekday_and_without_its_year():
    spoken = text(say_date(date(2026, 12, 1), "en", weekday=True, year=False))
    assert spoken == "Tuesday the first of December"


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (time(0, 0), "midnight"),
        (time(0, 30), "twelve thirty a.m."),
        (time(6, 5), "six oh five a.m."),
        (time(9), "nine a.m."),
        (time(12), "noon"),
        (time(12, 1), "twelve oh one p.m."),
        (time(18, 30), "six thirty p.m."),
        (time(23, 59), "eleven fifty-nine p.m."),
    ],
)
def test_times(at, spoken):
    assert text(say_time(at, "en")) == spoken


def test_digits():
    assert text(say_digits("40 7*#", "en")) == "four zero seven star hash"


def test_telephone_numbers():
    assert text(say_phone("+44 20-79", "en")) == "plus four four two zero seven nine"
    assert text(say_phone("0612", "en")) == "zero six one two"
