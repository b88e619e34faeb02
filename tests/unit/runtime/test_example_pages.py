"""The example company's pages: the button, the contacts, and a server that dials for the page."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from controller.runtime import example_crm
from controller.runtime.example_pages import Rappel


class _Api:
    """Rappel's API as far as the intranet asks it."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict, dict]] = []
        self.answer = (202, {"request": {"request_id": "a" * 32}})

    async def calls(self, request: web.Request) -> web.Response:
        self.asked.append((await request.json(), dict(request.headers)))
        return web.json_response(self.answer[1], status=self.answer[0])


@pytest_asyncio.fixture
async def api():
    api = _Api()
    app = web.Application()
    app.router.add_post("/api/v1/calls", api.calls)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest_asyncio.fixture
async def session(api):
    service = await example_crm.serve(port=0, rappel=Rappel(api.base, "rappel_secret"))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{service.port}") as session:
        yield session
    await service.stop()


@pytest.mark.parametrize(
    ("path", "language", "script"),
    [
        ("/shop", "fr", "rappel.js"),
        ("/shop?lang=en", "en", "rappel.js"),
        ("/contacts?agent=malik", "fr", "rappel-dial.js"),
    ],
)
async def test_pages_include_rappels_script_under_a_strict_policy(session, api, path, language, script):
    async with session.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200
    assert f'<html lang="{language}">' in text
    assert f'src="{api.base}/{script}"' in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"{api.base} {api.base.replace('http', 'ws')};" in policy
    assert "<style" not in text
    assert "rappel_secret" not in text


async def test_a_click_is_an_agents_call_and_the_token_stays_on_the_server(session, api):
    key = "0123456789abcdef" * 2
    body = {"number": "+33639980114", "reference": "504718"}
    async with session.post("/contacts/dial?agent=malik", json=body, headers={"Idempotency-Key": key}) as answer:
        assert (answer.status, await answer.json()) == (202, {"request": "a" * 32})
    asked, headers = api.asked[0]
    customer = {"reference": "504718", "name": "Claire Vautrin"}
    assert asked == {"number": "+33639980114", "agent": "malik", "customer": customer}
    assert (headers["Authorization"], headers["Idempotency-Key"]) == ("Bearer rappel_secret", key)


async def test_a_refusal_of_rappels_is_passed_on_in_its_words(session, api):
    api.answer = 422, {"detail": "No.", "advice": "Ask.", "secret": "x"}
    async with session.post("/contacts/dial", json={"number": "0899"}) as answer:
        assert (answer.status, await answer.json()) == (422, {"detail": "No.", "advice": "Ask."})


@pytest.mark.parametrize("body", [b"", b"[]", b'{"no": 1}', b"\xff"])
async def test_what_is_no_order_to_dial_is_refused(session, api, body):
    async with session.post("/contacts/dial", data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400
    assert not api.asked


async def test_another_page_may_not_dial(session, api):
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with session.post("/contacts/dial", json={"number": "+33639980114"}, headers=headers) as answer:
        assert answer.status == 403
    assert not api.asked


async def test_without_a_token_it_says_how_to_make_one():
    service = await example_crm.serve(port=0, rappel=Rappel("http://127.0.0.1:9"))
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{service.port}") as session,
        session.post("/contacts/dial", json={"number": "+33639980114"}) as answer,
    ):
        assert answer.status == 503
        assert "rappel tokens create" in (await answer.json())["detail"]
    await service.stop()
