"""What the web server asks about calls from pages; `controller.calls.voice.service` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from controller.acd.model import Refused
from controller.callback.model import Consent, Customer, Origin
from controller.calls.callback.desk import Availability


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceAsk:
    """A call from a page as it is asked for.

    `number` is one of the centre's numbers, set by who runs the site and never by the page; `queue` is where it
    leads, for the question whether somebody can answer. `web_origin` (`https://shop.example`) is the only one from
    which the ticket is taken. `address` is the visitor's.
    """

    site: str
    web_origin: str
    number: str
    queue: str
    address: str
    language: str = ""
    customer: Customer = field(default_factory=Customer)
    origin: Origin = field(default_factory=Origin)
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Lets one page make one call, once, until `expires_at`."""

    ticket: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    """A ticket was taken: what the page's SIP client logs in with, and what it calls."""

    user: str
    password: str = field(repr=False)
    target: str
    """The user part of the only address that may be called."""
    max_s: float
    """How long the call may last."""


class VoiceDesk(Protocol):
    """Lets visitors call from a page. Refusals are values with code and advice.

    `Refused.code`: `no_voice` (switched off, or this Asterisk cannot), `unknown_number`, `unknown_queue`, `not_now`
    (nobody can answer), `too_many` (calls at once, or of this visitor), `unavailable` (Asterisk is away),
    `bad_ticket` (unknown, used, expired, or another site's).
    """

    @property
    def on(self) -> bool:
        """Whether calls from pages are possible at all now: show no button otherwise."""

    def availability(self, queue: str) -> Availability | None:
        """Return how a queue is; None: there is none, or no calls from pages are possible."""

    def open(self, ask: VoiceAsk) -> Ticket | Refused:
        """Give a ticket. It is taken within 60 s, or is void."""

    async def admit(self, ticket: str, web_origin: str) -> Admitted | Refused:
        """Take a ticket and make its line. Whatever comes of it, the ticket is used up."""

    def leave(self, user: str) -> None:
        """The page is gone, or its call is over: end what is left of it. Safe to say twice."""
