"""Why a visitor's request was refused, in the visitor's language, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import math

import msgspec
from aiohttp import web

from controller.acd.model import Refused
from controller.web.api.problems import (
    BAD_REQUEST,
    BROKEN,
    CONFLICT,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNPROCESSABLE,
)
from controller.web.public.wording import said

MEDIA_TYPE = "application/problem+json"
_STATUS = {
    "unknown_site": NOT_FOUND,
    "unknown_address": NOT_FOUND,
    "not_from_here": FORBIDDEN,
    "wrong_method": METHOD_NOT_ALLOWED,
    "too_large": TOO_LARGE,
    "too_many": TOO_MANY,
    "key_missing": BAD_REQUEST,
    "key_reused": CONFLICT,
    "consent_changed": CONFLICT,
    "not_now": CONFLICT,
    "closed": CONFLICT,
    "slot_taken": CONFLICT,
    "slot_unknown": CONFLICT,
    "too_late": CONFLICT,
    "ticket_unknown": UNAUTHORIZED,
    "unavailable": UNAVAILABLE,
    "fault": BROKEN,
}
"""Everything else is 422."""
_DESK = {
    "unreadable": "number_unreadable",
    "invalid": "number_invalid",
    "kind": "number_kind",
    "country": "number_country",
    "opted_out": "not_callable",
    "frequency": "not_callable",
    "consent": "not_callable",
    "window": "window",
    "not_now": "not_now",
    "slot_taken": "slot_taken",
    "slot_unknown": "slot_unknown",
    "too_late": "too_late",
    "unknown_request": "ticket_unknown",
    "number_taken": "not_callable",
    "too_many": "too_many",
}
"""What the desk and the gate say → what a visitor is told. Of a number no more than its form tells: that somebody
wants no calls, or had many, is nothing for strangers."""


class RefusalBody(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """What a page gets: `code` for programs, `detail` and `advice` for people, in their language."""

    kind: str
    status: int
    code: str
    detail: str
    advice: str


class Refusal(Exception):  # noqa: N818 - a decision, not a fault
    """Ends a visitor's request."""

    def __init__(self, code: str, retry_after_s: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS.get(self.code, UNPROCESSABLE)

    def body(self, language: str) -> RefusalBody:
        """Return it in words."""
        words = said(self.code, language)
        return RefusalBody(f"urn:rappel:problem:{self.code}", self.status, self.code, words.detail, words.advice)

    def headers(self) -> dict[str, str]:
        """Return what else the answer says."""
        headers = {"Retry-After": str(math.ceil(self.retry_after_s))} if self.retry_after_s else {}
        if self.status == UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Ticket realm="rappel"'
        return headers

    def response(self, language: str) -> web.Response:
        """Return it as it is sent."""
        return web.Response(
            body=msgspec.json.encode(self.body(language)),
            status=self.status,
            content_type=MEDIA_TYPE,
            headers=self.headers() | {"Content-Language": language},
        )


def refused(why: Refused) -> Refusal:
    """Return what a visitor is told when the desk says `why`."""
    return Refusal(_DESK.get(why.code, "unavailable"))
