"""From a text to a telephone number that may be dialled, or to the reason why it is none.

A text is looked at character by character before any library sees it: extensions, parameters (RFC 3966), letters,
digits of other scripts, control characters and absurd lengths end here, so that no part of them can reach a dial
string. What is left is read by the number plans of `phonenumbers`, corrected by `plan.yaml`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, shortnumberinfo, timezone

from controller.numbering.model import NotANumber, Number, NumberFacts, NumberKind
from controller.numbering.plan import range_of
from controller.numbering.zones import corrected

DIALLED = re.compile(r"\+[1-9][0-9]{6,14}")
"""The only form in which a number leaves this module."""

MAX_TEXT = 40
"""Longer texts are no telephone number, however they are spaced."""
_MAX_DIGITS = 17  # 15 of E.164, and 00
_MAX_SHORT = 6
_SEPARATORS = frozenset(" .-()/\u00a0\u202f\u2009\u2011")  # the last four: what French typography puts into numbers
_WRITE = "write it with its country code, as +33 1 99 00 12 34"
_EMERGENCY = {
    "": frozenset({"112", "911", "999"}),  # whatever the country
    # The French list is longer than the library's: Arcep, decision 2002-1179 as amended, numbers of urgency.
    "FR": frozenset({"15", "17", "18", "114", "115", "116000", "116117", "119", "191", "196", "197"}),
}
_NO_ZONE = "Etc/Unknown"

_KINDS = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
    PhoneNumberType.VOIP: NumberKind.VOIP,
    PhoneNumberType.TOLL_FREE: NumberKind.FREE,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.PAGER: NumberKind.PAGER,
    PhoneNumberType.UAN: NumberKind.COMPANY,
    PhoneNumberType.VOICEMAIL: NumberKind.VOICEMAIL,
}


@lru_cache(maxsize=4096)
def understand(text: str, country: str) -> NumberFacts | NotANumber:
    """Return what is known of the number in `text`, or why it is none.

    `country`: ISO 3166 code of the country a number without plus sign is dialled from. Never raises for any text;
    the number of the answer matches `DIALLED`.
    """
    digits = _digits(text)
    if isinstance(digits, NotANumber):
        return digits
    if not digits.startswith("+") and len(digits) <= _MAX_SHORT:
        return _short(digits, country)
    try:
        parsed = phonenumbers.parse(digits, country or None)
    except phonenumbers.NumberParseException:
        return NotANumber("invalid", "there is no such number", _WRITE)
    written = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    known = range_of(written[1:])
    valid = phonenumbers.is_valid_number(parsed) or (
        known is not None and known.valid and phonenumbers.is_possible_number(parsed)
    )
    if not valid or not DIALLED.fullmatch(written):
        return _none_such(parsed)
    region = phonenumbers.region_code_for_number(parsed) or ""
    if not region and known is not None and known.valid:
        region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    kind = known.kind if known is not None else _KINDS.get(phonenumbers.number_type(parsed), NumberKind.UNKNOWN)
    where = region if len(region) == 2 else ""  # noqa: PLR2004 - ISO 3166; 001 stands for no country
    national = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    return NumberFacts(Number(written), where, kind, national, _zones(parsed, where))


def _digits(text: str) -> str | NotANumber:
    """Return the digits of `text`, with its plus sign, if it holds nothing but digits and what spaces them."""
    if len(text) > MAX_TEXT:
        return NotANumber("unreadable", f"{len(text)} characters are no telephone number", _WRITE)
    stripped = text.strip(" ")
    plus = stripped.startswith("+")
    rest = stripped[1:] if plus else stripped
    kept = [char for char in rest if char not in _SEPARATORS]
    strange = next((char for char in kept if char not in "0123456789"), None)
    if strange is not None:
        return _strange(strange)
    if len(kept) < 2:  # noqa: PLR2004 - the shortest codes there are, as 15
        return NotANumber("unreadable", "there is no telephone number in this", _WRITE)
    if len(kept) > _MAX_DIGITS:
        return NotANumber("unreadable", f"{len(kept)} digits are too many for a telephone number", _WRITE)
    return ("+" if plus else "") + "".join(kept)


_STRANGE = {
    "+": ("a plus sign stands only at the beginning", _WRITE),
    **dict.fromkeys("xX,#*", ("extensions and codes after a number cannot be dialled", "give the number alone")),
    **dict.fromkeys(";=:", ("parameters after a number are not taken", "give the number alone")),
}


def _strange(char: str) -> NotANumber:
    told = _STRANGE.get(char)
    if told is None and char.isnumeric():
        name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
        told = f"a digit of another script is in it ({name})", "write it with the digits 0 to 9"
    if told is None and char.isalpha():
        told = "there are letters in it", "write it with the digits 0 to 9"
    if told is None and char.isascii() and char.isprintable():
        told = f"'{char}' does not belong in a telephone number", _WRITE
    if told is None:
        told = f"a character that does not belong in it (U+{ord(char):04X})", _WRITE
    return NotANumber("unreadable", *told)


def _short(digits: str, country: str) -> NotANumber:
    listed = _EMERGENCY[""] | _EMERGENCY.get(country, frozenset())
    if digits in listed or shortnumberinfo.is_emergency_number(digits, country):
        return NotANumber(
            "kind", "emergency numbers are not called from here", "dial it at a telephone", NumberKind.EMERGENCY
        )
    return NotANumber("kind", "short numbers are not called from here", _WRITE, NumberKind.SHORT)


def _none_such(parsed: phonenumbers.PhoneNumber) -> NotANumber:
    national = phonenumbers.national_significant_number(parsed)
    region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if len(national) <= _MAX_SHORT:
        return _short(national, region)
    if phonenumbers.is_possible_number(parsed):
        return NotANumber("invalid", "this number is not in use", "check its digits")
    return NotANumber("invalid", "this number has too few or too many digits", "check its digits")


def _zones(parsed: phonenumbers.PhoneNumber, country: str) -> tuple[str, ...]:
    told = (zone for zone in timezone.time_zones_for_number(parsed) if zone != _NO_ZONE)
    return corrected(country, told)
