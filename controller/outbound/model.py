"""The words of outbound calls as data: purposes, what is asked of the gate, and what it says."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

Number = NewType("Number", str)
"""A telephone number in E.164 with its plus sign: `+33353014700`."""


class Purpose(StrEnum):
    """Why somebody is called: decides which rules apply."""

    REQUESTED = "requested"  # the person called asked for it, and there is proof
    SERVICE = "service"  # about a contract, an order or a case that exists
    PROSPECTING = "prospecting"  # to sell; only with recorded consent, in its hours, and seldom
    INTERNAL = "internal"  # our own people


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


class OutboundAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One call that somebody wants to make."""

    number: str
    """As it came in: the gate understands it or refuses it."""
    purpose: Purpose
    caller_id: str = ""
    """One of the centre's own numbers; "": the default one."""
    country: str = ""
    """Where a number without a plus sign is dialled from; "": the centre's."""
    zone: str = ""
    """The called person's IANA zone if they said it; "": from the number."""
    consent: bool = False
    """There is a recorded consent to be called for this purpose."""
    request: str = ""
    """The call-back request it is made for."""
    agent: str = ""
    """Who asked for it, when an agent did."""
    expected_s: float = 300.0
    """How long it may last, for the estimate of its cost."""


class Usage(msgspec.Struct, frozen=True):
    """What was done before, as far as the gate must know. Times are aware UTC, costs in the centre's currency."""

    opted_out: bool = False
    """The number is on the list of those who do not want to be called (for this purpose)."""
    recent: tuple[datetime, ...] = ()
    """Calls to the number for the same purpose in the last 60 days that were dialled, newest first."""
    refused_at: datetime | None = None
    """When the person last said that they do not want to be called for this purpose."""
    spent_hour: float = 0.0
    spent_day: float = 0.0
    spent_number_day: float = 0.0
    """Including what calls in progress may cost at their longest."""


class Verdict(msgspec.Struct, frozen=True):
    """What the gate says. Not allowed: `code`, `message` and `advice` are for who asked."""

    allowed: bool
    code: str = ""
    """Stable: `unreadable`, `invalid`, `kind`, `country`, `opted_out`, `window`, `frequency`, `consent`, `cost`,
    `caller_id`, `off`, `unavailable`."""
    message: str = ""
    advice: str = ""
    facts: NumberFacts | None = None
    caller_id: str = ""
    """What the call shows, when it is allowed."""
    not_before: datetime | None = None
    """When it may be asked again with a chance (a window opens, a day ends)."""
    rate_per_min: float = 0.0
    cost: float = 0.0
    """Estimate for `expected_s`."""
    rule: str = ""
    """Which rule decided, with its source: `FR prospecting window (decree 2022-1313)`."""
