"""How the WebSocket comes to be: Asterisk dials the controller, or the controller dials Asterisk.

Preferred is the first (`outbound_websocket` in ari.conf with `connection_type=persistent`): Asterisk keeps the
events of the time without a controller. The second is for an Asterisk that cannot reach the controller; events
of the gap are lost there, and the resynchronisation after a reconnect has to make up for it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import random
from typing import Literal

import aiohttp
import structlog
from aiohttp import web

from controller.ari.connection import AriConnection

log = structlog.get_logger(__name__)

HEARTBEAT_S = 4.0
"""Ping interval, which notices a frozen peer within 5 s."""
MAX_FRAME_BYTES = 32 * 1024 * 1024
"""The longest message taken from Asterisk: a list of some tens of thousands of channels."""
SUBPROTOCOL = "ari"

_FIRST_BACKOFF_S = 0.25
_LAST_BACKOFF_S = 15.0
_OPEN_TIMEOUT_S = 5.0


class WebSocketHandler:
    """The aiohttp handler of `/asterisk/ari`, where Asterisk dials in.

    Add with `app.router.add_get("/asterisk/ari", WebSocketHandler(connection, username, password).serve)`.
    Answers 401 without the right basic authentication, 400 without the subprotocol `ari`, 503 once the connection
    was closed for good.
    """

    def __init__(self, connection: AriConnection, username: str, password: str) -> None:
        self._connection = connection
        self._login = f"{username}:{password}".encode()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket until it closes."""
        if not self._may_enter(request.headers.get("Authorization", "")):
            log.warning("ari_login_refused", remote=request.remote)
            raise web.HTTPUnauthorized(
                text="user or password of websocket_client.conf is not the controller's",
                headers={"WWW-Authenticate": 'Basic realm="rappel"'},
            )
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in {name.strip() for name in offered.split(",")}:
            raise web.HTTPBadRequest(text="set protocols=ari in websocket_client.conf")
        if self._connection.stopped:
            raise web.HTTPServiceUnavailable(text="this controller is stopping")
        socket: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            protocols=(SUBPROTOCOL,),
            compress=False,
            max_msg_size=MAX_FRAME_BYTES,
            decode_text=False,
        )
        await socket.prepare(request)
        log.info("ari_link_up", remote=request.remote)
        await self._connection.run(socket)
        return socket

    def _may_enter(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            login = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(login, self._login)


async def dial(connection: AriConnection, base_url: str, application: str, username: str, password: str) -> None:
    """Keep `connection` up by dialling Asterisk at `base_url` (`http://host:8088/ari`) until it is closed.

    Waits between attempts grow from a quarter of a second to 15 s, each with jitter, and start again from the
    bottom after a connection that worked.
    """
    url = f"{base_url.rstrip('/')}/events"
    params = {"app": application, "subscribeAll": "false"}
    backoff_s = _FIRST_BACKOFF_S
    async with aiohttp.ClientSession(
        headers={"Authorization": aiohttp.encode_basic_auth(username, password)}
    ) as session:
        while not connection.stopped:
            try:
                async with asyncio.timeout(_OPEN_TIMEOUT_S):
                    socket = await session.ws_connect(
                        url,
                        params=params,
                        protocols=(SUBPROTOCOL,),
                        heartbeat=HEARTBEAT_S,
                        max_msg_size=MAX_FRAME_BYTES,
                        decode_text=False,
                    )
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("ari_dial_failed", url=base_url, error=str(error), again_in_s=round(backoff_s, 2))
            else:
                async with socket:
                    if await connection.run(socket, registered=True):
                        backoff_s = _FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
