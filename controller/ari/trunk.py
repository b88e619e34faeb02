"""How numbers are written for the trunk, and which of them are telephones of our own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.errors import AsteriskRefused

_BAD_REQUEST = 400


class NumberFormat(StrEnum):
    """How a carrier wants numbers in requests (`[sip] trunk_format`)."""

    E164 = "e164"  # +33353014700
    DIGITS = "digits"  # 33353014700
    INTERNATIONAL = "00"  # 0033353014700
    NATIONAL = "national"  # 0353014700; other countries' as with 00


@dataclass(frozen=True, slots=True)
class TrunkNumbers:
    """What the trunk makes of a number.

    `country` is our country's code (`33`), `prefix` what stands before a national number (`0`; Italy: none), both for
    `NATIONAL`. `endpoint` is the endpoint that rings whoever is called (`PJSIP/1002`), with the simulated carrier.
    """

    format: NumberFormat = NumberFormat.E164
    country: str = "33"
    prefix: str = "0"
    endpoint: str = ""

    def written(self, number: str) -> str:
        """Return an E.164 number as the trunk wants it; raises `AsteriskRefused` for anything else."""
        digits = number.removeprefix("+")
        if not number.startswith("+") or not (digits.isascii() and digits.isdecimal()):
            reason = f"{number!r} is no number in E.164 (+33353014700): it is not dialled"
            raise AsteriskRefused(reason, status=_BAD_REQUEST, reason=reason)
        match self.format:
            case NumberFormat.E164:
                return number
            case NumberFormat.DIGITS:
                return digits
            case NumberFormat.NATIONAL if digits.startswith(self.country):
                return self.prefix + digits.removeprefix(self.country)
        return f"00{digits}"
