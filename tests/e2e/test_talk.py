"""Talking from the page: what the visitor sees and does. The voice itself: tests/integration/test_voice.py."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.conftest import Visit, until
from tests.rig.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

VOICE = """globalThis.RappelVoice = {
  async openMicrophone({ onLevel }) {
    if (globalThis.denied) throw Object.assign(new Error(), { text: "Le micro est refusé." });
    onLevel(0.4);
    return { stream: null, close() { globalThis.released = true; } };
  },
  startCall(options) {
    globalThis.call = { options, keys: [], muted: [], ended: 0 };
    options.ticket().then((ticket) => (call.ticket = ticket), (error) => (call.error = error.code));
    return {
      dtmf: (key) => call.keys.push(key),
      mute: (muted) => call.muted.push(muted),
      hangup() {
        if (!call.ended++) options.onState("ended", { by: "you" });
      },
    };
  },
};"""
"""In the place of rappel-voice.js: a call that does what the test says."""


async def _offer(page: Page, shop: Shop, asked: list[dict[str, object]], *, alone: bool = False) -> None:
    """Let the site offer talking; `alone`: nothing else."""

    async def availability(route: Route) -> None:
        answer = await route.fetch()
        offer = await answer.json() | {"voice": True}
        if alone:
            offer |= {"show": "voice", "now": False, "asap": False, "slots": False}
        await route.fulfill(response=answer, json=offer)

    async def ticket(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "{}"))
        headers = {"Access-Control-Allow-Origin": shop.page.rstrip("/")}
        await route.fulfill(status=201, json={"ticket": "once"}, headers=headers)

    async def voice(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*"}
        await route.fulfill(body=VOICE, content_type="text/javascript", headers=headers)

    await page.route("**/availability", availability)
    await page.route("**/sites/boutique/voice", ticket)
    await page.route("**/rappel-voice.js", voice)
    await page.reload()


async def test_a_call_from_the_page(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    asked: list[dict[str, object]] = []
    await _offer(page, shop, asked)
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre nom").fill("Zoé")
    talk = page.get_by_role("button", name="Parler depuis cette page")
    await talk.wait_for()
    assert "rappel-voice.js" not in loaded, "loaded before the visitor wants to talk"
    await talk.click()
    await expect(page.get_by_role("dialog").get_by_text("la barre doit bouger", exact=False).first).to_be_visible()
    await expect(page.get_by_role("meter", name="Micro")).to_be_visible()
    start = page.get_by_role("button", name="Démarrer l'appel")
    await expect(start).to_be_focused()
    await page.keyboard.press("Enter")
    await until(page, "globalThis.call?.ticket === 'once'")
    assert asked[0]["name"] == "Zoé"
    assert asked[0]["work"]["challenge"].startswith("v1.")  # type: ignore[index]
    assert "number" not in asked[0]
    said = page.get_by_role("dialog").get_by_role("status")
    for state, words in (
        ("connecting", "Connexion"),
        ("ringing", "Nous appelons"),
        ("talking", "Vous êtes en ligne"),
    ):
        await page.evaluate(f"call.options.onState('{state}', {{}})")
        await expect(said).to_contain_text(words)
    keypad = page.get_by_role("group", name="Clavier")
    for key in "1*#":
        await keypad.get_by_role("button", name=key, exact=True).click()
    assert await page.evaluate("call.keys.join('')") == "1*#"
    mute = page.get_by_role("button", name="Couper le micro")
    await mute.click()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await page.evaluate("call.options.onQuality({ score: 3 })")
    await expect(page.get_by_text("Qualité : 3 sur 4")).to_be_visible()
    await page.get_by_role("button", name="Raccrocher").click()
    await expect(said).to_contain_text("Appel terminé")
    await page.get_by_role("button", name="M'appeler plutôt").click()
    await expect(page.get_by_label("Votre numéro de téléphone")).to_be_focused()
    assert await page.evaluate("[call.muted.join(), call.ended, released].join()") == "true,2,true"


async def test_a_refused_microphone_leads_to_being_called(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _offer(page, shop, [])
    await page.evaluate("globalThis.denied = true")
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_role("button", name="Parler depuis cette page").click()
    await expect(page.get_by_text("Le micro est refusé.").first).to_be_visible()
    await page.get_by_role("button", name="M'appeler plutôt").click()
    await expect(page.get_by_label("Votre numéro de téléphone")).to_be_focused()


async def test_a_call_that_fails_says_why(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _offer(page, shop, [])
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_role("button", name="Parler depuis cette page").click()
    await page.get_by_role("button", name="Démarrer l'appel").click()
    await page.evaluate("call.options.onState('failed', { code: 'media', text: 'Votre réseau bloque le son.' })")
    await expect(page.get_by_role("status").get_by_text("Votre réseau bloque le son.")).to_have_count(1)
    await expect(page.get_by_role("button", name="M'appeler plutôt")).to_be_focused()


async def test_leaving_the_dialog_ends_the_call(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _offer(page, shop, [])
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_role("button", name="Parler depuis cette page").click()
    await page.get_by_role("button", name="Démarrer l'appel").click()
    await until(page, "globalThis.call?.ticket")
    await page.get_by_role("button", name="Fermer").click()
    await until(page, "call.ended === 1")


async def test_a_site_that_offers_nothing_but_talking(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _offer(page, shop, [], alone=True)
    await page.get_by_role("button", name="Parler à un conseiller").click()
    await page.get_by_role("button", name="Parler depuis cette page").click()
    await page.get_by_role("button", name="Démarrer l'appel").click()
    await until(page, "globalThis.call?.ticket === 'once'")
