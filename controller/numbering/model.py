"""The words of telephone numbers as data: what a number is, and why a text is none that may be called."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

Number = NewType("Number", str)
"""A telephone number in E.164 with its plus sign: `+33353014700`."""


class NumberKind(StrEnum):
    """What sort of number it is, as far as the plan says."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    VOIP = "voip"
    FREE = "free"
    SHARED_COST = "shared_cost"
    PREMIUM = "premium"
    PERSONAL = "personal"
    PAGER = "pager"
    COMPANY = "company"  # UAN
    VOICEMAIL = "voicemail"
    SHORT = "short"
    EMERGENCY = "emergency"
    SATELLITE = "satellite"  # and other numbers of no country (+881, +882, +883, +878…)
    PLATFORM = "platform"  # reserved for automated callers (Arcep)
    UNKNOWN = "unknown"


class NumberFacts(msgspec.Struct, frozen=True):
    """What is known of a number that was understood."""

    number: Number
    country: str
    """ISO 3166: `FR`; "" where there is none."""
    kind: NumberKind
    national: str
    """As people of the country write it: `03 53 01 47 00`."""
    zones: tuple[str, ...] = ()
    """IANA zones where it may be; the first is the likeliest."""


class NotANumber(msgspec.Struct, frozen=True):
    """Why a text is no number that can be called, for who wrote it."""

    code: str
    """`unreadable` (not the form of a number), `invalid` (no such number), or `kind` (short or emergency)."""
    message: str
    advice: str
    kind: NumberKind = NumberKind.UNKNOWN
