"""The life of a connection against a WebSocket client that plays Asterisk's part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.ari.connection import AriConnection, LinkState, Snapshot
from controller.ari.events import AnyEvent
from controller.ari.link import WebSocketHandler
from controller.errors import AsteriskUnreachable

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


async def answer(socket: aiohttp.ClientWebSocketResponse[Any], body: Any) -> None:
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


@pytest_asyncio.fixture
async def asterisk(connection: AriConnection) -> AsyncIterator[TestClient[Any, Any]]:
    application = web.Application()
    application.router.add_get("/asterisk/ari", WebSocketHandler(connection, "asterisk", "secret").serve)
    async with TestClient(TestServer(application)) as client:
        yield client
        await connection.close()


async def test_kept_events_come_after_the_snapshot_in_their_order(
    connection: AriConnection, listener: Listener, asterisk: TestClient[Any, Any]
) -> None:
    async with asterisk.ws_connect("/asterisk/ari", protocols=("ari",), headers=LOGIN) as socket:
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
    connection: AriConnection, listener: Listener, asterisk: TestClient[Any, Any]
) -> None:
    async with asterisk.ws_connect("/asterisk/ari", protocols=("ari",), headers=LOGIN) as socket:
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


async def test_newer_connection_replaces_the_older(connection: AriConnection, asterisk: TestClient[Any, Any]) -> None:
    async with asterisk.ws_connect("/asterisk/ari", protocols=("ari",), headers=LOGIN) as first:
        await register(first)
        await connection.ready(2)
        async with asterisk.ws_connect("/asterisk/ari", protocols=("ari",), headers=LOGIN) as second:
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
async def test_strangers_are_turned_away(
    asterisk: TestClient[Any, Any], headers: dict[str, str], status: int
) -> None:
    async with asterisk.get("/asterisk/ari", headers=headers) as reply:
        assert reply.status == status


async def test_closed_connection_takes_nobody_in(connection: AriConnection, asterisk: TestClient[Any, Any]) -> None:
    await connection.close()
    headers = LOGIN | {"Sec-WebSocket-Protocol": "ari"}
    async with asterisk.get("/asterisk/ari", headers=headers) as reply:
        assert reply.status == 503
    with pytest.raises(AsteriskUnreachable, match=r"websocket_client\.conf"):
        await connection.ready(0.01)
