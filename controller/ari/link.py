"""How the WebSocket comes to be: Asterisk dials the controller, or the controller dials Asterisk.

Preferred is the first (`outbound_websocket` in ari.conf with `connection_type=persistent`): Asterisk keeps the
events of the time without a controller. The second is for an Asterisk that cannot reach the controller; events
of the gap are lost there, and the resynchronisation after a reconnect has to make up for it.

Where Asterisk should dial and does not although it is there, we stand in: a controller that could not be reached from
there, or a thread of Asterisk's that waits for ever (`controller.ari.heartbeat`; until Asterisk is restarted).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import random
from functools import partial
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog
from picows import (
    WSError,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_connect,
    ws_create_server,
)
from yarl import URL

from controller.ari.connection import AriConnection, LinkState
from controller.ari.generated import operations as ari
from controller.ari.socket import OPTIONS, SUBPROTOCOL, AriSocket
from controller.ari.transport import Transport
from controller.errors import TelephonyError

log = structlog.get_logger(__name__)

PATH: Final = "/asterisk/ari"
"""Where Asterisk dials in."""

_FIRST_BACKOFF_S = 0.25
_LAST_BACKOFF_S = 15.0
_OPEN_TIMEOUT_S = 5.0
NOT_DIALLED_S: Final = 5.0
"""For so long an Asterisk that answers may leave us without a working connection; it dials twice a second."""
_LOOK_S = 0.5


class Door:
    """The listening socket that Asterisk dials, at `ws://host:port/asterisk/ari`.

    Answers 404 elsewhere, 401 without the right basic authentication, 400 without the subprotocol `ari`, 503 while
    there is no `connection` or once it was closed for good.
    """

    def __init__(self, connection: AriConnection | None, username: str, password: str) -> None:
        self.connection = connection
        self._login = f"{username}:{password}".encode()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Let Asterisk in from now on. Raises `OSError` when the port is taken."""
        self._server = await ws_create_server(self._answer, host, port, **OPTIONS)

    def refuse(self) -> None:
        """Take no new connections; the one that is there goes on."""
        if self._server is not None:
            self._server.close()

    def _answer(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        if request.path.partition(b"?")[0] != PATH.encode():
            return _refused(HTTPStatus.NOT_FOUND, "Asterisk's WebSocket is at " + PATH)
        if not self._may_enter(request.headers.get("Authorization", "")):
            log.warning("ari_login_refused")
            return _refused(
                HTTPStatus.UNAUTHORIZED,
                "user or password of websocket_client.conf is not the controller's",
                {"WWW-Authenticate": 'Basic realm="rappel"'},
            )
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in {name.strip() for name in offered.split(",")}:
            return _refused(HTTPStatus.BAD_REQUEST, "set protocols=ari in websocket_client.conf")
        if self.connection is None or self.connection.stopped:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "this controller is stopping")
        if self.connection.dialled_by_us:
            return _refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "this controller had to dial; restart Asterisk to end that"
            )
        accepted = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": SUBPROTOCOL})
        return WSUpgradeResponseWithListener(accepted, AriSocket(self.connection))

    def _may_enter(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            login = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(login, self._login)


def _refused(status: HTTPStatus, why: str, headers: dict[str, str] | None = None) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, f"{why}\n".encode(), headers)
    return WSUpgradeResponseWithListener(response, None)


def _just(socket: AriSocket) -> AriSocket:
    return socket


async def dial(connection: AriConnection, base_url: str, application: str, username: str, password: str) -> None:
    """Keep `connection` up by dialling Asterisk at `base_url` (`http://host:8088/ari`) until it is closed.

    Waits between attempts grow from a quarter of a second to 15 s, each with jitter, and start again from the
    bottom after a connection that worked.
    """
    backoff_s = _FIRST_BACKOFF_S
    while not connection.stopped:
        try:
            socket = await _dial_once(connection, base_url, application, username, password)
        except (OSError, WSError, TimeoutError) as error:
            log.warning("ari_dial_failed", url=base_url, error=str(error), again_in_s=round(backoff_s, 2))
        else:
            await socket.gone()
            if socket.worked:
                backoff_s = _FIRST_BACKOFF_S
        await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)


async def stand_in(
    connection: AriConnection, http: Transport, base_url: str, application: str, username: str, password: str
) -> None:
    """Dial Asterisk whenever it answers over `http` and yet leaves `connection` without work for `NOT_DIALLED_S`.

    The application is ours alone then, until that WebSocket ends: what Asterisk dials meanwhile is refused.
    """
    clock = asyncio.get_running_loop().time
    since: float | None = None
    while not connection.stopped:
        await asyncio.sleep(_LOOK_S)
        if _works(connection):
            since = None
            continue
        since = clock() if since is None else since
        if clock() - since < NOT_DIALLED_S:
            continue
        since = None
        if not await _answers(http) or _works(connection):
            continue
        log.warning("ari_not_dialled", advice="it goes on; restart Asterisk when nobody calls, or mend its uri")
        connection.dialled_by_us = True
        try:
            socket = await _dial_once(connection, base_url, application, username, password)
            await socket.gone()
        except (OSError, WSError, TimeoutError) as error:
            log.warning("ari_dial_failed", url=base_url, error=str(error), again_in_s=NOT_DIALLED_S)
        finally:
            connection.dialled_by_us = False


def _works(connection: AriConnection) -> bool:
    return connection.state is LinkState.READY


async def _answers(http: Transport) -> bool:
    try:
        await http.request(ari.asterisk_ping())
    except TelephonyError:
        return False
    return True


async def _dial_once(
    connection: AriConnection, base_url: str, application: str, username: str, password: str
) -> AriSocket:
    """Open one WebSocket for `connection`. Raises `OSError`, `WSError`, `TimeoutError`."""
    http = URL(f"{base_url.rstrip('/')}/events").with_query(app=application, subscribeAll="false")
    socket = AriSocket(connection, registered=True)
    async with asyncio.timeout(_OPEN_TIMEOUT_S):
        await ws_connect(
            partial(_just, socket),
            str(http.with_scheme("wss" if http.scheme == "https" else "ws")),
            extra_headers={
                "Authorization": aiohttp.encode_basic_auth(username, password),
                "Sec-WebSocket-Protocol": SUBPROTOCOL,
            },
            max_redirects=0,
            **OPTIONS,
        )
    return socket
