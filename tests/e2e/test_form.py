"""The form and what follows, by keyboard, by screen reader, by eye, and with everything that goes wrong."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
import pytest
from playwright.async_api import Page, Route, expect

from controller.acd.model import Refused
from controller.callback.model import AttemptState, RequestState, When
from tests.e2e.conftest import Visit
from tests.rig.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM_FR = """
- dialog "On vous rappelle":
  - heading "On vous rappelle" [level=2]
  - combobox "Pays"
  - textbox "Votre numéro de téléphone"
  - group "Quand ?":
    - radio "Tout de suite" [checked]
    - radio "Dès qu'un conseiller est libre, dans environ 2 min"
    - radio "À l'heure de mon choix"
  - textbox "Votre nom (facultatif)"
  - textbox "À quel sujet ? (facultatif)"
  - checkbox "Je demande à être rappelé à ce numéro pour cette demande. Le numéro n'est utilisé que pour cela."
  - button "Appelez-moi"
  - paragraph:
    - link "Vos données"
    - link "+33 3 53 01 47 00"
  - button "Fermer"
  - status
"""
FORM_EN = """
- dialog "We call you back":
  - heading "We call you back" [level=2]
  - combobox "Country"
  - textbox "Your telephone number"
  - group "When?":
    - radio "Right now" [checked]
    - radio "As soon as an adviser is free, in about 2 min"
    - radio "At a time I choose"
  - textbox "Your name (optional)"
  - textbox "What is it about? (optional)"
  - checkbox "I ask to be called at this number about this request. The number is used for nothing else."
  - button "Call me"
  - button "Close"
  - status
"""
CONTRAST = """(element) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let under = element;
  while (/, 0\\)$|transparent/.test(getComputedStyle(under).backgroundColor)) under = under.parentElement;
  const [a, b] = [light(getComputedStyle(element).color), light(getComputedStyle(under).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
"""Contrast as WCAG 2.2 computes it, of an element's text to what lies under it."""
AA = 4.5
SHOWN = (
    *(".open", ".title", ".label >> nth=0", ".choice >> nth=0"),
    *(".consent", ".error:visible", ".primary", ".link >> nth=0"),
)


async def _form(page: Page, number: str = "06 39 98 47 01") -> None:
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre numéro de téléphone").fill(number)
    await page.get_by_role("checkbox").check()


async def _send(page: Page) -> None:
    await page.get_by_role("button", name="Appelez-moi").click()


async def test_by_keyboard_alone(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await page.get_by_role("button", name="Être rappelé maintenant").wait_for()
    press = page.keyboard.press
    await press("Tab")
    await press("Enter")
    await page.get_by_role("dialog", name="On vous rappelle").wait_for()
    await page.keyboard.type("06 39 98 47 01")
    for key in ("Tab", "ArrowDown", "Tab"):
        await press(key)
    await page.keyboard.type("Zoé")
    await press("Tab")
    await page.keyboard.type("Un vélo & un casque")
    for key in ("Tab", "Space", "Enter"):
        await press(key)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    request = shop.only()
    assert (request.number, request.when, request.customer.name) == ("+33639984701", When.ASAP, "Zoé")
    assert request.customer.reason == "Un vélo & un casque"
    await press("Escape")
    await expect(page.get_by_role("button", name="Votre rappel")).to_be_focused()


async def test_the_focus_stays_in_the_dialog(shop: Shop, visit: Visit) -> None:
    script = f'<script src="{shop.rappel}/rappel.js" data-site="boutique"></script>'
    shop.body = f'<a href="#a">A</a>{script}<a href="#b">B</a>'
    page = await visit(shop.page)
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_role("dialog").wait_for()
    for _ in range(30):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.localName") in {"rappel-button", "body"}
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Être rappelé maintenant")).to_be_focused()


@pytest.mark.parametrize(("language", "tree"), [("fr", FORM_FR), ("en", FORM_EN)])
async def test_what_a_screen_reader_is_given(shop: Shop, visit: Visit, language: str, tree: str) -> None:
    shop.language = language
    page = await visit(shop.page)
    await page.locator("rappel-button .open").click()
    await expect(page.locator("rappel-button")).to_match_aria_snapshot(tree)


async def test_every_change_is_said(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    await _send(page)
    said = page.get_by_role("dialog").get_by_role("status")
    await expect(said).to_contain_text("Nous vous rappelons bientôt")
    await expect(said).to_contain_text("Vous êtes le numéro 2")
    for state, words in (
        (AttemptState.CLAIMED, "Nous vous appelons"),
        (AttemptState.RINGING, "Votre téléphone sonne"),
        (AttemptState.ANSWERED, "Vous avez décroché"),
        (AttemptState.CONNECTED, "Vous êtes en ligne"),
    ):
        request_id = await shop.dial(state)
        await expect(said).to_contain_text(words)
        await expect(page.get_by_role("heading", name=words)).to_be_visible()
    shop.desk.put(msgspec.structs.replace(shop.desk.requests[request_id], state=RequestState.DONE))
    await expect(said).to_contain_text("Merci")
    await page.get_by_role("dialog").get_by_role("button", name="Fermer").last.click()
    await expect(page.get_by_role("button", name="Être rappelé maintenant")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_contrast(shop: Shop, visit: Visit, scheme: str) -> None:
    page = await visit(shop.page, color_scheme=scheme)
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await _send(page)
    await page.get_by_role("alert").first.wait_for()
    root = page.locator("rappel-button")
    for part in SHOWN:
        assert await root.locator(part).evaluate(CONTRAST) >= AA, part
    dark = scheme == "dark"
    shade = await root.locator("dialog").evaluate("e => getComputedStyle(e).backgroundColor")
    assert (shade != "rgb(255, 255, 255)") == dark


async def test_movement_only_for_who_wants_it(shop: Shop, visit: Visit) -> None:
    for wanted, name in (("reduce", "none"), ("no-preference", "turn")):
        page = await visit(shop.page, reduced_motion=wanted)
        await _form(page, f"06 39 98 47 0{len(name)}")
        await _send(page)
        spinner = page.locator("rappel-button .spinner")
        await spinner.wait_for()
        assert await spinner.evaluate("e => getComputedStyle(e).animationName") == name


async def test_at_phone_width_all_is_within_reach(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    await page.locator("rappel-button .open").tap()
    await page.get_by_role("dialog").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    for each in await page.locator("rappel-button").get_by_role("button").all():
        box = await each.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= 320


async def test_two_clicks_are_one_request(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    shop.delay_s = 0.5
    await page.get_by_role("button", name="Appelez-moi").dblclick()
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    assert len([each for each in shop.asked if each.startswith("POST")]) == 1
    assert len(shop.desk.requests) == 1


async def test_an_answer_that_was_lost_is_asked_for_again_and_is_one_request(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    lost: list[str] = []

    async def lose_the_first(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.request.url)
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/requests", lose_the_first)
    await _form(page)
    await _send(page)
    await expect(page.get_by_role("alert").filter(has_text="Pas de réponse")).to_be_visible()
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    assert len(shop.desk.requests) == 1
    assert len(shop.desk.asked) in {1, 2}


async def test_cancel(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    await _send(page)
    await page.get_by_role("button", name="Annuler le rappel").click()
    await expect(page.get_by_role("heading", name="Rappel annulé")).to_be_visible()
    assert shop.only().state is RequestState.CANCELLED
    await page.get_by_role("button", name="Nouvelle demande").click()
    await expect(page.get_by_label("Votre numéro de téléphone")).to_be_focused()


async def test_too_late_to_cancel_is_said(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    await _send(page)
    await page.get_by_role("button", name="Annuler le rappel").wait_for()
    shop.desk.refusal = Refused("too_late", "it rings")
    await page.get_by_role("button", name="Annuler le rappel").click()
    await expect(page.get_by_role("alert").filter(has_text="trop tard")).to_be_visible()


async def test_a_time_is_booked_and_changed(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page, timezone_id="Europe/Lisbon")
    await _form(page)
    await page.get_by_role("radio", name="À l'heure de mon choix").check()
    await page.get_by_label("Heure", exact=True).select_option(index=2)
    chosen = await page.get_by_label("Heure", exact=True).input_value()
    shown = await page.get_by_label("Heure", exact=True).evaluate("e => e.selectedOptions[0].text")
    await _send(page)
    await expect(page.get_by_role("heading", name="C'est noté")).to_be_visible()
    request = shop.only()
    assert request.slot_at == datetime.fromisoformat(chosen) == shop.desk.times[2].at
    assert request.zone == "Europe/Lisbon"
    await expect(page.get_by_role("dialog")).to_contain_text(shown)
    await page.get_by_role("button", name="Changer l'heure").click()
    await page.get_by_role("radio", name="À l'heure de mon choix").check()
    await page.get_by_label("Jour", exact=True).select_option(index=1)
    await page.get_by_role("button", name="Changer l'heure").click()
    await expect(page.get_by_role("heading", name="C'est noté")).to_be_visible()
    assert shop.only().slot_at == shop.desk.times[6].at


async def test_a_time_that_was_just_taken_is_explained(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    await page.get_by_role("radio", name="À l'heure de mon choix").check()
    await page.get_by_label("Heure", exact=True).wait_for()
    shop.desk.refusal = Refused("slot_taken", "full")
    await _send(page)
    await expect(page.get_by_role("alert").filter(has_text="Ce créneau vient d'être pris")).to_be_visible()
    shop.desk.refusal = None
    await _send(page)
    await page.get_by_role("heading", name="C'est noté").wait_for()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("", "Écrivez le numéro"),
        ("abc", "Écrivez le numéro"),
        ("0899 12 34 56", "ce type de numéro"),
        ("+870 772 123 456", "Nous ne rappelons pas"),
        ("06 39 98 47 01;ext=4", "pas un numéro"),
        ("06 39 98 47 01&x@y", "pas un numéro"),
        ("+44 20 7946 0018", "dans ce pays"),
        ("112", "numéro"),
    ],
)
async def test_a_number_that_cannot_be_called_is_explained_beside_it(
    shop: Shop, visit: Visit, number: str, words: str
) -> None:
    page = await visit(shop.page)
    await _form(page, number)
    await _send(page)
    alert = page.get_by_role("alert").filter(has_text=words)
    await expect(alert).to_be_visible()
    field = page.get_by_label("Votre numéro de téléphone")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    assert await field.get_attribute("aria-describedby") == await alert.get_attribute("id")
    assert not shop.desk.asked
    await field.fill("06 39 98 47 01")
    await expect(alert).to_be_hidden()
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()


async def test_no_call_without_consent(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
    await _send(page)
    await expect(page.get_by_role("alert").filter(has_text="Votre accord est nécessaire")).to_be_visible()
    await expect(page.get_by_role("checkbox")).to_be_focused()
    assert not shop.desk.asked
    await page.get_by_role("checkbox").check()
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    consent = shop.only().consent
    assert consent is not None
    assert (consent.version, consent.text) == ("rappel-1", shop.consent["fr"])


async def test_hostile_text_is_text(shop: Shop, visit: Visit) -> None:
    trap = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>{{7*7}}${7*7}\u202ecod'
    shop.consent = {"fr": trap, "en": trap}
    page = await visit(shop.page)
    await _form(page)
    await page.get_by_label("Votre nom").fill(trap)
    await page.get_by_label("À quel sujet").fill(trap)
    assert await page.locator("rappel-button .consent").text_content() == trap
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    assert await page.evaluate("window.hit") is None
    assert await page.locator("rappel-button img, rappel-button script").count() == 0
    customer = shop.only().customer
    assert customer.reason.startswith("<img src=x")
    assert "\u202e" not in customer.name + customer.reason


async def test_where_a_visitor_came_from_is_told(shop: Shop, visit: Visit) -> None:
    url = f"{shop.page}velos/page?utm_campaign=printemps&utm_source=newsletter&email=zoe@example.org#x"
    page = await visit(url, extra_http_headers={})
    await _form(page)
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    origin = shop.only().origin
    assert (origin.page, origin.campaign, origin.medium) == (f"{shop.page}velos/page", "printemps", "newsletter")


async def test_the_page_may_name_campaign_and_reference_itself(shop: Shop, visit: Visit) -> None:
    shop.attributes = 'data-campaign="noel" data-medium="bandeau" data-reference="VM-26-1184"'
    page = await visit(f"{shop.page}?utm_campaign=printemps")
    await _form(page)
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    request = shop.only()
    assert (request.origin.campaign, request.origin.medium) == ("noel", "bandeau")
    assert request.customer.reference == "VM-26-1184"


async def test_a_stream_that_breaks_is_taken_up_again(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await _form(page)
    await _send(page)
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    await page.context.set_offline(True)
    await shop.dial(AttemptState.RINGING)
    await asyncio.sleep(0.5)
    await page.context.set_offline(False)
    await expect(page.get_by_role("heading", name="Votre téléphone sonne")).to_be_visible()
