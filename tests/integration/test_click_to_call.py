"""The whole path: the button in a real Chromium, the form, an agent's phone, the customer's phone, both talk, the
agent says what came of it, the report counts it.

Who hears whom is told by the tone that each says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import numpy as np
import pytest_asyncio
import yaml
from playwright.async_api import Page, expect

from controller.callback.model import RequestState
from controller.postgres.callbackfigures import PostgresCallbackFigures
from controller.postgres.tokens import PostgresTokens
from controller.runtime.settings import Trunk
from controller.softphone import IncomingCall
from controller.softphone.call import Call
from controller.softphone.media import tone
from controller.softphone.sound import tone_level
from controller.web.api.access import Scope, new_secret
from tests.rig import freeports
from tests.rig.agents import Agents, Desk, answers, enrolled, write_queues
from tests.rig.asterisk import Rig
from tests.rig.browser import browsing, write_tone
from tests.rig.callees import CARRIER, Carrier, write_callbacks
from tests.rig.centre import Centre, running
from tests.rig.shop import Shop, open_page

NUMBER = "+33639984701"
HZ = {"customer": 700, "anne": 1300}
RINGS_S = 4.5
"""How long the customer lets it ring: longer than what the page is told from goes without being looked at again."""
TITLES = """() => {
  window.titles = [];
  const dialog = document.querySelector("rappel-button").shadowRoot.querySelector("h2");
  new MutationObserver(() => {
    if (titles.at(-1) !== dialog.textContent) titles.push(dialog.textContent);
  }).observe(dialog, { childList: true, characterData: true, subtree: true });
}"""
"""Keeps what the dialog's title was, in order."""
STEPS = (
    "On vous rappelle",
    "Nous vous rappelons bientôt",
    "Nous vous appelons…",
    "Votre téléphone sonne",
    "Vous avez décroché",
    "Vous êtes en ligne",
    "Merci !",
)
_WINDOW = 4000
_LOUD = -25.0


@dataclass
class Street:
    """A shop's page in a visitor's browser, the centre, its agent, and the carrier."""

    centre: Centre
    agents: Agents
    carrier: Carrier
    shop: Shop
    page: Page
    session: aiohttp.ClientSession

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API with a token for everything."""
        text, digest = new_secret()
        await PostgresTokens(self.centre.store).create(digest, "test", list(Scope), None, None)
        headers = {"Authorization": f"Bearer {text}"}
        url = f"{self.shop.rappel}/api/v1{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            assert answer.ok, await answer.text()
            return await answer.json() if answer.status != 204 else None

    async def ask(self) -> None:
        """Click, write the number, agree, send."""
        await self.page.get_by_role("button", name="Être rappelé maintenant").click()
        await self.page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
        await self.page.get_by_label("Votre nom").fill("Zoé <b>Durand</b>")
        await self.page.get_by_role("checkbox").check()
        await self.page.get_by_role("button", name="Appelez-moi").click()

    async def says(self, words: str, limit_s: float = 15.0) -> None:
        """Wait until the page's dialog has this for its title."""
        await expect(self.page.get_by_role("heading", name=words)).to_be_visible(timeout=1000 * limit_s)


@pytest_asyncio.fixture
async def street(
    asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path, tmp_path: Path
) -> AsyncIterator[Street]:
    ports = freeports.block(), freeports.block()
    write_queues(folder, {"support": {"wrap_up": "20s", "dispositions": {"vendu": "Vendu"}}})
    write_callbacks(folder, "support")
    path = folder / "centre.yaml"
    written = yaml.safe_load(path.read_text("utf-8"))
    origin = f"http://127.0.0.1:{ports[0]}"
    written["sites"] = {"boutique": {"queue": "support", "origins": [origin], "countries": ["FR"]}}
    path.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Carrier((CARRIER, ports[1])))
        trunk = Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{ports[1]}")
        asterisk = await asterisk_rig.boot(trunk=trunk)
        centre = await stack.enter_async_context(running(asterisk, database, folder, audio_cache))
        agents = await enrolled(centre, ["support"], "anne")
        rappel = f"http://127.0.0.1:{centre.config.web.port}"
        shop = await stack.enter_async_context(open_page(rappel, ports[0]))
        browser = await stack.enter_async_context(browsing(write_tone(tmp_path / "silence.wav", 100)))
        page = await browser.new_page(locale="fr-FR")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Street(centre, agents, carrier, shop, page, session)
    for port in ports:
        freeports.release(port)


async def picks_up(incoming: IncomingCall) -> None:
    """A customer who lets it ring for a while, answers, and presses the key to accept."""
    incoming.ring()
    await asyncio.sleep(RINGS_S)
    call = incoming.answer(tone(HZ["customer"]))
    assert call is not None
    await asyncio.sleep(0.5)
    await call.press("1")


async def hears(call: Call, who: str, limit_s: float = 8.0) -> None:
    """Wait until a call hears somebody's tone for half a second."""
    until_s = time.monotonic() + limit_s
    while True:
        audio = call.heard
        samples = audio.between(time.monotonic() - audio.origin - _WINDOW / 8000 - 0.05)[:_WINDOW]
        samples = np.concatenate([samples, np.zeros(_WINDOW - len(samples), np.int16)])
        if tone_level(samples, HZ[who]) > _LOUD:
            return
        assert time.monotonic() < until_s, f"{who} is not heard"
        await asyncio.sleep(0.05)


async def _talked(street: Street, anne: Desk) -> str:
    """Let customer and agent talk and the customer hang up; return the call's id."""
    customer = await street.carrier.rung()
    await street.says("Votre téléphone sonne")
    await street.says("Vous avez décroché")
    agent = await anne.rung(limit_s=10)
    assert agent.caller == NUMBER
    await street.says("Vous êtes en ligne")
    await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
    await customer.hangup()
    await street.says("Merci")
    (request,) = await street.api("POST", "/callbacks/search", {"number": NUMBER})
    detail = await street.api("GET", f"/callbacks/{request['request_id']}")
    (attempt,) = detail["attempts"]
    assert (request["state"], attempt["outcome"]) == (RequestState.DONE, "talked")
    assert request["customer"]["name"] == "Zoé <b>Durand</b>"
    return str(UUID(attempt["attempt_id"]))


async def test_from_the_button_to_the_report(street: Street) -> None:
    street.carrier.does = picks_up
    await street.page.goto(f"{street.shop.page}velos?utm_campaign=printemps&utm_medium=e-mail")
    button = street.page.get_by_role("button", name="Être rappelé maintenant")
    async with street.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        await street.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(button).to_be_visible(timeout=10_000)
        await street.page.evaluate(TITLES)
        await street.ask()
        call_id = await _talked(street, anne)
        titles = await street.page.evaluate("titles")
        assert titles == [step for step in STEPS if step in titles], "what is over came back"
        said = {"agent": "anne", "code": "vendu", "note": "un vélo"}
        await street.api("POST", f"/calls/{call_id}/disposition", said)
        assert len(street.carrier.numbers) == 1
    now = datetime.now(UTC)
    figures = PostgresCallbackFigures(street.centre.store)
    (row,) = await figures.conversion(now - timedelta(hours=1), now + timedelta(hours=1), queue="support")
    assert (row.source, row.campaign, row.page) == ("web", "printemps", f"{street.shop.page}velos")
    assert (row.requests, row.talked, row.conversion) == (1, 1, 1.0)


async def test_a_visitor_who_cancels_while_it_rings_is_not_rung_on(street: Street) -> None:
    async with street.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        await street.page.goto(street.shop.page)
        await street.ask()
        customer = await street.carrier.rung()
        await street.says("Votre téléphone sonne")
        await street.page.get_by_role("button", name="Annuler le rappel").click()
        await street.says("Rappel annulé")
        assert await customer.wait_ended(5)
        assert anne.rings == []
