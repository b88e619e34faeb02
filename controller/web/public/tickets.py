"""Tickets: what proves that a visitor is the one who asked, without an account and without a cookie.

A ticket is the request's id, sealed: nobody can read or make one (deterministic authenticated encryption in the form
of SIV, RFC 5297, with HMAC-SHA256 as the pseudo-random function, for one block). Nothing is kept, so a ticket holds
on every node that has the same key, and after a restart. It belongs to one site, and is sent in the `Authorization`
header or the fragment of a link, never in a URL that a server sees.

When somebody asks for a number that has an open request already, they get a ticket of the kind `SECOND`: it looks the
same and shows the call, but it changes nothing that the first asker said.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from datetime import UTC, datetime
from enum import IntEnum

import msgspec

from controller.callback.model import RequestId

_TAG = 16
_BODY = 28
_SALT = 6


class Rights(IntEnum):
    """What a ticket allows."""

    OWN = 1
    SECOND = 2


class Ticket(msgspec.Struct, frozen=True):
    """An opened ticket."""

    request_id: RequestId
    rights: Rights
    at: datetime
    """When it was given, to the second."""
    salt: bytes = bytes(_SALT)
    """Tells tickets of one request apart: two strangers who ask in one second must not get the same one."""


def new_salt() -> bytes:
    """Return a salt for a `SECOND` ticket; one's own has none, so that a retry brings the same."""
    return secrets.token_bytes(_SALT)


class Seal:
    """Makes and opens tickets with one secret of 16 bytes or more."""

    def __init__(self, key: bytes) -> None:
        self._mac_key = hmac.digest(key, b"rappel ticket mac", "sha256")
        self._pad_key = hmac.digest(key, b"rappel ticket pad", "sha256")
        self._name_key = hmac.digest(key, b"rappel ticket name", "sha256")

    def seal(self, ticket: Ticket, site: str) -> str:
        """Return the ticket for `site`, 59 characters that are safe everywhere."""
        at = int(ticket.at.timestamp()).to_bytes(5, "big")
        body = bytes.fromhex(ticket.request_id) + at + ticket.salt + bytes([ticket.rights])
        tag = self._tag(body, site)
        return _text(tag + self._masked(body, tag))

    def open(self, text: str, site: str) -> Ticket | None:
        """Return what `text` says; None: it is no ticket of ours for `site`."""
        if len(text) > 100 or not text.isascii():  # noqa: PLR2004 - far more than a ticket has
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        if len(raw) != _TAG + _BODY or _text(raw) != text:  # each ticket has one form only
            return None
        tag = raw[:_TAG]
        body = self._masked(raw[_TAG:], tag)
        if not hmac.compare_digest(self._tag(body, site), tag):
            return None
        at = datetime.fromtimestamp(int.from_bytes(body[16:21], "big"), UTC)
        return Ticket(RequestId(body[:16].hex()), Rights(body[27]), at, body[21:27])

    def reference(self, text: str) -> str:
        """Return a short name for a ticket, to be told to people: it opens nothing."""
        digest = hmac.digest(self._name_key, text.encode(), "sha256")
        return base64.b32encode(digest)[:8].decode()

    def _tag(self, body: bytes, site: str) -> bytes:
        return hmac.digest(self._mac_key, body + site.encode(), "sha256")[:_TAG]

    def _masked(self, body: bytes, tag: bytes) -> bytes:
        pad = hmac.digest(self._pad_key, tag, "sha256")
        return bytes(one ^ other for one, other in zip(body, pad, strict=False))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
