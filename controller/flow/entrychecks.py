"""What an entry by keypad can be checked for: `luhn`, `iban`, `phone`, `date`, `regex:…`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import phonenumbers
from cel_expr_python import cel
from stdnum import iban, luhn

from controller.flow.findings import clipped, did_you_mean
from controller.flow.reading import BAD, Context, Kind, as_text
from controller.flow.yamltext import Node
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand

_NAMES = ("luhn", "iban", "phone", "date", "regex:")
_COUNTRY = re.compile(r"[A-Z]{2}")
_DATE_DIGITS = 8
_MAX_PATTERN = 200


class Check(msgspec.Struct, frozen=True):
    """A check as written, and the function that does it."""

    source: str
    passes: Callable[[str], bool]


class EntryCheck(Kind):
    """`luhn`, `iban` or `iban:XX`, `phone` or `phone:XX` (a country, FR if none), `date` (DDMMYYYY), `regex:…`."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a check: luhn, iban, phone, date or regex:…")
        if text is None:
            return BAD
        passes = _find(text.text)
        if isinstance(passes, str):
            hint = did_you_mean(text.text.partition(":")[0], _NAMES)
            ctx.findings.error(text.mark, "check", passes, hint)
            return BAD
        return Check(text.text, passes)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(luhn|date|(iban|phone)(:[A-Z]{2})?|regex:.+)$"}


def _find(source: str) -> Callable[[str], bool] | str:
    """Return the function for the check `source`, or what is wrong with it."""
    name, _, argument = source.partition(":")
    if source == "luhn":
        return luhn.is_valid
    if source == "date":
        return _is_date
    if name in ("iban", "phone") and (source == name or _COUNTRY.fullmatch(argument)):
        country = argument or "FR"
        if country not in phonenumbers.SUPPORTED_REGIONS:
            return f"'{country}' is not a country"
        return (
            (lambda digits: _is_iban(digits, country))
            if name == "iban"
            else (lambda digits: _is_phone(digits, country))
        )
    if name == "regex" and argument:
        return _pattern(argument)
    return f"there is no check '{clipped(source, 40)}'"


def _is_iban(digits: str, country: str) -> bool:
    return bool(iban.is_valid(country + digits, check_country=False))


def _is_phone(digits: str, country: str) -> bool:
    return isinstance(understand(digits, country), NumberFacts)


def _is_date(digits: str) -> bool:
    if len(digits) != _DATE_DIGITS:
        return False
    try:
        date(int(digits[4:]), int(digits[2:4]), int(digits[:2]))
    except ValueError:
        return False
    return True


def _pattern(pattern: str) -> Callable[[str], bool] | str:
    """Return a matcher in CEL's regular expressions (RE2): their time is linear, whatever an operator writes."""
    if len(pattern) > _MAX_PATTERN:
        return f"a pattern has at most {_MAX_PATTERN} characters"
    env = cel.NewEnv(variables={"digits": cel.Type.STRING})
    try:
        program = env.compile(f"digits.matches({json.dumps(f'^(?:{pattern})$')})")
    except RuntimeError:
        return "this pattern cannot be read"
    if program.eval(data={"digits": ""}).type() == cel.Type.ERROR:
        return "this is not a regular expression"
    return lambda digits: program.eval(data={"digits": digits}).value() is True
