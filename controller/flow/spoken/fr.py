"""French (fr-FR) as fragments.

Recordings do not make liaisons by themselves, so what needs one is recorded whole: `six euros` (e-6), `deux cents
euros` (he-200), every hour, and, where a final consonant falls silent, `dix mille` (t-10).
`-x` marks the spelling before a further numeral: `quatre-vingt` and `deux cent` without their s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

MINUS = "minus"

_MILLION, _MILLIARD = 10**6, 10**9
_HUNDREDS = range(100, 1000, 100)
_BASIC = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
_TENS = {20: "vingt", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante"}
_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_KEYS = {"*": "star", "#": "hash", "+": "plus"}

_FEMININE = frozenset({1, 21, 31, 41, 51, 61, 81})
"""The numbers below a hundred that end in `une` before a feminine noun."""
_LIAISON = frozenset(
    {1, 2, 3, 6, 10, 20, 70, 80, 90} | {tens + unit for tens in (20, 30, 40, 50, 60, 80) for unit in (1, 2, 3, 6)}
)
"""The numbers below a hundred that bind to `euros`."""
_CLIPPED = frozenset({6, 8, 10, 18, 70, 78, 90, 98} | {t + u for t in (20, 30, 40, 50, 60, 80) for u in (6, 8)})
"""The numbers below a hundred whose last consonant is silent before `mille`."""

_UNITS = {
    "EUR": ("euro", "euros", "d-euros"),
    "USD": ("dollar", "dollars", "de-dollars"),
    "GBP": ("livre", "livres", "de-livres"),
    "CHF": ("franc", "francs", "de-francs"),
}
_CENTS = {code: ("penny", "pence") if code == "GBP" else ("centime", "centimes") for code in _UNITS}


def _below_hundred(number: int) -> str:
    """Return how `number` (0 to 99) is written."""
    if number < len(_BASIC):
        return _BASIC[number]
    if number < 80:  # noqa: PLR2004 - French counts by tens up to sixty, then by twenties
        tens = min(number // 10 * 10, 60)
        rest = number - tens
        if rest == 0:
            return _TENS[tens]
        return f"{_TENS[tens]}{' et ' if rest in (1, 11) else '-'}{_BASIC[rest]}"
    return "quatre-vingts" if number == 80 else f"quatre-vingt-{_BASIC[number - 80]}"  # noqa: PLR2004 - as above


def _hour_text(hour: int) -> str:
    words = _below_hundred(hour)
    return f"{f'{words}e' if hour in _FEMININE else words} {'heure' if hour <= 1 else 'heures'}"


def _fragments() -> dict[str, str]:
    words = {number: _below_hundred(number) for number in range(100)}
    cents = {number: f"{words[number // 100]} cents" if number > 100 else "cent" for number in _HUNDREDS}  # noqa: PLR2004 - cent
    return {
        **{f"n-{number}": text for number, text in words.items()},
        "n-80-x": "quatre-vingt",
        **{f"f-{number}": f"{words[number]}e" for number in sorted(_FEMININE)},
        **{f"h-{number}": text for number, text in cents.items()},
        **{f"h-{number}-x": text.removesuffix("s") for number, text in cents.items() if text != "cent"},
        "thousand": "mille",
        **{f"t-{number}": f"{words[number]} mille" for number in sorted(_CLIPPED)},
        "million": "million",
        "millions": "millions",
        "milliard": "milliard",
        "milliards": "milliards",
        "point": "virgule",
        MINUS: "moins",
        "star": "étoile",
        "hash": "dièse",
        "plus": "plus",
        **{f"e-{number}": f"{words[number]} euros" for number in sorted(_LIAISON)},
        "e-1": "un euro",
        "e-1-x": "un euros",
        **{f"he-{number}": f"{text} euros" for number, text in cents.items()},
        "euro": "euro",
        "euros": "euros",
        "d-euros": "d'euros",
        "dollar": "dollar",
        "dollars": "dollars",
        "de-dollars": "de dollars",
        "livre": "livre sterling",
        "livres": "livres sterling",
        "de-livres": "de livres sterling",
        "franc": "franc suisse",
        "francs": "francs suisses",
        "de-francs": "de francs suisses",
        "and": "et",
        "centime": "centime",
        "centimes": "centimes",
        "penny": "penny",
        "pence": "pence",
        "d-01": "premier",
        **{f"m-{number:02}": name for number, name in enumerate(_MONTHS, 1)},
        **{f"w-{number}": name for number, name in enumerate(_WEEKDAYS, 1)},
        **{f"o-{hour:02}": _hour_text(hour) for hour in range(24)},
        "noon": "midi",
        "midnight": "minuit",
    }


FRAGMENTS: Mapping[str, str] = _fragments()


def cardinal(number: int, *, feminine: bool = False) -> tuple[str, ...]:
    """Speak a whole number; only a final one has a gender (`vingt et un mille`, `mille une`)."""
    parts: list[str] = []
    milliards, rest = divmod(number, _MILLIARD)
    if milliards:
        parts += [*_group(milliards), "milliard" if milliards == 1 else "milliards"]
    millions, rest = divmod(rest, _MILLION)
    if millions:
        parts += [*_group(millions), "million" if millions == 1 else "millions"]
    thousands, rest = divmod(rest, 1000)
    if thousands:
        parts += _thousands(thousands)
    if rest or not parts:
        parts += _group(rest)
    ones = rest % 100
    if feminine and ones in _FEMININE:
        parts[-1] = f"f-{ones}"
    return tuple(parts)


def decimals(digits: str) -> tuple[str, ...]:
    """Speak what stands behind the comma: zeros one by one, then a number, or digits when there are many."""
    significant = digits.lstrip("0")
    zeros = ("n-0",) * (len(digits) - len(significant))
    if len(significant) > 3:  # noqa: PLR2004 - `virgule cent vingt-cinq` is still said
        return ("point", *zeros, *map(digit, significant))
    return ("point", *zeros, *(cardinal(int(significant)) if significant else ()))


def amount(units: int, cents: int, currency: str) -> tuple[str, ...]:
    """Speak `units` and `cents`: `douze euros et cinquante centimes`; below two is singular."""
    if units == 0 and cents:
        return _cents(cents, currency)
    singular, plural, partitive = _UNITS[currency]
    parts = cardinal(units, feminine=currency == "GBP")
    if units and units % _MILLION == 0:
        spoken = (*parts, partitive)
    elif currency == "EUR":
        spoken = (*parts[:-1], *_bound_to_euros(parts[-1], units))
    else:
        spoken = (*parts, singular if units < 2 else plural)  # noqa: PLR2004 - French plural begins at two
    return (*spoken, "and", *_cents(cents, currency)) if cents else spoken


def digit(key: str) -> str:
    """Return the fragment of one key."""
    return _KEYS.get(key) or f"n-{key}"


def phone(number: str) -> tuple[str, ...]:
    """Speak a number by pairs; `+33` becomes 0; 08 numbers and directory enquiries go by threes."""
    if number.startswith("+33") and len(number) == len("+33123456789"):
        number = f"0{number[3:]}"
    digits = number.removeprefix("+")
    plus = ("plus",) if number.startswith("+") else ()
    by_threes = (digits.startswith("08") and len(digits) == 10) or (  # noqa: PLR2004 - national numbers
        digits.startswith("118") and len(digits) == 6  # noqa: PLR2004 - 118 XYZ
    )
    size = 3 if by_threes or len(digits) == 3 else 2  # noqa: PLR2004 - 112, 115
    first = len(digits) % size
    groups = [digits[:first]] if first else []
    groups += [digits[i : i + size] for i in range(first, len(digits), size)]
    return plus + tuple(part for group in groups for part in _phone_group(group))


def date(day: dt.date, *, weekday: bool, year: bool) -> tuple[str, ...]:
    """Speak a date without article, so that a prompt may say `le`, `du` or `au` before it."""
    return (
        *((f"w-{day.isoweekday()}",) if weekday else ()),
        "d-01" if day.day == 1 else f"n-{day.day}",
        f"m-{day.month:02}",
        *(cardinal(day.year) if year else ()),
    )


def time(hour: int, minute: int) -> tuple[str, ...]:
    """Speak a time by 24 hours; minutes are feminine (`vingt heures vingt et une`)."""
    if minute == 0 and hour in (0, 12):
        return ("midnight" if hour == 0 else "noon",)
    return (f"o-{hour:02}", *(cardinal(minute, feminine=True) if minute else ()))


def _group(number: int) -> list[str]:
    """Speak 0 to 999 where nothing or a noun (millions, euros) follows."""
    hundreds, ones = divmod(number, 100)
    if not hundreds:
        return [f"n-{ones}"]
    if not ones:
        return [f"h-{hundreds}00"]
    return [_hundreds_before_more(hundreds), f"n-{ones}"]


def _thousands(number: int) -> list[str]:
    """Speak `number` times mille, which counts as a numeral: `quatre-vingt mille`, `deux cent mille`."""
    hundreds, ones = divmod(number, 100)
    parts = [_hundreds_before_more(hundreds)] if hundreds else []
    if ones in _CLIPPED:
        return [*parts, f"t-{ones}"]
    if ones and number > 1:
        parts.append("n-80-x" if ones == 80 else f"n-{ones}")  # noqa: PLR2004 - the one number with an s
    return [*parts, "thousand"]


def _hundreds_before_more(hundreds: int) -> str:
    return "h-100" if hundreds == 1 else f"h-{hundreds}00-x"


def _bound_to_euros(last: str, units: int) -> tuple[str, ...]:
    """Return the last fragment of a number together with `euro` or `euros`, in one recording where they bind."""
    if units == 1:
        return ("e-1",)
    if last == "n-1":
        return ("e-1-x",)
    kind, _, value = last.partition("-")
    if kind == "h":
        return (f"he-{value}",)
    if kind == "n" and int(value) in _LIAISON:
        return (f"e-{value}",)
    return (last, "euro" if units == 0 else "euros")


def _cents(cents: int, currency: str) -> tuple[str, ...]:
    singular, plural = _CENTS[currency]
    return (f"n-{cents}", singular if cents == 1 else plural)


def _phone_group(group: str) -> tuple[str, ...]:
    significant = group.lstrip("0")
    zeros = ("n-0",) * (len(group) - len(significant))
    return (*zeros, *(cardinal(int(significant)) if significant else ()))
