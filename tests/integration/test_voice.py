"""Talking from a page: a real Chromium, through the relay, Asterisk, the SVI and the queue, to an agent's phone.

Who hears whom is told by the tone that each says.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from playwright.async_api import Browser

from controller.acd.model import Refused
from controller.callback.model import Customer, Origin
from controller.calls.voice.desk import Ticket, VoiceAsk
from controller.calls.voice.ports import PREFIX, PageFacts, PageLine
from controller.calls.voice.service import VoiceService
from controller.runtime import voicebundle
from controller.runtime.debian import default_cache
from controller.softphone.phone import Phone
from controller.web.pages import listen
from tests.rig import freeports
from tests.rig.agents import FIRST_NUMBER, write_queues
from tests.rig.browser import Tab, browsing, open_tab, write_tone
from tests.rig.centre import Centre, Process, ready, until
from tests.rig.stage import HZ, Stage, staged

QUEUES = {"aide": {"ring": "10s"}}
PAGE = """<!doctype html><html lang="fr"><title>Boutique</title>
<script src="/page.js"></script><script src="{base}/{script}" data-site="boutique"></script>"""
SCRIPT = """
const states = [], qualities = [];
const Real = RTCPeerConnection;
let connection, analyser;
window.RTCPeerConnection = function (configuration) {
  connection = new Real(configuration);
  if (window.blocked) block(connection);
  connection.addEventListener("track", ({ track }) => {
    const context = new AudioContext();
    analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  });
  return connection;
};
/** Let neither side know an address of the other that it can reach. */
function block(connection) {
  const elsewhere = (sdp) => sdp.replace(/(a=candidate:\\S+ \\d udp \\d+ )\\S+/gi, "$1203.0.113.9");
  const local = Object.getOwnPropertyDescriptor(Real.prototype, "localDescription").get;
  Object.defineProperty(connection, "localDescription", {
    get() {
      const found = local.call(connection);
      return found && { type: found.type, sdp: elsewhere(found.sdp) };
    },
  });
  const set = connection.setRemoteDescription.bind(connection);
  connection.setRemoteDescription = ({ type, sdp }) => set({ type, sdp: elsewhere(sdp) });
}
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


@pytest.fixture(scope="session", autouse=True)
def bundle() -> None:
    """What pages load is built, as `rappel setup` does."""
    voicebundle.build(default_cache())


@pytest.fixture
def shop_port() -> Iterator[int]:
    """Where the shop's own web server is."""
    port = freeports.block()
    yield port
    freeports.release(port)


@pytest.fixture
def folder(folder: Path, shop_port: int) -> Path:
    """The tests' centre with a queue, and a site whose visitors may talk."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    site = {"queue": "aide", "origins": [f"http://127.0.0.1:{shop_port}"], "modes": ["voice"]}
    centre["sites"] = {"boutique": site | {"voice_number": str(FIRST_NUMBER), "privacy": "https://shop.example/p"}}
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")
    return folder


@pytest_asyncio.fixture
async def stage(centre: Centre, phone: Phone) -> AsyncIterator[Stage]:
    """The agents."""
    async with staged(centre, phone, list(QUEUES)) as stage:
        yield stage


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """A Chromium that says the customer's tone."""
    async with browsing(write_tone(tmp_path / "customer.wav", HZ["customer"])) as browser:
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
                origin=Origin(campaign="automne"),
            )
        )

    def ticket(self, number: str = str(FIRST_NUMBER), origin: str = "") -> str:
        ticket = self.ask(number, origin)
        assert isinstance(ticket, Ticket), ticket
        return ticket.ticket

    async def call(self, tab: Tab, ticket: str) -> None:
        await tab.run(f"call({self.base!r}, {ticket!r})")

    async def lines(self) -> list[str]:
        """Return the lines of pages that Asterisk has, in order."""
        return [name for name in await self.centre.endpoints() if name.startswith(PREFIX)]

    async def has_lines(self, number: int) -> None:
        """Wait until Asterisk lists so many lines: it lists one a moment after it took it."""

        async def there() -> bool:
            return len(await self.lines()) == number

        await until(there, 5)

    async def cleared(self) -> None:
        """Wait until nothing is left of any call."""

        async def empty() -> bool:
            unused = self.centre.parts is None or not self.voice.calls
            return unused and not await self.lines() and not await self.centre.channels()

        await until(empty, 15)


@asynccontextmanager
async def selling(shop: Shop) -> AsyncIterator[None]:
    """Serve the shop's page, under a strict policy, on an origin of its own."""
    policy = (
        f"default-src 'none'; script-src 'self' {shop.base}; "
        f"connect-src {shop.base} {shop.base.replace('http', 'ws')}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )

    async def page(request: web.Request) -> web.Response:
        text = PAGE.format(base=shop.base, script=request.query.get("script", "rappel-voice.js"))
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/page.js", script)
    listener = await listen(app, "127.0.0.1", shop.port)
    try:
        yield
    finally:
        await listener.close()


@pytest_asyncio.fixture
async def shop(centre: Centre, shop_port: int) -> AsyncIterator[Shop]:
    """The shop, and a controller that is ready for calls from its page."""
    shop = Shop(centre, shop_port)

    async def ready() -> bool:
        return shop.voice.on

    async with selling(shop):
        await until(ready, 10)
        yield shop


async def press_talk(tab: Tab) -> None:
    """Do what a visitor does until the call begins."""
    for name in ("Parler à un conseiller", "Parler depuis cette page", "Démarrer l'appel"):
        await tab.page.get_by_role("button", name=name).click(timeout=20_000)


async def hears(tab: Tab, hz: int, limit_s: float = 8.0) -> None:
    await tab.until(f"Math.abs(loudest() - {hz}) < 20", limit_s)


async def test_a_visitor_talks_with_an_agent(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await shop.call(tab, shop.ticket())
    call = await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'talking'")
    await hears(tab, HZ["anne"])
    await stage.hear(anne={"customer"}, limit_s=8)
    assert await tab.until("qualities.at(-1)?.score") == 4
    invite = stage.desks["anne"].rings[0].invite
    told = {name: invite.get(f"X-Rappel-{name}") for name in ("Origin", "Site", "Reason")}
    assert told == {"Origin": "page", "Site": "boutique", "Reason": "vélo"}
    await tab.run("handle.mute(true)")
    await stage.hear(anne=set(), limit_s=5)
    await tab.run("handle.mute(false)")
    await stage.hear(anne={"customer"}, limit_s=5)
    await tab.run("handle.hangup()")
    assert await call.wait_ended(5)
    assert await tab.run("states.map(([state, why]) => state + why).join()") == "connecting,talking,endedyou"
    await shop.cleared()
    record = await stage.centre.record("")
    assert record.call.driver == "ari"
    assert record.call.visitor is not None
    assert (record.call.visitor["site"], record.call.visitor["origin"]["campaign"]) == ("boutique", "automne")
    assert record.call.disposition == "talked"


async def test_from_the_button_to_the_talk(stage: Stage, shop: Shop, browser: Browser):
    """With all that is real: the button, the work, the ticket, the microphone's check, the call."""
    await stage.ready("anne")
    tab = await open_tab(browser, f"{shop.origin}/?script=rappel.js")
    page = tab.page
    await press_talk(tab)
    call = await stage.joined("anne", limit_s=20)
    await hears(tab, HZ["anne"])
    await page.get_by_role("group", name="Clavier").wait_for()
    assert stage.desks["anne"].rings[0].invite.get("X-Rappel-Site") == "boutique"
    await page.get_by_role("button", name="Raccrocher").click()
    assert await call.wait_ended(5)
    await page.get_by_text("Appel terminé").first.wait_for()
    await shop.cleared()
    assert tab.console == []


async def test_a_network_that_blocks_the_sound_is_said(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await tab.run("window.blocked = true")
    await shop.call(tab, shop.ticket())
    call = await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'failed'", 15)
    assert await tab.run("states.at(-1)[1]") == "media"
    assert await call.wait_ended(5)
    await shop.cleared()


async def test_an_agent_hangs_up(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await shop.call(tab, shop.ticket())
    call = await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'talking'")
    await call.hangup()
    await tab.until("last() === 'ended'", 20)
    assert await tab.run("states.at(-1)[1]") == "us"
    await shop.cleared()


async def test_a_closed_tab_ends_the_call(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await shop.call(tab, shop.ticket())
    call = await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'talking'")
    await tab.close()
    assert await call.wait_ended(5)
    await shop.cleared()


async def test_keys_are_heard_by_a_menu(stage: Stage, shop: Shop, browser: Browser):
    """The tests' own menu: 1 leads on, and is in the record."""
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await shop.call(tab, shop.ticket(number="1000"))
    await tab.until("last() === 'talking'", 15)
    await tab.until("loudest()", 10)
    await tab.run("handle.dtmf('1')")

    async def pressed() -> bool:
        record = await stage.centre.record("", ended=False)
        return any(step.digits == "1" for step in record.steps)

    await until(pressed, 15)
    await tab.run("handle.hangup()")
    await shop.cleared()


async def test_a_ticket_is_good_once_for_one_site_and_for_a_minute(stage: Stage, shop: Shop, browser: Browser):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    for ticket in (shop.ticket(origin="https://elsewhere.example"), "x" * 43, ""):
        await shop.call(tab, ticket)
        await tab.until("last() === 'failed'")
        assert await tab.run("states.at(-1)[1]") == "bad_ticket"
        await tab.run("states.length = 0")
    ticket = shop.ticket()
    await shop.call(tab, ticket)
    await tab.until("last() === 'talking'")
    second = await open_tab(browser, shop.origin)
    await shop.call(second, ticket)
    await second.until("last() === 'failed'")
    assert await tab.run("last()") == "talking"
    await tab.run("handle.hangup()")
    await shop.cleared()


async def test_asterisk_that_dies_is_told_to_the_page_and_forgets_the_line(
    stage: Stage, shop: Shop, browser: Browser
):
    await stage.ready("anne")
    tab = await open_tab(browser, shop.origin)
    await shop.call(tab, shop.ticket())
    await stage.joined("anne", limit_s=15)
    await tab.until("last() === 'talking'")
    await shop.centre.asterisk.kill()
    await tab.until("last() === 'failed'")
    assert await tab.run("states.at(-1)[1]") == "lost"
    await shop.centre.asterisk.start()
    await shop.cleared()
    await until(_possible(shop), 10)


def _possible(shop: Shop) -> Callable[[], Awaitable[bool]]:
    async def possible() -> bool:
        found = shop.ask()
        return isinstance(found, Ticket) or found.code == "not_now"  # Anne's telephone registers again later

    return possible


async def test_a_controller_that_is_killed_leaves_no_call_and_no_line(
    process: tuple[Centre, Process], shop_port: int, phone: Phone, browser: Browser
):
    """The page has lost the way to hang up: the next controller ends what is left, and the agent is free again."""
    centre, controller = process
    shop = Shop(centre, shop_port)
    async with selling(shop), staged(centre, phone, list(QUEUES)) as stage:
        await stage.ready("anne")
        tab = await open_tab(browser, f"{shop.origin}/?script=rappel.js")
        await press_talk(tab)
        call = await stage.joined("anne", limit_s=20)
        await hears(tab, HZ["anne"])
        await shop.has_lines(1)
        controller.kill(signal.SIGKILL)
        await controller.ended()
        await tab.page.get_by_text("La connexion a été coupée.").first.wait_for()
        await controller.start()
        await ready(centre)
        assert await call.wait_ended(15)
        await shop.cleared()
        record = await centre.record("")
        assert record.call.ended_at is not None


async def test_what_an_earlier_controller_left_is_cleared(stage: Stage, shop: Shop):
    """Its pages have lost the relay; nobody could hang up, and nobody could use the line."""
    centre = shop.centre
    assert centre.parts is not None
    lines = centre.parts.driver.pages
    for number in range(3):
        facts = PageFacts(site="boutique", number=str(FIRST_NUMBER))
        await lines.put(PageLine(user=f"{PREFIX}left{number}", ha1="0" * 32, facts=facts))
    lines._lines.clear()  # another controller does not know them
    await shop.has_lines(3)
    lines.connected()
    await shop.cleared()


async def test_fifty_lines_come_and_go_without_a_ghost(stage: Stage, shop: Shop):
    centre = shop.centre
    assert centre.parts is not None
    lines = centre.parts.driver.pages
    users = [f"{PREFIX}{number:024x}" for number in range(50)]
    facts = PageFacts(site="boutique", number=str(FIRST_NUMBER))
    await asyncio.gather(*(lines.put(PageLine(user=user, ha1="0" * 32, facts=facts)) for user in users))
    await shop.has_lines(len(users))
    assert await shop.lines() == users
    await asyncio.gather(*(lines.drop(user) for user in users))
    await shop.cleared()
    assert "page-" not in await centre.asterisk.cli("pjsip show auths")


async def test_asterisks_own_doors_are_not_behind_the_relay(stage: Stage, shop: Shop):
    """Nothing but the relay leads to Asterisk, and it only with a ticket."""
    async with aiohttp.ClientSession() as session:
        for path in ("/ari/asterisk/info", "/ws", "/public/v1/voice/ws/../ari", "/asterisk/ari"):
            async with session.get(shop.base + path) as answer:
                assert answer.status == 404
        async with session.get(shop.base + "/public/v1/voice/ws") as answer:
            assert answer.status == 400
        socket = await session.ws_connect(
            shop.base + "/public/v1/voice/ws", protocols=("sip",), headers={"Origin": shop.origin}
        )
        await socket.send_str("REGISTER sip:127.0.0.1 SIP/2.0\r\n\r\n")
        frame = await socket.receive(timeout=5)
        assert frame.type is aiohttp.WSMsgType.CLOSE
        await socket.close()
