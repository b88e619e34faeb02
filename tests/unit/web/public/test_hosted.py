"""The hosted page: what it holds, what it may load, and its forms without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.callback.model import RequestState, When
from controller.flow.sitekinds import Theme
from controller.web.public.protection import NO_SCRIPT
from controller.web.public.work import CALM
from tests.unit.web.public.stage import MOBILE, SHOP, SITE, Stage, number, staged

PAGE = "/rappel/boutique"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made


async def page(stage: Stage, path: str = PAGE, **fields: str) -> tuple[int, str]:
    """Get a page, or send its form."""
    method = "POST" if fields else "GET"
    async with stage.client.request(method, path, data=fields or None) as answer:
        return answer.status, await answer.text()


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of a form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text))


async def sent(stage: Stage, **fields: str) -> tuple[int, str]:
    """Open the form, take one's time, send it."""
    _, text = await page(stage)
    stage.clock.monotonic_s += 5
    form = {**hidden(text), "number": MOBILE, "when": "asap", "name": "", "reason": "", "consent": "rappel-1"}
    return await page(stage, **{**form, **fields})


async def test_the_page_holds_the_button_open_and_nothing_inline(stage: Stage) -> None:
    async with stage.client.get(f"{PAGE}?lang=en&campaign=spring%22%3E&medium=email&email=x") as answer:
        text = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe" not in policy
    assert f"frame-ancestors {SHOP}" in policy
    assert '<rappel-button site="boutique" language="en" inline campaign="spring&#34;&gt;" medium="email">' in text
    assert '<script src="/rappel.js" defer></script>' in text
    assert not re.search(r"<script(?! src=)|<style| on\w+=| style=", text)
    assert '<html lang="en">' in text
    assert "Let&#39;s talk bikes" in text


async def test_a_form_without_javascript_is_taken(stage: Stage) -> None:
    status, text = await sent(stage, name="<b>Zoé</b>", reason="Un\r\nmot")
    assert status == 201
    assert "Nous vous appelons dès que possible." in text
    asked = stage.desk.asked[0]
    assert (asked.number, asked.when) == ("+33639984701", When.ASAP)
    assert (asked.customer.name, asked.customer.reason) == ("<b>Zoé</b>", "Un\nmot")
    assert re.search(r'href="/rappel/boutique/suivi\?lang=fr#ticket=[\w-]{59}"', text)
    request_id = next(iter(stage.desk.requests))
    ticket = hidden(text)["ticket"]
    status, text = await page(stage, f"{PAGE}/suivi", ticket=ticket, act="look")
    assert (status, "dès que possible" in text) == (200, True)
    status, text = await page(stage, f"{PAGE}/suivi", ticket=ticket, act="cancel")
    assert (status, "La demande est annulée." in text) == (200, True)
    assert stage.desk.requests[request_id].state is RequestState.CANCELLED


async def test_a_slot_is_chosen_from_a_list_in_the_centres_zone(stage: Stage) -> None:
    _, text = await page(stage)
    assert (
        '<option value="2026-11-24T13:00:00+01:00">mardi 24 novembre, 13:00\u201313:30 (Europe/Paris)</option>'
        in text
    )
    status, text = await sent(stage, when="2026-11-24T13:00:00+01:00")
    assert (status, stage.desk.asked[0].when) == (201, When.SLOT)


async def test_sending_the_same_form_twice_is_one_request(stage: Stage) -> None:
    _, text = await page(stage)
    stage.clock.monotonic_s += 5
    form = {**hidden(text), "number": MOBILE, "when": "asap", "consent": "rappel-1"}
    first, second = await page(stage, **form), await page(stage, **form)
    assert hidden(first[1])["ticket"] == hidden(second[1])["ticket"]
    assert len(stage.desk.asked) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"number": "12"}, "Nous ne rappelons pas ce type de numéro."),
        ({"consent": ""}, "Votre accord est nécessaire"),
        ({"when": "soon"}, "pas valable"),
        ({"token": "1.x"}, "La vérification de votre navigateur a échoué."),
        ({"key": "another-key-of-mine-000"}, "La vérification de votre navigateur a échoué."),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_written_stays(
    stage: Stage, fields: dict[str, str], says: str
) -> None:
    status, text = await sent(stage, **{"name": "Zoé", **fields})
    assert status == 422
    assert says in text
    assert 'value="Zoé"' in text
    assert stage.desk.asked == []


async def test_a_program_that_fills_the_form_in_no_time_is_refused(stage: Stage) -> None:
    _, text = await page(stage)
    form = {**hidden(text), "number": MOBILE, "when": "asap", "consent": "rappel-1"}
    assert "envoyé très vite" in (await page(stage, **form))[1]
    stage.clock.monotonic_s += 3601
    assert "ouvert trop longtemps" in (await page(stage, **form))[1]


async def test_under_load_there_is_no_form_without_work(stage: Stage) -> None:
    for n in range(CALM):
        stage.parts.work._use(str(n), stage.clock.now().timestamp() + 600, stage.clock.now().timestamp())
    status, text = await sent(stage)
    assert (status, "JavaScript doit être activé" in text) == (422, True)


async def test_there_are_only_so_many_an_hour(stage: Stage) -> None:
    for n in range(NO_SCRIPT.count):
        stage.clock.monotonic_s = 1000 + n
        _, text = await page(stage)
        stage.clock.monotonic_s += 5
        form = {**hidden(text), "number": number(), "when": "asap", "consent": "rappel-1"}
        headers = {"X-Forwarded-For": f"192.{n}.2.1"}
        async with stage.client.post(PAGE, data=form, headers=headers) as answer:
            assert answer.status in (201, 429)
    assert len(stage.desk.asked) <= NO_SCRIPT.count
    status, _ = await sent(stage, number=number())
    assert status == 429


async def test_a_site_without_such_forms_says_so() -> None:
    async with staged(msgspec.structs.replace(SITE, without_script=False)) as stage:
        _, text = await page(stage)
        assert "<form" not in text
        assert "JavaScript est nécessaire" in text


async def test_a_closed_site_gives_its_telephone(stage: Stage) -> None:
    stage.desk.queues.clear()
    stage.desk.times.clear()
    _, text = await page(stage)
    assert '<a href="tel:+33353014700">+33 3 53 01 47 00</a>' in text
    assert "<form" not in text


async def test_the_way_to_ones_request(stage: Stage) -> None:
    _, text = await page(stage, f"{PAGE}/suivi")
    assert '<input name="ticket"' in text
    status, text = await page(stage, f"{PAGE}/suivi", ticket="forged", act="cancel")
    assert status == 401
    assert "n&#39;existe pas ou plus" in text


async def test_an_unknown_site_is_not_found(stage: Stage) -> None:
    for path in ("/rappel/none", "/rappel/none/suivi", "/rappel/none/theme.css", "/rappel/../../etc"):
        async with stage.client.get(path) as answer:
            assert answer.status == 404


async def test_while_postgres_is_away_the_page_is_there(stage: Stage) -> None:
    stage.desk.away = True
    status, text = await page(stage)
    assert (status, "tel:+33353014700" in text) == (200, True)
    status, text = await sent(stage)
    assert (status, "pas disponible pour le moment" in text) == (503, True)


async def test_the_look_is_the_sites(stage: Stage) -> None:
    stage.sites["boutique"] = msgspec.structs.replace(SITE, theme=Theme(colour="#123456", scheme="dark"))
    async with stage.client.get(f"{PAGE}/theme.css") as answer:
        assert "--accent: #123456" in await answer.text()
        tag = answer.headers["ETag"]
    async with stage.client.get(f"{PAGE}/theme.css", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    async with stage.client.get("/rappel-hosted.css") as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"a=1&a=2", "application/x-www-form-urlencoded"),
        (b"&".join(b"f%d=1" % n for n in range(100)), "application/x-www-form-urlencoded"),
        (b"number=%ff%fe", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"x" * 20_000, "application/x-www-form-urlencoded"),
    ],
)
async def test_a_form_that_is_none(stage: Stage, data: bytes, kind: str) -> None:
    async with stage.client.post(PAGE, data=data, headers={"Content-Type": kind}) as answer:
        assert answer.status in (413, 422)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), field=st.sampled_from(["number", "name", "reason", "when", "country", "consent"]))
async def test_any_text_comes_back_escaped(stage: Stage, text: str, field: str) -> None:
    stage.clock.monotonic_s += 7200
    form = {"name": "<script>alert(1)</script>", "number": "no number", field: text}
    status, answer = await sent(stage, **form)
    assert status in (201, 409, 422)
    assert "<script>alert" not in answer
