"""The button on another company's page: when it shows, whom it serves, what it leaves alone."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from controller.callback.model import AttemptState
from tests.e2e.conftest import Visit, until
from tests.rig.shop import Shop, open_shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
"""As when a visitor comes back to the page: the button asks at once."""
HOSTILE = """<style>
* { color: red !important; font-size: 3px !important; letter-spacing: 9px !important; text-transform: uppercase }
button, input, dialog, form, h2, label { display: none !important; }
html { font-size: 2px; line-height: 0 } body { transform: scale(1); overflow: hidden }
</style>"""


async def test_no_button_while_nobody_can_answer_and_one_when_somebody_can(visit: Visit) -> None:
    async with open_shop(frozenset({"callback"})) as shop:
        shop.close()
        page = await visit(shop.page)
        button = page.get_by_role("button", name="Être rappelé maintenant")
        await until(page, "document.querySelector('rappel-button')")
        while not any("availability" in each for each in shop.asked):
            await asyncio.sleep(0.02)
        await expect(button).to_have_count(0)
        shop.staff()
        await page.evaluate(LOOK)
        await expect(button).to_be_visible()
        shop.close()
        await page.evaluate(LOOK)
        await expect(button).to_have_count(0)


async def test_a_lost_answer_hides_no_button_and_two_do(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    button = page.get_by_role("button", name="Être rappelé maintenant")
    await expect(button).to_be_visible()
    refused: list[str] = []

    async def refuse(route: Route) -> None:
        refused.append(route.request.url)
        await route.abort()

    await page.route("**/availability", refuse)
    for count, seen in ((1, 1), (2, 0)):
        await page.evaluate(LOOK)
        while len(refused) < count:
            await asyncio.sleep(0.02)
        await expect(button).to_have_count(seen)
    await page.unroute("**/availability")
    await page.evaluate(LOOK)
    await expect(button).to_be_visible()


async def test_while_nobody_is_there_a_time_can_be_chosen(shop: Shop, visit: Visit) -> None:
    shop.close()
    page = await visit(shop.page)
    await page.get_by_role("button", name="Choisir l'heure du rappel").click()
    await expect(page.get_by_label("Jour", exact=True)).to_be_visible()
    await expect(page.get_by_role("radio")).to_have_count(1)


async def test_the_page_may_not_use_another_companys_site(shop: Shop, visit: Visit) -> None:
    """A page that is not among the site's origins shows no button, and breaks nothing."""
    page = await visit(shop.page.replace("127.0.0.1", "localhost"))
    await until(page, "document.querySelector('rappel-button')")
    while not shop.asked:
        await asyncio.sleep(0.02)
    await expect(page.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize(("locale", "language", "name"), [("en-GB", "", "Call me back now"), ("en-GB", "fr", "Être")])
async def test_the_pages_language_comes_before_the_browsers(
    shop: Shop, visit: Visit, locale: str, language: str, name: str
) -> None:
    shop.language = language
    page = await visit(shop.page, locale=locale)
    await expect(page.get_by_role("button", name=name)).to_be_visible()


async def test_a_hostile_page_changes_neither_look_nor_use(shop: Shop, visit: Visit) -> None:
    plain = await visit(shop.page)
    shop.body = f"{HOSTILE}<h1>Bruit</h1><script src='{shop.rappel}/rappel.js' data-site='boutique' async></script>"
    loud = await visit(shop.page, bypass_csp=True)
    await loud.evaluate("document.addEventListener('keydown', (event) => event.preventDefault())")
    await loud.evaluate("Object.prototype.surprise = () => 1; Array.prototype.extra = 2")
    boxes = []
    for page in (plain, loud):
        button = page.locator("rappel-button .open")
        await button.click()
        await page.locator("rappel-button form").wait_for()
        await page.locator("rappel-button .number").press_sequentially("0639")
        assert await page.locator("rappel-button .number").input_value() == "0639"
        boxes.append([await page.locator(f"rappel-button {each}").bounding_box() for each in (".dialog", ".primary")])
        assert (
            await page.locator("rappel-button .title").evaluate("e => getComputedStyle(e).color") != "rgb(255, 0, 0)"
        )
    assert boxes[0] == boxes[1]


async def test_several_buttons_ask_once_and_go_without_a_trace(shop: Shop, visit: Visit) -> None:
    shop.body = (
        f'<script src="{shop.rappel}/rappel.js" async></script><script src="{shop.rappel}/rappel.js" async></script>'
        '<rappel-button site="boutique"></rappel-button><p></p><rappel-button site="boutique"></rappel-button>'
    )
    page = await visit(shop.page)
    buttons = page.get_by_role("button", name="Être rappelé maintenant")
    await expect(buttons).to_have_count(2)
    assert len([each for each in shop.asked if "availability" in each]) == 1
    await page.evaluate("document.querySelector('p').append(document.querySelector('rappel-button'))")
    await expect(buttons).to_have_count(2)
    await page.evaluate("document.querySelectorAll('rappel-button').forEach((each) => each.remove())")
    before = len(shop.asked)
    await page.evaluate(f"() => {{ {LOOK} }}")
    await page.evaluate("document.querySelector('p').append(document.createElement('rappel-button'))")
    while len(shop.asked) == before:
        await asyncio.sleep(0.02)
    # Only the new one, of a site that does not exist, has asked: those that went no longer do.
    assert not any("boutique" in each for each in shop.asked[before:])


async def test_nothing_is_stored_before_consent_nor_told_in_addresses(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    kept = "[document.cookie, localStorage.length, sessionStorage.length]"
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
    assert await page.evaluate(kept) == ["", 0, 0]
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Appelez-moi").click()
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    assert await page.evaluate(kept) == ["", 0, 1]
    ticket = await page.evaluate("JSON.parse(sessionStorage.getItem('rappel boutique')).ticket")
    assert not [each for each in shop.asked if ticket in each or "639" in each]
    assert not shop.cookies
    # Another page of the site, in the same tab, goes on showing how it is.
    await page.goto(f"{shop.page}autre")
    await expect(page.get_by_role("button", name="Votre rappel : Nous vous rappelons bientôt")).to_be_visible()
    await shop.dial(AttemptState.RINGING)
    await expect(page.get_by_role("button", name="Votre rappel : Votre téléphone sonne")).to_be_visible()


async def test_the_page_hears_what_happens_and_no_more(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await page.evaluate(
        "window.heard = []; for (const what of ['shown', 'open', 'request', 'state', 'close'])"
        " addEventListener(`rappel-${what}`, ({type, detail}) => heard.push([type, JSON.stringify(detail)]))"
    )
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Appelez-moi").click()
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    await page.keyboard.press("Escape")
    await until(page, "heard.some(([type]) => type === 'rappel-close')")
    heard = await page.evaluate("heard")
    assert [each for each, _ in heard if each != "rappel-shown"] == [
        "rappel-open",
        "rappel-state",
        "rappel-request",
        "rappel-close",
    ]
    assert not [each for _, each in heard if "639" in each or "ticket" in each]


async def test_a_link_shows_its_request_and_leaves_the_address_clean(shop: Shop, visit: Visit) -> None:
    page = await visit(shop.page)
    await page.get_by_role("button", name="Être rappelé maintenant").click()
    await page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Appelez-moi").click()
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    ticket = await page.evaluate("JSON.parse(sessionStorage.getItem('rappel boutique')).ticket")
    shop.body = (
        f'<script src="{shop.rappel}/rappel.js" async></script><rappel-button site="boutique" inline></rappel-button>'
    )
    other = await visit(f"{shop.page}#ticket={ticket}")
    await other.get_by_role("button", name="Annuler le rappel").click()
    await expect(other.get_by_role("heading", name="Rappel annulé")).to_be_visible()
    assert "ticket" not in await other.evaluate("location.href")
    await expect(page.get_by_role("heading", name="Rappel annulé")).to_be_visible()


async def test_the_hosted_page_for_links_in_e_mails(shop: Shop, visit: Visit) -> None:
    page = await visit(f"{shop.rappel}/rappel/boutique?campaign=lettre-11&medium=e-mail")
    await page.get_by_label("Votre numéro de téléphone").fill("06 39 98 47 01")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Appelez-moi").click()
    await page.get_by_role("heading", name="Nous vous rappelons bientôt").wait_for()
    assert (shop.only().origin.campaign, shop.only().origin.medium) == ("lettre-11", "e-mail")


async def test_the_hosted_page_while_nobody_is_there(visit: Visit) -> None:
    async with open_shop(frozenset({"callback"})) as shop:
        shop.close()
        page = await visit(f"{shop.rappel}/rappel/boutique")
        await expect(page.get_by_text("Personne ne peut vous rappeler pour le moment.")).to_be_visible()
        await expect(page.get_by_role("textbox")).to_have_count(0)
        shop.staff()
        await page.evaluate(LOOK)
        await expect(page.get_by_label("Votre numéro de téléphone")).to_be_visible()
