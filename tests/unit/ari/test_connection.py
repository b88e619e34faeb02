"""The life of a connection against a WebSocket client that plays Asterisk's part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.ari.connection import AriConnection, LinkState, Snapshot
from controller.ari.events import AnyEvent
from controller.ari.generated import operations as ari
from controller.ari.link import PATH, Door, dial
from controller.errors import AsteriskUnreachable
from tests.rig import freeports

LOGIN = {"Authorization": aiohttp.encode_basic_auth("asterisk", "secret")}
APPLICATION = {
    "name": "rappel",
    "channel_ids": ["1.1"],
    "bridge_ids": [],
    "endpoint_ids": [],
    "device_names": [],
    "events_allowed": [],
    "events_disallowed": [],
}


class Listener:
    """Writes down what it is told, in order; `broken` makes it fail on every event."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.broken = False

    def dispatch(self, event: AnyEvent) -> None:
        if self.broken:
            raise ZeroDivisionError
        self.told.append(type(event).__name__)

    def snapshot(self, snapshot: Snapshot) -> None:
        self.told.append(f"snapshot {sorted(snapshot.ours)}")

    def caught_up(self, snapshot: Snapshot) -> None:
        self.told.append("caught up")

    def disconnected(self) -> None:
        self.told.append("disconnected")


def event(kind: str, **members: Any) -> str:
    return json.dumps({"type": kind, "application": "rappel", "timestamp": "2026-11-23T11:25:45.678+0000", **members})


async def answer(socket: aiohttp.ClientWebSocketResponse[Any] | web.WebSocketResponse[Any], body: Any) -> None:
    request = await socket.receive_json(timeout=2)
    reply = {
        "type": "RESTResponse",
        "transaction_id": request["transaction_id"],
        "request_id": request["request_id"],
        "status_code": 200,
        "reason_phrase": "OK",
        "uri": request["uri"],
        "message_body": json.dumps(body),
    }
    await socket.send_str(json.dumps(reply))


async def register(socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
    await socket.send_str(event("ApplicationRegistered"))
    for body in ([], [], APPLICATION):
        await answer(socket, body)


@pytest_asyncio.fixture
async def listener() -> Listener:
    return Listener()


@pytest_asyncio.fixture
async def connection(listener: Listener) -> AriConnection:
    return AriConnection("rappel", listener)


class Dialler:
    """Plays Asterisk's part: dials the controller's door."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.port = port
        self._session = session
        self._base = f"http://127.0.0.1:{port}"

    def ws_connect(self) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse[Any]]:
        return self._session.ws_connect(f"{self._base}{PATH}", protocols=("ari",), headers=LOGIN)

    def get(self, path: str, headers: dict[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._session.get(f"{self._base}{path}", headers=headers)


@pytest_asyncio.fixture
async def asterisk(connection: AriConnection) -> AsyncIterator[Dialler]:
    door = Door(connection, "asterisk", "secret")
    port = freeports.block()
    await door.open("127.0.0.1", port)
    async with aiohttp.ClientSession() as session:
        yield Dialler(session, port)
        await connection.close()
    door.refuse()
    freeports.release(port)


async def test_kept_events_come_after_the_snapshot_in_their_order(
    connection: AriConnection, listener: Listener, asterisk: Dialler
) -> None:
    async with asterisk.ws_connect() as socket:
        await socket.send_str(event("FromTheFuture"))
        await socket.send_str(event("ApplicationReplaced"))
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.05)  # nothing is sent before the registration
        assert connection.state is LinkState.CONNECTED
        await register(socket)
        await connection.ready(2)
        await socket.send_str(event("ApplicationUnregistered"))
    await asyncio.sleep(0.05)
    assert listener.told == [
        "snapshot ['1.1']",
        "GenericEvent",
        "ApplicationReplaced",
        "ApplicationRegistered",
        "caught up",
        "ApplicationUnregistered",
        "disconnected",
    ]
    assert connection.state is LinkState.DOWN


async def test_nonsense_and_a_failing_listener_do_not_stop_the_reader(
    connection: AriConnection, listener: Listener, asterisk: Dialler
) -> None:
    async with asterisk.ws_connect() as socket:
        await register(socket)
        await connection.ready(2)
        listener.broken = True
        await socket.send_str(event("ApplicationReplaced"))
        listener_alive = event("ApplicationUnregistered")
        await socket.send_str("not json")
        await asyncio.sleep(0.05)
        listener.broken = False
        await socket.send_str(listener_alive)
        await asyncio.sleep(0.05)
        assert listener.told[-1] == "ApplicationUnregistered"


async def test_newer_connection_replaces_the_older(connection: AriConnection, asterisk: Dialler) -> None:
    async with asterisk.ws_connect() as first:
        await register(first)
        await connection.ready(2)
        async with asterisk.ws_connect() as second:
            assert (await first.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE
            await first.close()
            await register(second)
            await connection.ready(2)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Protocol": "ari"}, 401),
        ({"Sec-WebSocket-Protocol": "ari", "Authorization": "Basic !!!"}, 401),
        ({"Sec-WebSocket-Protocol": "ari", "Authorization": aiohttp.encode_basic_auth("asterisk", "guess")}, 401),
        (LOGIN, 400),
    ],
)
async def test_strangers_are_turned_away(asterisk: Dialler, headers: dict[str, str], status: int) -> None:
    async with asterisk.get(PATH, headers) as reply:
        assert reply.status == status


async def test_there_is_one_address(asterisk: Dialler) -> None:
    async with asterisk.get("/", LOGIN) as reply:
        assert reply.status == 404


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A client's frame, masked with zeros."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([opcode | (0x80 if last else 0)]) + length + bytes(4) + payload


async def test_a_message_may_come_in_parts_with_a_ping_between_them(
    connection: AriConnection, asterisk: Dialler
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.port)
    headers = {
        "Host": "controller",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "ari",
        **LOGIN,
    }
    writer.write(f"GET {PATH} HTTP/1.1\r\n".encode())
    writer.write("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    text = event("ApplicationRegistered").encode()
    writer.write(frame(0x1, text[:10], last=False) + frame(0x9, b"?") + frame(0x0, b"", last=False))
    await asyncio.sleep(0.02)
    assert connection.state is LinkState.CONNECTED
    writer.write(frame(0x0, text[10:]))
    assert await asyncio.wait_for(reader.readexactly(3), 2) == b"\x8a\x01?"  # the pong
    await asyncio.wait_for(reader.readuntil(b"RESTRequest"), 2)
    assert connection.state is LinkState.REGISTERED
    writer.close()


async def test_requests_of_one_moment_go_out_together_and_in_order(
    connection: AriConnection, asterisk: Dialler
) -> None:
    async with asterisk.ws_connect() as socket:
        await register(socket)
        await connection.ready(2)
        sizes = (1, 60, 125, 126, 400, 60_000)
        requests = [asyncio.create_task(connection.rest.request(ari.channels_get("c" * size))) for size in sizes]
        seen = []
        for _ in sizes:
            request = await socket.receive_json(timeout=2)
            seen.append(len(request["uri"].removeprefix("channels/")))
        assert seen == list(sizes)
        for request_task in requests:
            request_task.cancel()
        await asyncio.gather(*requests, return_exceptions=True)


async def test_closed_connection_takes_nobody_in(connection: AriConnection, asterisk: Dialler) -> None:
    await connection.close()
    headers = LOGIN | {"Sec-WebSocket-Protocol": "ari"}
    async with asterisk.get(PATH, headers) as reply:
        assert reply.status == 503
    with pytest.raises(AsteriskUnreachable, match=r"websocket_client\.conf"):
        await connection.ready(0.01)


async def test_we_dial_an_asterisk_that_cannot_reach_us(connection: AriConnection, listener: Listener) -> None:
    """And dial again when the WebSocket ends; what we send is masked, as a client's frames are."""
    asked: list[tuple[str, str]] = []

    async def events(request: web.Request) -> web.StreamResponse:
        asked.append((request.query_string, request.headers["Authorization"]))
        socket = web.WebSocketResponse(protocols=("ari",))
        await socket.prepare(request)
        for body in ([], [], APPLICATION):
            await answer(socket, body)
        await connection.ready(2)
        await socket.send_str(event("ApplicationReplaced"))
        await socket.close()
        return socket

    application = web.Application()
    application.router.add_get("/ari/events", events)
    async with TestServer(application) as server:
        base = f"http://127.0.0.1:{server.port}/ari/"
        dialling = asyncio.create_task(dial(connection, base, "rappel", "asterisk", "secret"))
        async with asyncio.timeout(5):
            while listener.told.count("disconnected") < 2:
                await asyncio.sleep(0.01)
        await connection.close()
        await asyncio.wait_for(dialling, 5)
    assert asked[0] == ("app=rappel&subscribeAll=false", LOGIN["Authorization"])
    assert len(asked) >= 2
    assert listener.told[:4] == ["snapshot ['1.1']", "caught up", "ApplicationReplaced", "disconnected"]


async def test_dialling_goes_on_while_nobody_answers(connection: AriConnection) -> None:
    port = freeports.block()
    dialling = asyncio.create_task(dial(connection, f"http://127.0.0.1:{port}/ari", "rappel", "u", "p"))
    await asyncio.sleep(0.05)
    assert not dialling.done()
    dialling.cancel()
    await asyncio.gather(dialling, return_exceptions=True)
    freeports.release(port)
