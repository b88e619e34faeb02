"""What a call from a web page is, and what it needs of Asterisk: one line for one call."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from controller.callback.model import Consent, Customer, Origin

PREFIX: Final = "page-"
"""Begins the name of every line; extensions are digits, so that nobody else's does."""
_HEADER_CHARS: Final = 200


class PageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call from a page when it begins. Everything the visitor told is data, never trusted."""

    site: str
    """The page's owner, as the centre knows them."""
    number: str
    """Which of the centre's numbers is called, whatever the page dials."""
    language: str = ""
    customer: Customer = Customer()
    origin: Origin = Origin()
    consent: Consent | None = None


def told_to_phone(facts: PageFacts | None) -> dict[str, str]:
    """Return the SIP headers that tell an agent's phone of a visitor: where from, who, and about what."""
    if facts is None:
        return {}
    said = {
        "X-Rappel-Origin": "page",
        "X-Rappel-Site": facts.site,
        "X-Rappel-Name": facts.customer.name,
        "X-Rappel-Reference": facts.customer.reference,
        "X-Rappel-Reason": facts.customer.reason,
        "X-Rappel-Campaign": facts.origin.campaign,
    }
    return {name: text[:_HEADER_CHARS] for name, text in said.items() if text}


class PageLine(msgspec.Struct, frozen=True, kw_only=True):
    """A SIP endpoint for one call from one page. `user` is its name, too."""

    user: str
    ha1: str
    """MD5 of `user:realm:password`."""
    facts: PageFacts

    def __repr__(self) -> str:
        return f"PageLine({self.user})"


class PageLines(Protocol):
    """Puts lines into Asterisk and takes them away. Methods raise `TelephonyError`."""

    @property
    def ready(self) -> bool:
        """Whether this Asterisk can take calls from pages (SIP over WebSocket, SRTP), as far as is known."""

    async def put(self, line: PageLine) -> None:
        """Make a line; it can be called from at once."""

    async def drop(self, user: str) -> None:
        """End the line's call if there is one, then delete the line. A line that is not there is no error."""
