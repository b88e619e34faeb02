"""What a route is: a declaration that is served, checked and documented from one place."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from aiohttp import hdrs, web

from controller.errors import StoreConflict, StoreError
from controller.ids import call_id_of_attempt
from controller.ports import Token
from controller.web.api.access import Door, Scope, require
from controller.web.api.problems import (
    BAD_REQUEST,
    BROKEN,
    CONFLICT,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    UNPROCESSABLE,
    UNSUPPORTED,
    Problem,
)

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 256 * 1024
_ATTEMPT = re.compile(r"[0-9a-fA-F]{32}")
_PARAMETER = re.compile(r"\{(\w+)\}")

Query = TypeVar("Query")
Body = TypeVar("Body")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[Query, Body]):
    """What a handler gets: everything is checked against the declaration already."""

    token: Token
    path: dict[str, str]
    query: Query
    body: Body
    http: web.Request


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `answer` None: the handler returns a whole `StreamResponse`, or nothing (204)."""

    method: str
    path: str
    name: str
    """Its operationId."""
    summary: str
    scope: Scope | None
    handler: Callable[[ApiRequest[Any, Any]], Awaitable[Any]]
    query: type = Nothing
    body: Any = None
    """The type of the JSON body; None: there is none."""
    answer: Any = None
    status: int = 200
    media_type: str = "application/json"
    """Of the answer."""
    note: str = ""
    """More than the summary says, for the documentation."""
    problems: tuple[int, ...] = field(default=())
    """Statuses of refusals beside those that every route has."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PARAMETER.findall(self.path))


def serve(route: Route, door: Door) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the aiohttp handler of `route`."""
    decoder: msgspec.json.Decoder[Any] | None = None if route.body is None else msgspec.json.Decoder(route.body)

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            token = await door.open(request.headers.get(hdrs.AUTHORIZATION, ""), request.remote or "")
            if route.scope is not None:
                require(token, route.scope)
            query = _query(route, request)
            body = await _body(decoder, request)
            result = await route.handler(ApiRequest(token, _path(request), query, body, request))
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - every failure becomes an answer that says what to do
            return _problem(error, route).response()
        if route.method != hdrs.METH_GET:
            log.info("api.done", route=route.name, by=token.actor, **request.match_info)
        return _answer(result, route.status)

    return handle


def _answer(result: Any, status: int) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=204)
    return web.Response(body=msgspec.json.encode(result), status=status, content_type="application/json")


def _problem(error: Exception, route: Route) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreConflict):
        return Problem(CONFLICT, "conflict", str(error))
    if isinstance(error, StoreError):
        advice = "ask again in some seconds; /readyz says what is missing"
        return Problem(UNAVAILABLE, "database_away", str(error), advice, retry_after_s=5)
    log.error("api.failed", route=route.name, exc_info=error)
    detail = "the controller's log says what went wrong"
    return Problem(BROKEN, "fault", detail, "report it with the time of the request")


def _path(request: web.Request) -> dict[str, str]:
    """Return the parameters of the path. A call's id may be written as the attempt's is that began it: no dashes."""
    path = dict(request.match_info)
    if _ATTEMPT.fullmatch(path.get("call_id", "")):
        path["call_id"] = call_id_of_attempt(path["call_id"])
    return path


def _query(route: Route, request: web.Request) -> Any:
    repeated = [key for key in request.query if len(request.query.getall(key)) > 1]
    if repeated:
        raise Problem(UNPROCESSABLE, "invalid", f"{repeated[0]} is given twice", "give each parameter once")
    try:
        return msgspec.convert(dict(request.query), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(UNPROCESSABLE, "invalid", f"query: {error}", "see /api/v1/openapi.json") from None


async def _body(decoder: msgspec.json.Decoder[Any] | None, request: web.Request) -> Any:
    if decoder is None:
        return None
    if request.content_type != "application/json":
        raise Problem(UNSUPPORTED, "not_json", "the body is not application/json", "set Content-Type, send JSON")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise Problem(UNSUPPORTED, "compressed", "the body is compressed", "send it without Content-Encoding")
    too_large = Problem(TOO_LARGE, "too_large", f"more than {MAX_BODY_BYTES} bytes", "send less at once")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    if len(raw) > MAX_BODY_BYTES:  # the application that this one is mounted in may take more
        raise too_large
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise Problem(UNPROCESSABLE, "invalid", str(error), "see /api/v1/openapi.json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(BAD_REQUEST, "not_json", f"the body is not JSON: {error}") from None


def missing(what: str, name: str) -> Problem:
    """Return the 404 for a thing that is not there."""
    return Problem(NOT_FOUND, f"unknown_{what}", f"there is no {what} '{name[:60]}'")
