"""Call-backs and agents' own calls over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.callback.model import First, RequestState, Source, When
from controller.outbound.model import Purpose
from controller.ports import Token
from controller.web.api.access import Scope, new_secret
from controller.web.api.callbacks import CallbackRoutes
from controller.web.api.server import PREFIX, make_api
from tests.rig.fakecallbacks import AT, FakeCallbacks, open_queue
from tests.unit.web.api.fakes import Clock, Directory, Tokens

NUMBER = "06 39 98 47 01"
SLOT = "2026-11-24T12:00:00Z"
ASK = {"queue": "ventes", "number": NUMBER}


@dataclass
class Api:
    """The API being served."""

    client: TestClient[web.Request, web.Application]
    desk: FakeCallbacks
    tokens: Tokens
    directory: Directory

    def token(self, *scopes: Scope, agent: str | None = None) -> str:
        text, digest = new_secret()
        self.tokens.known[digest] = Token(
            token_id=str(len(self.tokens.known)), name="test", scopes=frozenset(scopes or Scope),
            agent=AgentId(agent) if agent else None,
        )  # fmt: skip
        return text

    async def send(
        self, method: str, path: str, body: Any = None, *, secret: str = "", key: str = ""
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {secret or self.token()}"} | ({"Idempotency-Key": key} if key else {})
        async with self.client.request(method, PREFIX + path, json=body, headers=headers) as answer:
            content = await answer.read()
            return answer.status, msgspec.json.decode(content) if content else None


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    desk, tokens, directory = FakeCallbacks(), Tokens(), Directory()
    for agent, extension, queues in (("claire", "2001", {"autre": 1, "ventes": 2}), ("malik", "2002", {"autre": 1})):
        account = AgentAccount(agent=AgentId(agent), name=agent.title(), extension=extension, queues=queues)
        directory.known[account.agent] = account
    app = web.Application()
    routes = CallbackRoutes(desk, desk, directory, Clock()).routes()
    app.add_subapp(PREFIX, make_api(routes, tokens, Clock(), "1.2.3"))
    async with TestClient(TestServer(app)) as client:
        yield Api(client, desk, tokens, directory)


# --- asking, looking, changing, cancelling ------------------------------------------------------------------------


async def test_a_request_is_made_and_everything_arrives(api: Api) -> None:
    body = {
        **ASK, "when": "slot", "slot_at": SLOT, "country": "FR", "zone": "Europe/Paris", "language": "fr",
        "purpose": "service", "first": "agent", "agent": "claire", "priority": 3, "needs": {"vae": 2},
        "customer": {"name": "Zoé", "reference": "C-17", "reason": "Selle", "data": {"order": "9"}},
        "origin": {"page": "https://shop.example/", "campaign": "hiver"},
        "consent": {"text": "Oui", "version": "1", "ip": "192.0.2.7"},
    }  # fmt: skip
    status, taken = await api.send("POST", "/callbacks", body)
    assert status == 201
    assert (taken["again"], taken["request"]["state"]) == (False, "scheduled")
    asked = api.desk.asked[0]
    assert (asked.source, asked.purpose, asked.first, asked.agent) == (
        Source.API, Purpose.SERVICE, First.AGENT, "claire",
    )  # fmt: skip
    assert (asked.needs, asked.priority, asked.customer.data) == ({"vae": 2}, 3, {"order": "9"})
    assert asked.consent is not None
    assert (asked.consent.at, asked.consent.ip) == (AT, "192.0.2.7")


async def test_the_same_key_is_the_same_request_and_another_tokens_is_not(api: Api) -> None:
    secret = api.token()
    _, first = await api.send("POST", "/callbacks", ASK, secret=secret, key="11111111-key")
    _, second = await api.send("POST", "/callbacks", ASK, secret=secret, key="11111111-key")
    assert (second["again"], second["request"]["request_id"]) == (True, first["request"]["request_id"])
    await api.send("POST", "/callbacks", {**ASK, "number": "06 39 98 47 02"}, key="11111111-key")
    assert len(api.desk.requests) == 2
    status, problem = await api.send("POST", "/callbacks", ASK, key="short")
    assert (status, problem["code"]) == (400, "bad_key")


async def test_a_promise_of_an_agent_is_the_agents(api: Api) -> None:
    secret = api.token(Scope.CALLBACKS_WRITE, agent="claire")
    await api.send("POST", "/callbacks", {**ASK, "when": "slot", "slot_at": SLOT}, secret=secret)
    await api.send("POST", "/callbacks", {**ASK, "when": "now", "number": "06 39 98 47 02"}, secret=secret)
    assert [asked.source for asked in api.desk.asked] == [Source.AGENT, Source.API]


async def test_requests_are_listed_narrowed_and_searched(api: Api) -> None:
    for number in ("+33639984701", "+33639984702"):
        await api.send("POST", "/callbacks", {**ASK, "number": number})
    first, second = api.desk.requests.values()
    api.desk.put(msgspec.structs.replace(first, state=RequestState.DONE))
    for query, expected in (("limit=1", second), ("state=done", first), ("queue=ventes&state=waiting", second)):
        _, found = await api.send("GET", f"/callbacks?{query}")
        assert [each["request_id"] for each in found] == [expected.request_id]
    assert (await api.send("GET", "/callbacks?queue=none"))[1] == []
    assert (await api.send("GET", "/callbacks?state=gone"))[0] == 422
    assert (await api.send("GET", "/callbacks?number=0639984701"))[0] == 422
    _, found = await api.send("POST", "/callbacks/search", {"number": first.number, "limit": 5})
    assert [each["request_id"] for each in found] == [first.request_id]
    assert (await api.send("POST", "/callbacks/search", {"number": "06"}))[0] == 422


async def test_one_is_shown_with_its_attempts(api: Api) -> None:
    await api.send("POST", "/callbacks", ASK)
    request_id = next(iter(api.desk.requests))
    api.desk.dial(request_id)
    status, detail = await api.send("GET", f"/callbacks/{request_id}")
    assert (status, detail["request"]["state"], len(detail["attempts"])) == (200, "dialling", 1)
    for unknown in ("0" * 32, "x", "..%2f..", "A" * 400):
        assert (await api.send("GET", f"/callbacks/{unknown}"))[0] == 404


async def test_one_is_changed_and_cancelled(api: Api) -> None:
    await api.send("POST", "/callbacks", ASK)
    path = f"/callbacks/{next(iter(api.desk.requests))}"
    status, taken = await api.send("PATCH", path, {"when": "slot", "slot_at": SLOT})
    assert (status, taken["request"]["when"]) == (200, "slot")
    status, request = await api.send("DELETE", path)
    assert (status, request["state"], request["reason"]) == (200, "cancelled", "by token:test")
    status, problem = await api.send("PATCH", path, {"when": "asap"})
    assert (status, problem["code"]) == (409, "too_late")
    status, problem = await api.send("DELETE", f"/callbacks/{'0' * 32}")
    assert (status, problem["code"]) == (404, "unknown_request")


async def test_slots_are_told(api: Api) -> None:
    status, slots = await api.send("GET", "/queues/ventes/slots?limit=2")
    assert (status, [each["free"] for each in slots]) == (200, [2, 2])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("unknown_queue", 404), ("no_callbacks", 409), ("not_now", 409), ("slot_taken", 409), ("unreadable", 422),
        ("invalid", 422), ("kind", 422), ("country", 422), ("opted_out", 409), ("window", 409), ("unavailable", 503),
    ],
)  # fmt: skip
async def test_what_the_desk_refuses_is_said_with_its_advice(api: Api, code: str, status: int) -> None:
    api.desk.refusal = Refused(code, "the reason", "the advice")
    answered, problem = await api.send("POST", "/callbacks", ASK)
    assert (answered, problem["code"], problem["advice"]) == (status, code, "the advice")
    assert (await api.send("GET", "/queues/ventes/slots"))[0] == status


@pytest.mark.parametrize(
    "body",
    [
        {"queue": "ventes"}, {**ASK, "when": "slot"}, {**ASK, "when": "later"}, {**ASK, "priority": 10},
        {**ASK, "zone": "Mars/Olympus"}, {**ASK, "language": "de"}, {**ASK, "language": "\x00"},
        {**ASK, "country": "France"}, {**ASK, "needs": {"vae": 6}}, {**ASK, "unknown": 1},
        {**ASK, "number": "x" * 65},
        {**ASK, "slot_at": "2026-11-24T12:00:00"}, {**ASK, "consent": {"text": "", "version": "1"}},
    ],
)  # fmt: skip
async def test_what_is_not_valid_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert (await api.send("POST", "/callbacks", body))[0] == 422
    assert api.desk.asked == []


async def test_a_request_for_an_agent_whom_nobody_knows_is_refused(api: Api) -> None:
    assert (await api.send("POST", "/callbacks", {**ASK, "agent": "nobody"}))[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("GET", "/callbacks", None, Scope.CALLBACKS_WRITE),
        ("POST", "/callbacks", ASK, Scope.CALLBACKS_READ),
        ("GET", f"/callbacks/{'0' * 32}", None, Scope.CALLBACKS_WRITE),
        ("DELETE", f"/callbacks/{'0' * 32}", None, Scope.CALLBACKS_READ),
        ("POST", "/calls", {"number": NUMBER, "agent": "claire"}, Scope.CALLBACKS_WRITE),
        ("GET", "/queues/ventes/slots", None, Scope.QUEUES_READ),
    ],
)
async def test_each_needs_its_scope(api: Api, method: str, path: str, body: Any, scope: Scope) -> None:
    assert (await api.send(method, path, body, secret=api.token(scope)))[0] == 403
    assert api.desk.asked == []


async def test_while_postgres_is_away_the_answer_says_so(api: Api) -> None:
    api.desk.away = True
    assert (await api.send("GET", "/callbacks"))[0] == 503


# --- an agent calls a customer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"agent": "claire"}, {"extension": "2001"}])
async def test_an_agent_is_let_call_a_customer(api: Api, who: dict[str, str]) -> None:
    body = {"number": NUMBER, "customer": {"reference": "C-17"}, "purpose": "service", **who}
    status, taken = await api.send("POST", "/calls", body, key="a-call-of-today")
    assert (status, taken["again"]) == (202, False)
    asked = api.desk.asked[0]
    assert (asked.queue, asked.when, asked.source, asked.first) == ("ventes", When.NOW, Source.AGENT, First.AGENT)
    assert (asked.agent, asked.purpose, asked.customer.reference) == ("claire", Purpose.SERVICE, "C-17")


async def test_an_agents_token_dials_for_that_agent_only(api: Api) -> None:
    secret = api.token(Scope.CALLS_DIAL, agent="claire")
    assert (await api.send("POST", "/calls", {"number": NUMBER}, secret=secret))[0] == 202
    for who in ({"agent": "malik"}, {"extension": "2002"}):
        status, problem = await api.send("POST", "/calls", {"number": NUMBER, **who}, secret=secret)
        assert (status, problem["code"]) == (403, "not_yours")
    assert len(api.desk.asked) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "agent_missing"),
        ({"agent": "nobody"}, 404, "unknown_agent"),
        ({"extension": "9"}, 404, "unknown_extension"),
        ({"agent": "claire", "extension": "2001"}, 422, "invalid"),
        ({"agent": "malik"}, 409, "no_callbacks"),
    ],
)
async def test_a_call_that_nobody_can_make(api: Api, body: dict[str, str], status: int, code: str) -> None:
    answered, problem = await api.send("POST", "/calls", {"number": NUMBER, **body})
    assert (answered, problem["code"]) == (status, code)
    assert api.desk.asked == []


async def test_a_disabled_account_makes_no_calls(api: Api) -> None:
    claire = AgentId("claire")
    api.directory.known[claire] = msgspec.structs.replace(api.directory.known[claire], enabled=False)
    assert (await api.send("POST", "/calls", {"number": NUMBER, "agent": "claire"}))[1]["code"] == "agent_disabled"


async def test_the_queue_can_be_named(api: Api) -> None:
    api.desk.queues["autre"] = open_queue("autre")
    await api.send("POST", "/calls", {"number": NUMBER, "agent": "claire"})
    await api.send("POST", "/calls", {"number": NUMBER, "agent": "claire", "queue": "ventes"})
    assert [asked.queue for asked in api.desk.asked] == ["autre", "ventes"]


async def test_it_is_described(api: Api) -> None:
    async with api.client.get(PREFIX + "/openapi.json") as answer:
        document = await answer.json()
    validate(document)
    assert set(document["paths"]["/callbacks/{request_id}"]) == {"get", "patch", "delete"}
    assert "Idempotency-Key" in document["paths"]["/calls"]["post"]["description"]
