"""The forms in which a number of ours may be written by an operator and a carrier. Nothing is dialled by them."""

from __future__ import annotations

import functools

import phonenumbers


@functools.lru_cache(maxsize=1024)  # the same few called numbers, call after call
def number_forms(number: str, country: str) -> tuple[str, ...]:
    """Return the forms a telephone number is known by: bare digits, E.164 with and without +, national."""
    if number.startswith("*"):
        return (number,)  # a code dialled at an agent's phone
    digits = "".join(c for c in number if c.isdecimal() and c.isascii())
    plus = "+" if number.strip().startswith("+") else ""
    forms = [plus + digits]
    try:
        parsed = phonenumbers.parse(plus + digits, country)
    except phonenumbers.NumberParseException:
        return tuple(forms)
    if phonenumbers.is_possible_number(parsed):
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        forms += [e164, e164[1:], "".join(c for c in national if c.isdecimal())]
    return tuple(dict.fromkeys(forms))
