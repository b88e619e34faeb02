"""The relay between a page and Asterisk, with both played: who gets through, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from controller.acd.model import Refused
from controller.calls.callback.desk import Availability
from controller.calls.voice.desk import Admitted, Ticket, VoiceAsk
from controller.web.voice import relay as module
from controller.web.voice.relay import PATH, POLICY, Bucket, VoiceRelay
from tests.unit.web.voice.messages import TARGET, USER, answer, asked, inside, reply, request

SHOP = "https://shop.example"


class Desk:
    """Takes the ticket `good` of the shop."""

    on = True

    def __init__(self) -> None:
        self.left: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.max_s = 60.0

    def availability(self, queue: str) -> Availability | None:
        return None

    def open(self, ask: VoiceAsk) -> Ticket | Refused:
        return Refused("no_voice", "")

    async def admit(self, ticket: str, web_origin: str) -> Admitted | Refused:
        self.shown.append((ticket, web_origin))
        if (ticket, web_origin) != ("good", SHOP):
            return Refused("bad_ticket", "no")
        return Admitted(USER, "secret", TARGET, self.max_s)

    def leave(self, user: str) -> None:
        self.left.append(user)


class World:
    """The relay between `page()` and an Asterisk that is written here."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.arrived: asyncio.Queue[str] = asyncio.Queue()
        self.asterisk: web.WebSocketResponse | None = None
        self.session = aiohttp.ClientSession()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._asterisk)
        self.far = TestServer(app)
        await self.far.start_server()
        self.relay = VoiceRelay(self.desk, str(self.far.make_url("/")), address=lambda r: r.remote or "")
        pages = web.Application()
        self.relay.mount(pages)
        self.near = TestServer(pages)
        await self.near.start_server()

    async def stop(self) -> None:
        await self.relay.close()
        await self.session.close()
        await self.near.close()
        await self.far.close()

    async def page(self, ticket: str = "good", origin: str = SHOP) -> aiohttp.ClientWebSocketResponse:
        page = await self.session.ws_connect(self.near.make_url(PATH), protocols=("sip",), headers={"Origin": origin})
        await page.send_str(json.dumps({"ticket": ticket}))
        return page

    async def call(self) -> aiohttp.ClientWebSocketResponse:
        page = await self.page()
        welcome = json.loads(await page.receive_str(timeout=5))
        assert welcome == {
            "user": USER,
            "password": "secret",
            "target": TARGET,
            "domain": "rappel.invalid",
            "max_s": self.desk.max_s,
        }
        return page

    async def said(self) -> str:
        return await asyncio.wait_for(self.arrived.get(), 5)

    async def left(self, count: int = 1) -> None:
        """Wait until `count` lines have been given back."""
        async with asyncio.timeout(5):
            while len(self.desk.left) < count:
                await asyncio.sleep(0.01)
        assert self.desk.left == [USER] * count

    async def say(self, text: str) -> None:
        assert self.asterisk is not None
        await self.asterisk.send_str(text)

    async def _asterisk(self, request: web.Request) -> web.WebSocketResponse:
        self.asterisk = web.WebSocketResponse(protocols=("sip",))
        await self.asterisk.prepare(request)
        async for frame in self.asterisk:
            self.arrived.put_nowait(frame.data)
        self.arrived.put_nowait("gone")
        return self.asterisk


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def closed(page: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """Wait for the end; return its code and reason."""
    while True:
        frame = await page.receive(timeout=10)
        if frame.type is WSMsgType.CLOSE:
            return frame.data, str(frame.extra)
        if frame.type in {WSMsgType.CLOSED, WSMsgType.CLOSING}:
            return page.close_code, ""


async def test_a_call_goes_through_and_ends_with_the_session(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_LAST_WORDS_S", 0.05)
    page = await world.call()
    await page.send_str(request())
    assert await world.said() == request()
    await world.say(answer("200 OK"))
    assert await page.receive_str(timeout=5) == answer("200 OK")
    await page.send_str("\r\n\r\n")  # a keep-alive goes no further
    await page.send_str(inside("ACK"))
    assert await world.said() == inside("ACK")
    await world.say(answer("200 OK", call_id="of somebody else"))
    await world.say(asked("BYE"))
    assert await page.receive_str(timeout=5) == asked("BYE")
    await page.send_str(reply("200 OK", "BYE"))
    assert await world.said() == reply("200 OK", "BYE")
    assert await closed(page) == (1000, "call over")
    assert await world.said() == "gone"
    await world.left()


@pytest.mark.parametrize(
    "text",
    [
        request("REGISTER", body=""),
        request(uri="sip:2001@rappel.invalid"),
        request(From="<sip:2001@rappel.invalid>;tag=x"),
        "nonsense",
        "x" * 20_000,
    ],
)
async def test_a_page_that_says_something_else_is_out(world: World, text: str):
    page = await world.call()
    await page.send_str(text)
    code, reason = await closed(page)
    assert code == POLICY
    assert reason.startswith("forbidden")
    assert await world.said() == "gone"
    await world.left()


async def test_binary_floods_and_giants_are_out(world: World):
    page = await world.call()
    await page.send_bytes(b"\x00")
    assert (await closed(page))[1] == "forbidden: binary"
    page = await world.call()
    for _ in range(60):
        await page.send_str("\r\n")
    assert (await closed(page))[1] == "forbidden: too fast"
    page = await world.call()
    await page.send_str("x" * 100_000)
    assert (await closed(page))[0] == 1009
    await world.left(3)


@pytest.mark.parametrize(("ticket", "origin"), [("bad", SHOP), ("good", "https://evil.example"), ("", SHOP)])
async def test_without_a_right_ticket_asterisk_hears_nothing(world: World, ticket: str, origin: str):
    page = await world.page(ticket, origin)
    assert json.loads(await page.receive_str(timeout=5)) == {"refused": "bad_ticket", "message": "no"}
    assert await closed(page) == (POLICY, "bad_ticket")
    assert world.asterisk is None
    assert world.desk.left == []


@pytest.mark.parametrize("hello", ["", "[]", '{"ticket": 1}', '{"ticket": "good", "user": "x"}', request()])
async def test_a_page_that_shows_no_ticket_is_out(world: World, hello: str):
    page = await world.session.ws_connect(world.near.make_url(PATH), protocols=("sip",), headers={"Origin": SHOP})
    await page.send_str(hello)
    assert await closed(page) == (POLICY, "no ticket")
    assert world.desk.shown == []


async def test_a_silent_page_is_out(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_TICKET_S", 0.05)
    page = await world.session.ws_connect(world.near.make_url(PATH), protocols=("sip",), headers={"Origin": SHOP})
    assert await closed(page) == (POLICY, "no ticket")


async def test_no_origin_or_another_protocol_is_no_page(world: World):
    for headers in ({}, {"Origin": SHOP}, {"Sec-WebSocket-Protocol": "sip"}):
        async with world.session.get(world.near.make_url(PATH), headers=headers) as response:
            assert response.status == 400


async def test_one_address_cannot_hold_all_places(world: World):
    pages = [
        await world.session.ws_connect(world.near.make_url(PATH), protocols=("sip",), headers={"Origin": SHOP})
        for _ in range(6)
    ]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.page()
    assert refused.value.status == 503
    for page in pages:
        await page.close()
    await world.call()


async def test_a_page_that_goes_is_noticed(world: World):
    page = await world.call()
    await page.send_str(request())
    await world.said()
    await page.close()
    assert await world.said() == "gone"
    await world.left()


async def test_asterisk_that_goes_ends_the_session(world: World):
    page = await world.call()
    await page.send_str(request())
    await world.said()
    assert world.asterisk is not None
    await world.asterisk.close()
    assert await closed(page) == (1000, "telephone server gone")
    await world.left()


async def test_asterisk_that_is_away_is_said(world: World):
    await world.far.close()
    page = await world.page()
    assert json.loads(await page.receive_str(timeout=5))["refused"] == "unavailable"
    await closed(page)
    await world.left()


async def test_a_call_that_nobody_answers_or_that_lasts_too_long_ends(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_CALL_WITHIN_S", 0.1)
    assert await closed(await world.call()) == (1000, "time is up")
    monkeypatch.setattr(module, "_CALL_WITHIN_S", 5.0)
    world.desk.max_s = 0.3
    page = await world.call()
    await page.send_str(request())
    await world.said()
    await world.say(answer("200 OK"))
    assert await closed(page) == (1000, "time is up")


async def test_closing_lets_every_page_go(world: World):
    page = await world.call()
    closing = asyncio.create_task(world.relay.close())
    assert (await closed(page))[0] == 1001
    await closing


def test_a_bucket_lets_a_burst_through_and_then_its_rate():
    bucket = Bucket(3, 2.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(10.0)
