"""Between HTTP and data: the ticket and the body of a request, the answers that visitors get."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from controller.web.public.forms import RequestView
from controller.web.public.refusals import Refusal

MAX_BODY_BYTES: Final = 16 * 1024
_SEND_TIMEOUT_S: Final = 10.0
_TICKET: Final = "Ticket "


def ticket_of(request: web.Request) -> str:
    """Return the ticket in `Authorization: Ticket …`."""
    header = request.headers.get(hdrs.AUTHORIZATION, "")
    return header.removeprefix(_TICKET).strip() if header.startswith(_TICKET) else ""


async def json_body(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Return what a JSON body holds; raise `Refusal` when it is not what `decoder` reads."""
    if request.content_type != "application/json":
        raise Refusal("invalid")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise Refusal("invalid")
    raw = await read_body(request)
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal("invalid") from None


async def read_body(request: web.Request) -> bytes:
    """Return a body of at most `MAX_BODY_BYTES`; no more is read, whatever the outer application would take."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refusal("too_large")
    raw = bytearray()
    async for piece in request.content.iter_any():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise Refusal("too_large")
    return bytes(raw)


def json_answer(content: Any, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")


def cached_answer(request: web.Request, content: Any, fresh_s: int, language: str = "") -> web.Response:
    """Answer with what browsers and proxies may keep for a while."""
    body = msgspec.json.encode(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {hdrs.CACHE_CONTROL: f"public, max-age={fresh_s}", hdrs.ETAG: tag}
    if language:
        headers[hdrs.CONTENT_LANGUAGE] = language
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def send_event(response: web.StreamResponse, view: RequestView | None) -> None:
    """Send a view, or with None a sign of life, to who follows a request."""
    text = b": still here\n\n" if view is None else b"event: progress\ndata: " + msgspec.json.encode(view) + b"\n\n"
    await asyncio.wait_for(response.write(text), _SEND_TIMEOUT_S)
