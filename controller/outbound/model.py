"""The words of outbound calls as data: purposes, what is asked of the gate, and what it says."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from controller.numbering.model import Number, NumberFacts, NumberKind
from controller.numbering.tariffs import Tariff, TariffTable, package_tariffs

__all__ = [
    "ALLOWABLE_KINDS",
    "Ceilings",
    "Number",
    "NumberFacts",
    "NumberKind",
    "OutboundAsk",
    "OutboundRules",
    "Purpose",
    "Usage",
    "Verdict",
]

ALLOWABLE_KINDS = (
    NumberKind.FIXED,
    NumberKind.MOBILE,
    NumberKind.VOIP,
    NumberKind.FREE,
    NumberKind.PERSONAL,
    NumberKind.COMPANY,
    NumberKind.SHARED_COST,
)
"""Kinds that an operator may allow; the others are never called, whatever a file says."""


class Purpose(StrEnum):
    """Why somebody is called: decides which rules apply."""

    REQUESTED = "requested"  # the person called asked for it, and there is proof
    SERVICE = "service"  # about a contract, an order or a case that exists
    PROSPECTING = "prospecting"  # to sell; only with recorded consent, in its hours, and seldom
    INTERNAL = "internal"  # our own people


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
    """The called person's IANA zone if they said it; "": from the number. One that is not the number's counts too."""
    consent: bool = False
    """There is a recorded consent to be called for this purpose."""
    request: str = ""
    """The call-back request it is made for."""
    agent: str = ""
    """Who asked for it, when an agent did."""
    expected_s: float = 300.0
    """How long it may last, for the estimate of its cost."""
    asked_at: datetime | None = None
    """When the person asked for it; None: now. A request older than the person's general opt-out is not called."""


class Usage(msgspec.Struct, frozen=True):
    """What was done before, as far as the gate must know. Times are aware UTC, costs in the centre's currency."""

    opted_out: bool = False
    """The number is on the list of those who do not want to be called, for this very purpose."""
    recent: tuple[datetime, ...] = ()
    """Calls to the number for the same purpose in the last 60 days that were dialled, newest first."""
    refused_at: datetime | None = None
    """When the person last said that they do not want to be called for this purpose."""
    spent_hour: float = 0.0
    """In the last 60 minutes; what calls in progress may cost is in it."""
    spent_day: float = 0.0
    """In the last 24 hours."""
    spent_number_day: float = 0.0
    """The same, of this number alone."""
    silent_since: datetime | None = None
    """When the number went on the list for all purposes; None: it is not on it."""
    calls_number_day: int = 0
    """Calls to the number in the last 24 hours, for whatever purpose."""
    hour_frees_at: datetime | None = None
    """When the oldest call of the last 60 minutes counts no more; None: there is none."""
    day_frees_at: datetime | None = None
    number_frees_at: datetime | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What the gate says. Not allowed: `code`, `message` and `advice` are for who asked."""

    allowed: bool
    code: str = ""
    """Stable: `off`, `unreadable`, `invalid`, `country`, `kind`, `own_number`, `caller_id`, `opted_out`, `purpose`,
    `consent`, `window`, `frequency`, `cost`, `unavailable`. What each means: docs/outbound.md."""
    message: str = ""
    advice: str = ""
    facts: NumberFacts | None = None
    caller_id: str = ""
    """What the call shows, when it is allowed."""
    not_before: datetime | None = None
    """When it may be asked again with a chance (a window opens, a day ends)."""
    rate_per_min: float = 0.0
    cost: float = 0.0
    """Estimate for `expected_s`: what an allowed call reserves of the ceilings."""
    rule: str = ""
    """Which rule decided, with its source: `FR prospecting window (decree 2022-1313)`."""
    tariff: Tariff | None = None
    """By which it is paid, when it is allowed."""
    currency: str = ""


class Ceilings(msgspec.Struct, frozen=True):
    """What calls may cost at most, in the table's currency, and how often one number is called."""

    hour: float = 20.0
    """All calls of any 60 minutes."""
    day: float = 100.0
    """All calls of any 24 hours."""
    number: float = 5.0
    """Calls to one number in any 24 hours."""
    calls: int = 20
    """How often one number is called in any 24 hours, whatever it costs."""


class OutboundRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a centre allows itself: `outbound:` of centre.yaml. Without that section it is `off`."""

    off: bool = True
    country: str = "FR"
    """Where a number without plus sign is dialled from."""
    zone: str = "Europe/Paris"
    """Of people whose number does not say where they are."""
    caller_id: Number = Number("")
    """What calls show that ask for nothing else; one of `owned`."""
    owned: frozenset[Number] = frozenset()
    """The centre's own numbers."""
    staff: frozenset[Number] = frozenset()
    """Our own people's telephones: whom calls for the purpose `internal` may go to."""
    countries: frozenset[str] = frozenset()
    kinds: frozenset[NumberKind] = frozenset()
    ceilings: Ceilings = Ceilings()
    tariffs: TariffTable = msgspec.field(default_factory=package_tariffs)
