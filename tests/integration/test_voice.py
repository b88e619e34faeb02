"""Talking from a page: a real Chromium, through the relay, Asterisk, the SVI and the queue, to an agent's phone.

Who hears whom is told by the tone that each says.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from controller.acd.model import Refused
from controller.callback.model import Customer
from controller.calls.voice.desk import Ticket, VoiceAsk
from controller.calls.voice.service import VoiceService
from controller.softphone.phone import Phone
from controller.web.pages import listen
from tests.rig import freeports
from tests.rig.agents import FIRST_NUMBER, write_queues
from tests.rig.browser import Browser, Tab, browsing, find, write_tone
from tests.rig.centre import Centre, until
from tests.rig.stage import HZ, Stage, staged

QUEUES = {"aide": {"ring": "10s"}}
PAGE = """<!doctype html><html lang="fr"><title>Boutique</title>
<script src="/page.js"></script><script src="{base}/rappel-voice.js"></script>"""
SCRIPT = """
const states = [], qualities = [];
const Real = RTCPeerConnection;
let connection, analyser;
window.RTCPeerConnection = function (...all) {
  connection = new Real(...all);
  connection.addEventListener("track", ({ track }) => {
    const context = new AudioContext();
    analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  });
  return connection;
};
// Tones would be taken for noise and removed.
async function rawMicrophone() {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  return { stream, close() { for (const track of stream.getTracks()) track.stop(); } };
}
async function call(base, ticket) {
  const microphone = await rawMicrophone();
  window.handle = RappelVoice.startCall({
    base, ticket, microphone, language: "fr",
    onState: (state, detail) => states.push([state, detail.code ?? detail.by ?? ""]),
    onQuality: (quality) => qualities.push(quality),
  });
}
function last() { return states.at(-1)?.[0]; }
/** The frequency that is loudest, 0 when nothing is. */
function loudest() {
  if (!analyser) return 0;
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const at = levels.indexOf(Math.max(...levels));
  return levels[at] > -60 ? (at * analyser.context.sampleRate) / analyser.fftSize : 0;
}
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with a queue."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@pytest_asyncio.fixture
async def stage(centre: Centre, phone: Phone) -> AsyncIterator[Stage]:
    """The agents."""
    async with staged(centre, phone, list(QUEUES)) as stage:
        yield stage


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """A Chromium that says the customer's tone."""
    async with browsing(find(), write_tone(tmp_path / "customer.wav", HZ["customer"])) as browser:
        yield browser


@dataclass
class Shop:
    """A company's own web server, whose page has a button."""

    centre: Centre
    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.centre.config.web.port}"

    @property
    def voice(self) -> VoiceService:
        assert self.centre.parts is not None
        return self.centre.parts.voice.desk

    def ask(self, number: str = str(FIRST_NUMBER), origin: str = "") -> Ticket | Refused:
        return self.voice.open(
            VoiceAsk(
                site="boutique",
                web_origin=origin or self.origin,
                number=number,
                queue="aide",
                address="192.0.2.7",
                language="fr",
                customer=Customer(name="Zoé Durand", reason="vélo"),
            )
        )

    def ticket(self, number: str = str(FIRST_NUMBER), origin: str = "") -> str:
        ticket = self.ask(number, origin)
        assert isinstance(ticket, Ticket), ticket
        return ticket.ticket

    async def call(self, tab: Tab, ticket: str) -> None:
        await tab.run(f"call({self.base!r}, {ticket!r})")

    async def lines(self) -> list[str]:
        text = await self.centre.asterisk.cli("pjsip show endpoints")
        return [line.split()[1] for line in text.splitlines() if " page-" in line and "Endpoint:" in line]

    async def cleared(self) -> None:
        """Wait until nothing is left of any call."""

        async def empty() -> bool:
            return not await self.lines() and not await self.centre.channels() and not self.voice.calls

        await until(empty, 15)


@pytest_asyncio.fixture
async def shop(centre: Centre) -> AsyncIterator[Shop]:
    """The shop's page, under a strict policy, on an origin of its own."""
    shop = Shop(centre, freeports.block())
    policy = (
        f"default-src 'none'; script-src 'self' {shop.base}; "
        f"connect-src {shop.base.replace('http', 'ws')}; media-src 'none'; style-src 'none'"
    )

    async def page(_: web.Request) -> web.Response:
        text = PAGE.format(base=shop.base)
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/page.js", script)
    listener = await listen(app, "127.0.0.1", shop.port)
    assert shop.centre.parts is not None
    await until(_on(shop), 10)
    yield shop
    await listener.close()
    freeports.release(shop.port)


def _on(shop: Shop):
    async def on() -> bool:
        return shop.voice.on

    return on


async def hears(tab: Tab, hz: int, limit_s: float = 8.0) -> None:
    await tab.until(f"Math.abs(loudest() - {hz}) < 20", limit_s)


async def test_a_visitor_talks_with_an_agent(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await browser.tab(shop.origin)
    began = time.monotonic()
    await shop.call(tab, shop.ticket())
    call = await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'talking'")
    print("talking after", time.monotonic() - began)
    await hears(tab, HZ["anne"])
    await stage.hear(anne={"customer"}, limit_s=8)
    print(await tab.until("qualities.at(-1)"), call.invite.headers if hasattr(call, "invite") else "")
    print(await tab.run("JSON.stringify(states)"))
    await tab.run("handle.hangup()")
    assert await call.wait_ended(5)
    await shop.cleared()
