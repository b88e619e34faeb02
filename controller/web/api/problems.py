"""Why a request was refused, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import msgspec
from aiohttp import web

from controller.acd.model import Refused

MEDIA_TYPE = "application/problem+json"


class ProblemBody(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """What the client gets: `code` is stable and meant for programs, `advice` says what to do."""

    kind: str
    title: str
    status: int
    detail: str
    code: str
    advice: str = ""


class Problem(Exception):  # noqa: N818 - named after what it becomes
    """Ends a request with a refusal."""

    def __init__(self, status: int, code: str, detail: str, advice: str = "", retry_after_s: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.advice = advice
        self.retry_after_s = retry_after_s

    def response(self) -> web.Response:
        """Return it as it is sent."""
        body = ProblemBody(
            f"urn:rappel:problem:{self.code}", _TITLES[self.status], self.status, self.detail, self.code, self.advice
        )
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        if self.status == UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="rappel"'
        return web.Response(
            body=msgspec.json.encode(body), status=self.status, content_type=MEDIA_TYPE, headers=headers
        )


BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
METHOD_NOT_ALLOWED = 405
CONFLICT = 409
GONE = 410
TOO_LARGE = 413
UNSUPPORTED = 415
UNPROCESSABLE = 422
TOO_MANY = 429
BROKEN = 500
UNAVAILABLE = 503

_TITLES = {
    BAD_REQUEST: "The request cannot be read",
    UNAUTHORIZED: "No valid token",
    FORBIDDEN: "The token does not allow this",
    NOT_FOUND: "There is no such thing",
    METHOD_NOT_ALLOWED: "This cannot be done here",
    CONFLICT: "Not possible now",
    GONE: "It was deleted",
    TOO_LARGE: "The request is too large",
    UNSUPPORTED: "The request is not JSON",
    UNPROCESSABLE: "A value is not valid",
    TOO_MANY: "Too many requests",
    BROKEN: "A fault of ours",
    UNAVAILABLE: "Not available at the moment",
}


def done(refused: Refused | None) -> None:
    """Raise what the desk refused as a `Problem`."""
    if refused is not None:
        raise problem_of(refused)


def problem_of(refused: Refused) -> Problem:
    """Return what the desk refused as a `Problem`: unknown things are 404, rights 403, all else 409."""
    if refused.code.startswith("unknown_"):
        status = NOT_FOUND
    elif refused.code in {"not_yours", "not_a_supervisor"}:
        status = FORBIDDEN
    else:
        status = CONFLICT
    return Problem(status, refused.code, refused.message, refused.advice)


def statuses() -> dict[int, str]:
    """Return the title of each status a refusal can have."""
    return dict(_TITLES)
