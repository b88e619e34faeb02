"""A stand-in for the controller: answers Asterisk's WebSocket and does what a test says with each event."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import WSMsgType, web

from controller.runtime.asterisk import AsteriskServer

_LIMIT_S = 15.0


class FakeController:
    """The far end of the persistent WebSocket; `events` holds what came, requests go out with `request`."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)
        self.authorisation = ""
        self.protocol = ""
        self.connected = asyncio.Event()
        self._gone = asyncio.Event()
        self._socket: web.WebSocketResponse | None = None
        self._site: web.TCPSite | None = None
        self._runner: web.AppRunner | None = None
        self._numbers = itertools.count(1)

    async def listen(self, port: int) -> None:
        application = web.Application()
        application.router.add_get("/asterisk/ari", self._serve)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()

    async def close(self) -> None:
        if self._site is not None:
            await self._site.stop()  # first: Asterisk dials again at once
        if self._socket is not None:
            await self._socket.close()
            async with asyncio.timeout(_LIMIT_S):
                await self._gone.wait()
            self._socket = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next event of type `kind`; others are dropped."""
        async with asyncio.timeout(_LIMIT_S):
            while True:
                event = await self.events.get()
                if event["type"] == kind:
                    return event

    async def claim(self) -> dict[str, Any]:
        """Take the call that is offered next; return its StasisStart."""
        offer = await self.until("CallBroadcast")
        await self.request("POST", f"events/claim?channelId={offer['channel']['id']}&application=rappel")
        return await self.until("StasisStart")

    async def request(self, method: str, uri: str) -> None:
        assert self._socket is not None
        request = {
            "type": "RESTRequest",
            "request_id": str(next(self._numbers)),
            "method": method,
            "uri": uri,
        }
        await self._socket.send_json(request)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        self.authorisation = base64.b64decode(token).decode() if scheme == "Basic" else ""
        socket = web.WebSocketResponse(protocols=("ari",))
        await socket.prepare(request)
        self.protocol = socket.ws_protocol or ""
        self._socket = socket
        self.connected.set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.events.put_nowait(json.loads(message.data))
        finally:
            self._gone.set()
        return socket


@pytest_asyncio.fixture
async def controller(asterisk: AsteriskServer) -> AsyncIterator[FakeController]:
    """A controller that listens where `asterisk` looks for it."""
    fake = FakeController()
    await fake.listen(asterisk.settings.controller_port)
    yield fake
    await fake.close()
