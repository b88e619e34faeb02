"""Click-to-dial: a tel: link of a CRM asks the CRM's own server, which asks Rappel."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Visit, until
from tests.rig.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTACTS = """<main><p><a href="tel:+33 6 39 98 01 14" data-reference="504718">Claire</a></p>
<p><a href="tel:*21">Code</a> <a href="https://www.shop.example/">Site</a></p></main>
<script src="{rappel}/rappel-dial.js" data-dial="/dial" data-within="main"></script>"""


async def _contacts(shop: Shop, visit: Visit) -> Page:
    shop.body = CONTACTS.format(rappel=shop.rappel)
    page = await visit(shop.page)
    await page.get_by_role("link", name="Claire").wait_for()
    return page


async def test_a_click_dials_once(shop: Shop, visit: Visit) -> None:
    page = await _contacts(shop, visit)
    shop.delay_s = 0.3
    await page.get_by_role("link", name="Claire").dblclick()
    await expect(page.get_by_role("status")).to_have_text(
        "Votre téléphone va sonner : décrochez, nous appelons le client."
    )
    assert shop.dialled == [{"number": "+33 6 39 98 01 14", "reference": "504718"}]


async def test_a_refusal_is_said_in_the_servers_words(shop: Shop, visit: Visit) -> None:
    page = await _contacts(shop, visit)
    shop.dial_answer = 422, {"detail": "This number is not called.", "advice": "Ask your supervisor. <b>"}
    await page.get_by_role("link", name="Claire").press("Enter")
    await expect(page.get_by_role("status")).to_have_text("This number is not called. Ask your supervisor. <b>")


async def test_the_page_may_show_it_itself(shop: Shop, visit: Visit) -> None:
    page = await _contacts(shop, visit)
    await page.evaluate(
        "window.heard = []; addEventListener('rappel-dial', (event) => {"
        " heard.push(event.detail.state); event.preventDefault(); })"
    )
    await page.get_by_role("link", name="Claire").click()
    await until(page, "heard.join() === 'asked,calling'")
    await expect(page.get_by_role("status")).to_have_count(0)
