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
    return " ".join(FRAGMENTS["fr"][name] for name in fragments)


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (0, "zéro"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (22, "vingt-deux"),
        (31, "trente et un"),
        (61, "soixante et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (72, "soixante-douze"),
        (79, "soixante-dix-neuf"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (180, "cent quatre-vingts"),
        (200, "deux cents"),
        (201, "deux cent un"),
        (900, "neuf cents"),
        (1000, "mille"),
        (1001, "mille un"),
        (1100, "mille cent"),
        (2000, "deux mille"),
        (6000, "six mille"),
        (21_000, "vingt et un mille"),
        (71_000, "soixante et onze mille"),
        (80_000, "quatre-vingt mille"),
        (100_000, "cent mille"),
        (110_000, "cent dix mille"),
        (200_000, "deux cent mille"),
        (201_000, "deux cent un mille"),
        (280_080, "deux cent quatre-vingt mille quatre-vingts"),
        (1_000_000, "un million"),
        (2_000_001, "deux millions un"),
        (80_000_000, "quatre-vingts millions"),
        (200_000_000, "deux cents millions"),
        (1_000_000_000, "un milliard"),
        (3_001_000_200, "trois milliards un million deux cents"),
        (-4, "moins quatre"),
        (Decimal("3.14"), "trois virgule quatorze"),
        (Decimal("3.05"), "trois virgule zéro cinq"),
        (Decimal("-0.5"), "moins zéro virgule cinq"),
        (Decimal("1.50"), "un virgule cinquante"),
        (Decimal("2.00"), "deux virgule zéro zéro"),
        (Decimal("0.125"), "zéro virgule cent vingt-cinq"),
        (Decimal("3.14159"), "trois virgule un quatre un cinq neuf"),
        (Decimal("1E+3"), "mille"),
    ],
)
def test_numbers(value, spoken):
    assert text(say_number(value, "fr")) == spoken


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (1, "une"),
        (2, "deux"),
        (11, "onze"),
        (21, "vingt et une"),
        (71, "soixante et onze"),
        (81, "quatre-vingt-une"),
        (91, "quatre-vingt-onze"),
        (101, "cent une"),
        (1001, "mille une"),
        (21_000, "vingt et un mille"),
        (1_000_000, "un million"),
        (-1, "moins une"),
    ],
)
def test_feminine_numbers(value, spoken):
    assert text(say_number(value, "fr", gender="f")) == spoken


@pytest.mark.parametrize(
    ("amount", "currency", "spoken"),
    [
        ("0", "EUR", "zéro euro"),
        ("1", "EUR", "un euro"),
        ("1.01", "EUR", "un euro et un centime"),
        ("2", "EUR", "deux euros"),
        ("12.50", "EUR", "douze euros et cinquante centimes"),
        ("0.05", "EUR", "cinq centimes"),
        ("0.005", "EUR", "un centime"),
        ("-0.001", "EUR", "zéro euro"),
        ("-3.2", "EUR", "moins trois euros et vingt centimes"),
        ("21", "EUR", "vingt et un euros"),
        ("80", "EUR", "quatre-vingts euros"),
        ("101", "EUR", "cent un euros"),
        ("180.10", "EUR", "cent quatre-vingts euros et dix centimes"),
        ("200", "EUR", "deux cents euros"),
        ("1000", "EUR", "mille euros"),
        ("6000", "EUR", "six mille euros"),
        ("1000000", "EUR", "un million d'euros"),
        ("2000000.01", "EUR", "deux millions d'euros et un centime"),
        ("1200000", "EUR", "un million deux cent mille euros"),
        ("1", "GBP", "une livre sterling"),
        ("21.01", "GBP", "vingt et une livres sterling et un penny"),
        ("3.50", "GBP", "trois livres sterling et cinquante pence"),
        ("2000000", "GBP", "deux millions de livres sterling"),
        ("1", "USD", "un dollar"),
        ("5.25", "USD", "cinq dollars et vingt-cinq centimes"),
        ("1.99", "CHF", "un franc suisse et quatre-vingt-dix-neuf centimes"),
        ("80", "CHF", "quatre-vingts francs suisses"),
        ("1000000", "CHF", "un million de francs suisses"),
    ],
)
def test_amounts(amount, currency, spoken):
    assert text(say_amount(Decimal(amount), currency, "fr")) == spoken


@pytest.mark.parametrize(
    ("number", "fragments"),
    [(6, ("e-6",)), (26, ("e-26",)), (5, ("n-5", "euros")), (300, ("he-300",)), (380, ("h-300-x", "e-80"))],
)
def test_what_binds_to_euros_is_one_recording(number, fragments):
    assert say_amount(number, "EUR", "fr") == fragments


@pytest.mark.parametrize(
    ("day", "spoken"),
    [
        (date(2026, 12, 1), "premier décembre deux mille vingt-six"),
        (date(2026, 11, 24), "vingt-quatre novembre deux mille vingt-six"),
        (date(1999, 8, 31), "trente et un août mille neuf cent quatre-vingt-dix-neuf"),
        (date(2000, 2, 29), "vingt-neuf février deux mille"),
    ],
)
def test_dates(day, spoken):
    assert text(say_date(day, "fr")) == spoken


def test_a_date_with_its_weekday_and_without_its_year():
    assert text(say_date(date(2026, 12, 1), "fr", weekday=True, year=False)) == "mardi premier décembre"


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (time(18, 30), "dix-huit heures trente"),
        (time(0, 0), "minuit"),
        (time(0, 5), "zéro heure cinq"),
        (time(1, 1), "une heure une"),
        (time(2), "deux heures"),
        (time(12), "midi"),
        (time(12, 30), "douze heures trente"),
        (time(21, 21), "vingt et une heures vingt et une"),
        (time(23, 59, 59), "vingt-trois heures cinquante-neuf"),
    ],
)
def test_times(at, spoken):
    assert text(say_time(at, "fr")) == spoken


def test_digits():
    assert text(say_digits("407-1 *#", "fr")) == "quatre zéro sept un étoile dièse"


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("06 12 34 56 78", "zéro six douze trente-quatre cinquante-six soixante-dix-huit"),
        ("+33612345678", "zéro six douze trente-quatre cinquante-six soixante-dix-huit"),
        ("0033 1.00.02.10.71", "zéro un zéro zéro zéro deux dix soixante et onze"),
        ("0800123456", "zéro huit cents cent vingt-trois quatre cent cinquante-six"),
        ("0 805 010 000", "zéro huit cent cinq zéro dix zéro zéro zéro"),
        ("3949", "trente-neuf quarante-neuf"),
        ("118218", "cent dix-huit deux cent dix-huit"),
        ("112", "cent douze"),
        ("15", "quinze"),
        ("+44 20 7946 0958", "plus quarante-quatre vingt soixante-dix-neuf quarante-six zéro neuf cinquante-huit"),
        ("+1 (212) 555-0123", "plus un vingt et un vingt-cinq cinquante-cinq zéro un vingt-trois"),
    ],
)
def test_telephone_numbers(number, spoken):
    assert text(say_phone(number, "fr")) == spoken
