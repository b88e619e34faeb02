"""English (en-GB) as fragments.

`-and` marks the form before a further numeral below a hundred: `two hundred and`, `thousand and`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

MINUS = "minus"

_BASIC = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_KEYS = {"*": "star", "#": "hash", "+": "plus"}

_UNITS = {
    "EUR": ("euro", "euros"),
    "USD": ("dollar", "dollars"),
    "GBP": ("pound", "pounds"),
    "CHF": ("franc", "francs"),
}
_CENTS = {
    "EUR": ("cent", "cents"),
    "USD": ("cent", "cents"),
    "GBP": ("penny", "pence"),
    "CHF": ("centime", "centimes"),
}


def _below_hundred(number: int) -> str:
    """Return how `number` (0 to 99) is written."""
    if number < len(_BASIC):
        return _BASIC[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_BASIC[ones]}" if ones else _TENS[tens]


def _ordinal(number: int) -> str:
    """Return how the `number`-th (1 to 31) is written."""
    tens, hyphen, ones = _below_hundred(number).rpartition("-")
    return f"{tens}{hyphen}{_ORDINALS.get(ones, f'{ones}th')}"


def _fragments() -> dict[str, str]:
    hundreds = {number: f"{_BASIC[number // 100]} hundred" for number in range(100, 1000, 100)}
    scales = [name for _, name in _SCALES]
    return {
        **{f"n-{number}": _below_hundred(number) for number in range(100)},
        **{f"h-{number}": text for number, text in hundreds.items()},
        **{f"h-{number}-and": f"{text} and" for number, text in hundreds.items()},
        **{name: name for name in scales},
        **{f"{name}-and": f"{name} and" for name in scales},
        **{f"h-{century}00": f"{_below_hundred(century)} hundred" for century in (18, 19)},
        "hundred": "hundred",
        **{f"oh-{number}": f"oh {_BASIC[number]}" for number in range(1, 10)},
        "point": "point",
        MINUS: "minus",
        "star": "star",
        "hash": "hash",
        "plus": "plus",
        "euro": "euro",
        "euros": "euros",
        "dollar": "dollar",
        "dollars": "dollars",
        "pound": "pound",
        "pounds": "pounds",
        "franc": "Swiss franc",
        "francs": "Swiss francs",
        "and": "and",
        "cent": "cent",
        "cents": "cents",
        "penny": "penny",
        "pence": "pence",
        "centime": "centime",
        "centimes": "centimes",
        **{f"d-{number:02}": f"the {_ordinal(number)} of" for number in range(1, 32)},
        **{f"m-{number:02}": name for number, name in enumerate(_MONTHS, 1)},
        **{f"w-{number}": name for number, name in enumerate(_WEEKDAYS, 1)},
        "am": "a.m.",
        "pm": "p.m.",
        "noon": "noon",
        "midnight": "midnight",
    }


FRAGMENTS: Mapping[str, str] = _fragments()


def cardinal(number: int, *, feminine: bool = False) -> tuple[str, ...]:  # noqa: ARG001 - English has no gender
    """Speak a whole number: `one thousand and one`, `one million two hundred and five thousand`."""
    parts: list[str] = []
    rest = number
    for value, name in _SCALES:
        count, rest = divmod(rest, value)
        if count:
            parts += [*_group(count), f"{name}-and" if 0 < rest < 100 else name]  # noqa: PLR2004 - and below a hundred
    if rest or not parts:
        parts += _group(rest)
    return tuple(parts)


def decimals(digits: str) -> tuple[str, ...]:
    """Speak what stands behind the point, digit by digit."""
    return ("point", *map(digit, digits))


def amount(units: int, cents: int, currency: str) -> tuple[str, ...]:
    """Speak `units` and `cents`: `twelve euros and fifty cents`, `zero euros`."""
    penny, pence = _CENTS[currency]
    small = (f"n-{cents}", penny if cents == 1 else pence) if cents else ()
    if units == 0 and cents:
        return small
    singular, plural = _UNITS[currency]
    large = (*cardinal(units), singular if units == 1 else plural)
    return (*large, "and", *small) if small else large


def digit(key: str) -> str:
    """Return the fragment of one key."""
    return _KEYS.get(key) or f"n-{key}"


def phone(number: str) -> tuple[str, ...]:
    """Speak a number digit by digit."""
    return tuple(map(digit, number))


def date(day: dt.date, *, weekday: bool, year: bool) -> tuple[str, ...]:
    """Speak a date: `Tuesday the first of December twenty twenty-six`."""
    return (
        *((f"w-{day.isoweekday()}",) if weekday else ()),
        f"d-{day.day:02}",
        f"m-{day.month:02}",
        *(_year(day.year) if year else ()),
    )


def time(hour: int, minute: int) -> tuple[str, ...]:
    """Speak a time by twelve hours: `six oh five p.m.`, `twelve thirty a.m.`, `noon`."""
    if minute == 0 and hour in (0, 12):
        return ("midnight" if hour == 0 else "noon",)
    return (f"n-{hour % 12 or 12}", *_after_hour(minute), "am" if hour < 12 else "pm")  # noqa: PLR2004 - noon


def _group(number: int) -> list[str]:
    """Speak 0 to 999."""
    hundreds, ones = divmod(number, 100)
    if not hundreds:
        return [f"n-{ones}"]
    return [f"h-{hundreds}00-and", f"n-{ones}"] if ones else [f"h-{hundreds}00"]


def _year(year: int) -> tuple[str, ...]:
    """Speak a year by centuries, except the first ten of a millennium: `nineteen oh five`, `two thousand`."""
    century, rest = divmod(year, 100)
    if century < 11 or (century % 10 == 0 and rest < 10):  # noqa: PLR2004 - `ten sixty-six` is left as a number
        return cardinal(year)
    if rest == 0:
        whole = f"h-{century}00"
        return (whole,) if whole in FRAGMENTS else (f"n-{century}", "hundred")
    return (f"n-{century}", *_after_hour(rest))


def _after_hour(number: int) -> tuple[str, ...]:
    """Speak two digits behind an hour or a century: nothing, `oh five`, `thirty`."""
    if number == 0:
        return ()
    return (f"oh-{number}" if number < 10 else f"n-{number}",)  # noqa: PLR2004 - one digit
