"""Numbers, dates, times and amounts as sequences of recorded fragments.

Each function returns names of fragments in the order they are played; `FRAGMENTS` lists, per language, every
name that can occur with the text its voice reads. Joined by spaces, the texts are the sentence, spelled right.
Fragments are as long as the number of recordings allows (0 to 99 whole, `deux cents`, `the first of`),
because a voice that reads whole words in one breath is understood, and single ones are not. Names are safe as
file names; one may mean different texts in two languages.

French is fr-FR. English is en-GB: `one hundred and one`, `the first of December`, hours by a.m. and p.m.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal, Protocol

from controller.flow.spoken import en, fr
from controller.flow.spoken.callbacks import CALLBACKS
from controller.flow.spoken.mailbox import MAILBOX
from controller.flow.spoken.notices import NOTICES
from controller.flow.spoken.waiting import WAITING

LARGEST = 999_999_999_999
"""The largest number, in absolute value, that can be spoken."""

MOST_DECIMALS = 6
CURRENCIES = ("EUR", "USD", "GBP", "CHF")

Gender = Literal["m", "f"]
Fragments = tuple[str, ...]


class _Language(Protocol):
    """What a module of this package offers for its language; numbers arrive checked and without a sign."""

    @property
    def FRAGMENTS(self) -> Mapping[str, str]: ...  # noqa: N802 - a module's constant
    @property
    def MINUS(self) -> str: ...  # noqa: N802 - a module's constant
    def cardinal(self, number: int, *, feminine: bool = False) -> Fragments: ...
    def decimals(self, digits: str) -> Fragments: ...
    def amount(self, units: int, cents: int, currency: str) -> Fragments: ...
    def digit(self, key: str) -> str: ...
    def phone(self, number: str) -> Fragments: ...
    def date(self, day: date, *, weekday: bool, year: bool) -> Fragments: ...
    def time(self, hour: int, minute: int) -> Fragments: ...


_LANGUAGES: Mapping[str, _Language] = {"fr": fr, "en": en}

VALUES: Mapping[str, Mapping[str, str]] = {code: each.FRAGMENTS for code, each in _LANGUAGES.items()}
"""Per language: every fragment that values are spoken from, by name, with the text that is recorded for it."""

FRAGMENTS: Mapping[str, Mapping[str, str]] = {
    code: {**each.FRAGMENTS, **NOTICES[code], **WAITING[code], **MAILBOX[code], **CALLBACKS[code]}
    for code, each in _LANGUAGES.items()
}
"""The same with every notice."""


def say_number(value: float | Decimal, language: str, *, gender: Gender = "m") -> Fragments:
    """Speak a number of up to twelve digits before the separator and six behind it.

    `gender` is that of the noun that follows, where the language has one (`vingt et une`). Decimals are spoken
    as written, with their trailing zeros; a float is rounded to six and has none. ValueError out of range.
    """
    spoken = _language(language)
    number = _exact(value)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or abs(number) >= LARGEST + 1:
        raise ValueError(f"{value} cannot be spoken: use a number between -{LARGEST} and {LARGEST}.")
    places = max(0, -exponent)
    if places > MOST_DECIMALS:
        raise ValueError(f"{value} has {places} decimals: round it to {MOST_DECIMALS} or fewer.")
    text = "".join(map(str, digits)) + "0" * max(0, exponent)
    text = text.rjust(places + 1, "0")
    whole, decimals = (int(text[:-places]), text[-places:]) if places else (int(text), "")
    minus = (spoken.MINUS,) if sign and number != 0 else ()
    if decimals:
        return minus + spoken.cardinal(whole) + spoken.decimals(decimals)
    return minus + spoken.cardinal(whole, feminine=gender == "f")


def say_digits(text: str, language: str) -> Fragments:
    """Speak digits, `*`, `#` and `+` one by one; spaces, dots and hyphens between them are skipped."""
    spoken = _language(language)
    keys = _without_separators(text)
    if not keys or any(key not in "0123456789*#+" for key in keys):
        raise ValueError(f"{text!r} cannot be spoken digit by digit: use only 0-9, *, # and +.")
    return tuple(spoken.digit(key) for key in keys)


def say_phone(text: str, language: str) -> Fragments:
    """Speak a telephone number as people of the language do.

    French: by pairs, +33 as a leading zero, 08 numbers and 118 by threes. English: digit by digit, as written.
    """
    spoken = _language(language)
    number = _without_separators(text).replace("(", "").replace(")", "")
    if number.startswith("00"):
        number = f"+{number[2:]}"
    digits = number.removeprefix("+")
    if not digits or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"{text!r} cannot be spoken: use a telephone number such as +33123456789.")
    return spoken.phone(number)


def say_amount(amount: Decimal | float, currency: str, language: str) -> Fragments:
    """Speak an amount of money, rounded half up to the cent. `currency` is one of `CURRENCIES`."""
    spoken = _language(language)
    if currency not in CURRENCIES:
        raise ValueError(f"Currency {currency!r} cannot be spoken: use one of {', '.join(CURRENCIES)}.")
    exact = _exact(amount)
    if not exact.is_finite() or abs(exact) > LARGEST:
        raise ValueError(f"{amount} cannot be spoken: use an amount between -{LARGEST} and {LARGEST}.")
    total = int((abs(exact) * 100).quantize(Decimal(1), ROUND_HALF_UP))
    minus = (spoken.MINUS,) if exact < 0 and total else ()
    return minus + spoken.amount(total // 100, total % 100, currency)


def say_date(day: date, language: str, *, weekday: bool = False, year: bool = True) -> Fragments:
    """Speak a date: `premier décembre deux mille vingt-six`, `the first of December twenty twenty-six`."""
    return _language(language).date(day, weekday=weekday, year=year)


def say_time(at: time, language: str) -> Fragments:
    """Speak a time of day to the minute: `dix-huit heures trente`, `six thirty p.m.`, `midi`, `noon`."""
    return _language(language).time(at.hour, at.minute)


def _language(code: str) -> _Language:
    try:
        return _LANGUAGES[code]
    except KeyError:
        known = ", ".join(_LANGUAGES)
        raise ValueError(f"Nothing can be spoken in language {code!r}: use one of {known}.") from None


def _exact(value: Decimal | float) -> Decimal:
    """Return the decimal number that `value` is written as, a float to six decimals and none that are zero."""
    if isinstance(value, float):
        value = round(value, MOST_DECIMALS)
        value = int(value) if value.is_integer() else value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number.") from None


def _without_separators(text: str) -> str:
    return text.translate({ord(each): None for each in " .-\u00a0\u202f"})
