"""`GET /public/v1/voice/ws`: a page's way to Asterisk's SIP, for one call, with a ticket.

The page opens a WebSocket (subprotocol `sip`) and sends `{"ticket": "…"}` within 5 s: a ticket is in no URL and in no
header, so in no log of a proxy. It is answered `{"user", "password", "target", "domain", "max_s"}`, or
`{"refused": code, "message"}` and the end. From then on every text is a SIP message (RFC 7118).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec
import structlog
from aiohttp import WSMsgType, web

from controller.acd.model import Refused
from controller.calls.voice.desk import Admitted, VoiceDesk
from controller.web.voice.rules import DOMAIN, Forbidden, Phase, Rules
from controller.web.voice.sip import MAX_CHARS

log = structlog.get_logger(__name__)

PATH: Final = "/public/v1/voice/ws"
POLICY: Final = 1008
_TICKET_S: Final = 5.0
_CONNECT_S: Final = 3.0
_CALL_WITHIN_S: Final = 90.0
"""From the ticket to the answer: the visitor may still be asked for the microphone."""
_LAST_WORDS_S: Final = 0.5
"""What follows the end of a call on either side (an ACK) has this long."""
_HEARTBEAT_S: Final = 10.0
_UNKNOWN: Final = 60
"""Connections that have shown no ticket yet, and how many of them may be one address's."""
_UNKNOWN_OF_ONE: Final = 6
_BURST: Final = 40
_PER_S: Final = 5.0
_MAX_UPSTREAM: Final = 65_536


class _Hello(msgspec.Struct, forbid_unknown_fields=True):
    ticket: str


@dataclass(slots=True)
class Bucket:
    """A rate: `burst` at once, then `per_s`."""

    burst: float
    per_s: float
    level: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Return whether one more is within the rate."""
        self.level = max(0.0, self.level - (now - self.at) * self.per_s) + 1.0
        self.at = now
        return self.level <= self.burst


class VoiceRelay:
    """The relay. `asterisk` is the address of Asterisk's HTTP server (`http://127.0.0.1:8088`).

    `address` returns a visitor's address. Close with `close`; the desk then ends the calls.
    """

    def __init__(self, desk: VoiceDesk, asterisk: str, *, address: Callable[[web.Request], str]) -> None:
        self._desk = desk
        self._url = f"ws{asterisk.removeprefix('http').rstrip('/')}/ws"
        self._address = address
        self._unknown: Counter[str] = Counter()
        self._open: set[web.WebSocketResponse] = set()
        self._session: aiohttp.ClientSession | None = None

    def mount(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(PATH, self.serve)

    async def close(self) -> None:
        """End every session."""
        closing = [socket.close(code=1001, message=b"the centre restarts") for socket in list(self._open)]
        await asyncio.gather(*closing, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one page."""
        origin = request.headers.get("Origin", "")
        if not origin or "sip" not in request.headers.get("Sec-WebSocket-Protocol", ""):
            raise web.HTTPBadRequest(text="This is for calls from web pages: a WebSocket with the subprotocol sip.\n")
        address = self._address(request)
        if self._unknown.total() >= _UNKNOWN or self._unknown[address] >= _UNKNOWN_OF_ONE:
            raise web.HTTPServiceUnavailable(text="Too many connections.\n", headers={"Retry-After": "5"})
        page = web.WebSocketResponse(
            protocols=("sip",), heartbeat=_HEARTBEAT_S, max_msg_size=4 * MAX_CHARS, compress=False, timeout=2.0
        )
        self._unknown[address] += 1
        try:
            await page.prepare(request)
            self._open.add(page)
            hello = await _hello(page)
        finally:
            self._unknown[address] -= 1
            if not self._unknown[address]:
                del self._unknown[address]
            self._open.discard(page)
        if hello is None:
            await page.close(code=POLICY, message=b"no ticket")
            return page
        admitted = await self._desk.admit(hello.ticket, origin)
        if isinstance(admitted, Refused):
            await _say(page, {"refused": admitted.code, "message": admitted.message})
            await page.close(code=POLICY, message=admitted.code.encode())
            return page
        self._open.add(page)
        code, reason = POLICY, "unavailable"
        try:
            code, reason = await self._call(page, admitted)
        finally:
            self._open.discard(page)
            # First of all: the agent shall not wait for a page to say goodbye.
            self._desk.leave(admitted.user)
        await page.close(code=code, message=reason.encode()[:120])
        return page

    async def _call(self, page: web.WebSocketResponse, admitted: Admitted) -> tuple[int, str]:
        """Serve one call; return how the page's WebSocket is to be closed."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(_CONNECT_S):
                asterisk = await self._session.ws_connect(
                    self._url, protocols=("sip",), max_msg_size=_MAX_UPSTREAM, compress=0
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("voice.asterisk_unreachable", url=self._url, error=str(error))
            await _say(page, {"refused": "unavailable", "message": "the telephone server cannot be reached"})
            return POLICY, "unavailable"
        welcome = {
            "user": admitted.user,
            "password": admitted.password,
            "target": admitted.target,
            "domain": DOMAIN,
            "max_s": admitted.max_s,
        }
        session = _Session(page, asterisk, Rules(admitted.user, admitted.target), admitted)
        try:
            await page.send_str(msgspec.json.encode(welcome).decode())
            return await session.run()
        except (ConnectionError, aiohttp.ClientError) as error:
            log.info("voice.page_lost", line=admitted.user, error=str(error))
            return POLICY, "lost"
        finally:
            await asterisk.close()


class _Session:
    """Both ends of one page's call, and what goes between them."""

    def __init__(
        self,
        page: web.WebSocketResponse,
        asterisk: aiohttp.ClientWebSocketResponse,
        rules: Rules,
        admitted: Admitted,
    ) -> None:
        self._page = page
        self._asterisk = asterisk
        self._rules = rules
        self._admitted = admitted
        self._changed = asyncio.Event()

    async def run(self) -> tuple[int, str]:
        """Return when the call is over, or an end is gone, or the time is up: how to close the page's WebSocket."""
        pumps = [
            asyncio.create_task(self._from_page()),
            asyncio.create_task(self._from_asterisk()),
            asyncio.create_task(self._watch()),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            reason = next(iter(done)).result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        log.info("voice.session_over", line=self._admitted.user, reason=reason, phase=self._rules.phase)
        return POLICY if reason.startswith("forbidden") else 1000, reason

    async def _from_page(self) -> str:
        loop = asyncio.get_running_loop()
        rate = Bucket(_BURST, _PER_S)
        async for frame in self._page:
            if frame.type is not WSMsgType.TEXT:
                return "forbidden: binary"
            if not rate.take(loop.time()):
                log.warning("voice.page_floods", line=self._admitted.user)
                return "forbidden: too fast"
            text: str = frame.data
            if not text.strip("\r\n"):
                continue  # keep-alive (RFC 5626)
            try:
                self._rules.from_page(text)
            except Forbidden as error:
                log.warning("voice.page_forbidden", line=self._admitted.user, what=str(error))
                return f"forbidden: {error}"
            await self._asterisk.send_str(text)
            self._changed.set()
        return "page gone"

    async def _from_asterisk(self) -> str:
        async for frame in self._asterisk:
            if frame.type is WSMsgType.TEXT:
                text: str = frame.data
            elif frame.type is WSMsgType.BINARY:
                text = frame.data.decode("utf-8", "replace")
            else:
                continue
            if self._rules.from_asterisk(text):
                await self._page.send_str(text)
                self._changed.set()
        return "telephone server gone"

    async def _watch(self) -> str:
        """Return when the call is over, or was not answered in time, or has lasted long enough."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._admitted.max_s
        answered_by = loop.time() + _CALL_WITHIN_S
        while self._rules.phase is not Phase.OVER:
            until = answered_by if self._rules.phase is not Phase.UP else ends
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            self._changed.clear()
            if loop.time() >= until:
                return "time is up"
        await asyncio.sleep(_LAST_WORDS_S)
        return "call over"


async def _hello(page: web.WebSocketResponse) -> _Hello | None:
    try:
        frame = await page.receive(timeout=_TICKET_S)
        return msgspec.json.decode(frame.data, type=_Hello) if frame.type is WSMsgType.TEXT else None
    except (TimeoutError, msgspec.MsgspecError, ConnectionError):
        return None


async def _say(page: web.WebSocketResponse, answer: dict[str, str]) -> None:
    with contextlib.suppress(ConnectionError):
        await page.send_str(msgspec.json.encode(answer).decode())
