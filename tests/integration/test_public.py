"""Pages and their visitors on the real thing: the public endpoints, Postgres, Asterisk, an agent and a carrier."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest_asyncio
import yaml

from controller.callback.model import RequestState, Source
from controller.postgres.tokens import PostgresTokens
from controller.runtime.settings import Trunk
from controller.softphone import IncomingCall
from controller.web.api.access import Scope, new_secret
from controller.web.public.work import solve
from tests.rig import freeports
from tests.rig.agents import Agents, answers, enrolled, write_queues
from tests.rig.asterisk import Rig
from tests.rig.callees import CARRIER, Carrier, write_callbacks
from tests.rig.centre import Centre, running

SHOP = "https://www.shop.example"
NUMBER = "06 39 98 47 01"
E164 = "+33639984701"
TONE_HZ = 900


async def accepts(incoming: IncomingCall) -> None:
    """A customer who lets it ring a moment, answers, and presses 1."""
    incoming.ring()
    await asyncio.sleep(0.5)
    call = incoming.answer()
    assert call is not None
    await asyncio.sleep(0.5)
    await call.press("1")


@dataclass
class Street:
    """A centre with a site, its agents, a carrier, and a visitor's browser."""

    centre: Centre
    agents: Agents
    carrier: Carrier
    browser: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://{self.centre.config.web.host}:{self.centre.config.web.port}"

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        url = f"{self.url}/public/v1/sites/boutique{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Origin": SHOP}
        async with self.browser.request(method, url, json=body, headers=sent) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def ask(self, **body: Any) -> tuple[int, Any]:
        key = secrets.token_urlsafe(16)
        _, challenge = await self.send("GET", "/challenge")
        work = {"challenge": challenge["challenge"], "solution": solve(challenge["challenge"], key)}
        form = {"number": NUMBER, "consent": "rappel-1", "work": work, **body}
        return await self.send("POST", "/requests", form, Idempotency_Key=key)

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        text, digest = new_secret()
        await PostgresTokens(self.centre.store).create(digest, "test", list(Scope), None, None)
        sent = {"Authorization": f"Bearer {text}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.browser.request(method, f"{self.url}/api/v1{path}", json=body, headers=sent) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def states(self, ticket: str) -> list[str]:
        """Follow a request to its end; return the states that were told, each once."""
        seen: list[str] = []
        url = f"{self.url}/public/v1/sites/boutique/request/events"
        async with self.browser.get(url, headers={"Authorization": f"Ticket {ticket}"}) as answer:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    state = msgspec.json.decode(line[6:])["state"]
                    if not seen or seen[-1] != state:
                        seen.append(state)
        return seen


@pytest_asyncio.fixture
async def street(asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path) -> AsyncIterator[Street]:
    port = freeports.block()
    write_queues(folder, {"support": {"calendar": "always"}})
    write_callbacks(folder, "support")
    path = folder / "centre.yaml"
    written = yaml.safe_load(path.read_text("utf-8"))
    written["sites"] = {"boutique": {"queue": "support", "origins": [SHOP], "countries": ["FR"]}}
    path.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Carrier((CARRIER, port)))
        trunk = Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{port}")
        asterisk = await asterisk_rig.boot(trunk=trunk)
        centre = await stack.enter_async_context(running(asterisk, database, folder, audio_cache))
        browser = await stack.enter_async_context(aiohttp.ClientSession())
        yield Street(centre, await enrolled(centre, ["support"], "anne"), carrier, browser)
    freeports.release(port)


async def test_a_visitor_asks_sees_the_phone_ring_and_talks(street: Street) -> None:
    street.carrier.does = accepts
    assert (await street.send("GET", "/availability"))[1]["show"] != "callback"
    async with street.agents.at("anne", answers, hz=TONE_HZ) as anne:
        status, now = await street.send("GET", "/availability")
        assert (status, now["show"], now["asap"]) == (200, "callback", True)
        status, taken = await street.ask(name="Zoé", reason="Ma selle", campaign="hiver")
        assert status == 201
        following = asyncio.create_task(street.states(taken["ticket"]))
        customer = await street.carrier.rung()
        agent = await anne.rung(limit_s=10)
        assert agent.caller == E164
        await asyncio.sleep(1)
        await customer.hangup()
        states = await asyncio.wait_for(following, 20)
    assert states[-1] == "done"
    order = ["waiting", "dialling", "ringing", "answered", "connected", "done"]
    assert states == [state for state in order if state in states]
    assert {"ringing", "connected"} <= set(states)
    assert len(street.carrier.numbers) == 1
    _, (request,) = await street.api("POST", "/callbacks/search", {"number": E164})
    assert (request["source"], request["customer"]["name"], request["origin"]["campaign"]) == ("web", "Zoé", "hiver")
    assert request["consent"]["ip"] == "127.0.0.1"
    _, detail = await street.api("GET", f"/callbacks/{request['request_id']}")
    assert [attempt["outcome"] for attempt in detail["attempts"]] == ["talked"]


async def test_many_who_ask_for_one_number_at_once_are_one_request(street: Street) -> None:
    answers_ = await asyncio.gather(*(street.ask() for _ in range(5)))
    tickets = {taken["ticket"] for status, taken in answers_ if status == 201}
    assert len(tickets) >= 4  # each has its own, and four may ask for one number in ten minutes
    assert {status for status, _ in answers_} <= {201, 429}
    _, requests = await street.api("POST", "/callbacks/search", {"number": E164})
    assert len(requests) == 1
    own = 0
    for ticket in tickets:
        await street.send("DELETE", "/request", Authorization=f"Ticket {ticket}")
        _, request = await street.api("GET", f"/callbacks/{requests[0]['request_id']}")
        own += request["request"]["state"] == RequestState.CANCELLED.value
        if own:
            break
    assert own, "the one who asked first can cancel"


async def test_an_agent_calls_a_customer_from_the_crm(street: Street) -> None:
    street.carrier.does = accepts
    async with street.agents.at("anne", answers, hz=TONE_HZ) as anne:
        body = {"number": NUMBER, "agent": "anne", "customer": {"reference": "C-17"}}
        status, taken = await street.api("POST", "/calls", body, Idempotency_Key="crm-click-1")
        assert status == 202, taken
        assert taken["request"]["source"] == Source.AGENT.value
        _, again = await street.api("POST", "/calls", body, Idempotency_Key="crm-click-1")
        assert again["request"]["request_id"] == taken["request"]["request_id"]
        await anne.rung(limit_s=10)
        customer = await street.carrier.rung()
        await asyncio.sleep(1)
        await customer.hangup()
    assert len(street.carrier.numbers) == 1


async def test_slots_are_booked_changed_and_cancelled(street: Street) -> None:
    status, slots = await street.send("GET", "/slots?zone=Europe/Paris")
    assert status == 200
    assert slots["slots"]
    chosen = slots["slots"][0]["at"]
    status, taken = await street.ask(when="slot", slot_at=chosen, zone="Europe/Paris")
    assert (status, taken["request"]["state"]) == (201, "scheduled")
    ticket = f"Ticket {taken['ticket']}"
    _, view = await street.send("GET", "/request", Authorization=ticket)
    assert view["state"] == "scheduled"
    status, view = await street.send("PATCH", "/request", {"when": "asap"}, Authorization=ticket)
    assert (status, view["state"]) == (200, "waiting")
    status, view = await street.send("DELETE", "/request", Authorization=ticket)
    assert (status, view["state"], view["final"]) == (200, "cancelled", True)


HOSTILE = "\x00<script>\u202e'; drop table calls;--\r\n=cmd|'/C calc'!A0 {{7*7}} ${7*7} \U0001f600 \ufffe"


async def test_hostile_text_is_kept_as_data_or_refused(street: Street) -> None:
    about = {"name": HOSTILE[:80], "reference": HOSTILE[:60], "reason": HOSTILE, "data": {"x": HOSTILE}}
    body = {
        "queue": "support", "number": "+33639984702", "customer": about,
        "origin": {"page": HOSTILE, "campaign": HOSTILE[:80], "medium": HOSTILE[:40], "referrer": HOSTILE},
        "consent": {"text": HOSTILE, "version": "1", "ip": HOSTILE[:45]},
    }  # fmt: skip
    status, taken = await street.api("POST", "/callbacks", body, Idempotency_Key="a-hostile-key-'\"<>")
    assert status == 201, taken
    _, detail = await street.api("GET", f"/callbacks/{taken['request']['request_id']}")
    assert "<script>" in detail["request"]["customer"]["reason"]
    status, taken = await street.ask(name=HOSTILE[:80], reason=HOSTILE, reference=HOSTILE[:60], campaign=HOSTILE[:80])
    assert status == 201, taken
    for text in ("+33639984701\x00", "+33639984701'; drop", "+3363998470\u0661"):
        status, problem = await street.api("POST", "/callbacks", {"queue": "support", "number": text})
        assert (status, problem["code"]) == (422, "unreadable")
        status, problem = await street.ask(number=text)
        assert (status, problem["code"]) == (422, "number_unreadable")


async def test_the_pages_and_scripts_are_served(street: Street) -> None:
    for path, kind in (
        ("/rappel.js", "text/javascript"),
        ("/rappel-dialog.js", "text/javascript"),
        ("/rappel/boutique", "text/html"),
        ("/rappel-hosted.css", "text/css"),
    ):
        async with street.browser.get(street.url + path) as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            assert "Set-Cookie" not in answer.headers
    async with street.browser.get(f"{street.url}/metrics") as answer:
        assert "rappel_public_work_bits" in await answer.text()
