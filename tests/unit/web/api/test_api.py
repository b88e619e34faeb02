"""The API over HTTP: tokens, refusals, agents, conversations, events, its own description."""

from __future__ import annotations

import gzip
import hashlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from controller.acd.model import AgentId, Refused
from controller.calls.asks import Consult, EndConsult, Hold, MoveTo, PauseRecording, Supervise, Transfer
from controller.calls.desk import MonitorEvent
from controller.ports import Token
from controller.web.api.access import Scope, digest_of, new_secret
from controller.web.api.agents import AgentRoutes
from controller.web.api.events import EventRoutes
from controller.web.api.floor import FloorRoutes
from controller.web.api.server import PREFIX, make_api
from controller.web.pages import listen
from tests.unit.web.api.fakes import AT, Clock, Directory, FakeDesk, Tokens, view


@dataclass
class Api:
    """The API being served, and a client with a token for everything."""

    url: str
    session: aiohttp.ClientSession
    desk: FakeDesk
    directory: Directory
    tokens: Tokens
    clock: Clock
    secret: str = field(repr=False, default="")

    def token(self, *scopes: Scope, agent: str | None = None, expired: bool = False) -> str:
        """Store a token and return it."""
        text, digest = new_secret()
        self.tokens.known[digest] = Token(
            token_id=str(len(self.tokens.known)),
            name="test",
            scopes=frozenset(scopes),
            agent=AgentId(agent) if agent else None,
            expires_at=AT - timedelta(days=1) if expired else None,
        )
        return text

    async def send(
        self, method: str, path: str, body: Any = None, *, secret: str | None = None, **more: Any
    ) -> tuple[int, Any]:
        """Return status and JSON of the answer."""
        headers = {"Authorization": f"Bearer {self.secret if secret is None else secret}"} | more.pop("headers", {})
        async with self.session.request(method, self.url + path, json=body, headers=headers, **more) as response:
            content = await response.read()
            return response.status, msgspec.json.decode(content) if content else None


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    desk, directory, tokens, clock = FakeDesk(), Directory(), Tokens(), Clock()
    events = EventRoutes(desk)
    routes = [*AgentRoutes(directory, desk).routes(), *FloorRoutes(desk, directory).routes(), *events.routes()]
    app = web.Application()
    app.add_subapp(PREFIX, make_api(routes, tokens, clock, "1.2.3"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = await listen(app, "127.0.0.1", port)
    async with aiohttp.ClientSession() as session:
        made = Api(f"http://127.0.0.1:{port}{PREFIX}", session, desk, directory, tokens, clock)
        made.secret = made.token(*Scope)
        yield made
        await events.close()
    await listener.close()


CLAIRE = {"agent": "claire", "name": "Claire Vautrin", "extension": "2001", "skills": {"anglais": 4}}


# --- the door -------------------------------------------------------------------------------------------------


async def test_without_a_token_nothing_is_told_but_how_to_get_one(api: Api) -> None:
    async with api.session.get(api.url + "/agents") as response:
        problem = await response.json(content_type="application/problem+json")
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert problem["code"] == "no_valid_token"
    assert "rappel tokens create" in problem["advice"]


@pytest.mark.parametrize("secret", ["rappel_x", "", "rappel_" + "a" * 43, "rappel_" + "a" * 200, "Basic x"])
async def test_a_wrong_token_is_refused(api: Api, secret: str) -> None:
    assert (await api.send("GET", "/agents", secret=secret))[0] == 401


async def test_an_expired_token_is_refused(api: Api) -> None:
    assert (await api.send("GET", "/agents", secret=api.token(*Scope, expired=True)))[0] == 401


async def test_a_scope_that_is_missing_is_named(api: Api) -> None:
    status, problem = await api.send("POST", "/agents", CLAIRE, secret=api.token(Scope.AGENTS_READ))
    assert (status, problem["code"]) == (403, "scope_missing")
    assert "agents:write" in problem["detail"]
    assert not api.directory.known


async def test_a_token_is_asked_for_once_in_a_while_and_a_revoked_one_ends(api: Api) -> None:
    for _ in range(5):
        assert (await api.send("GET", "/agents"))[0] == 200
    assert api.tokens.asked == 1
    del api.tokens.known[digest_of(api.secret)]
    api.clock.at += 31
    assert (await api.send("GET", "/agents"))[0] == 401


async def test_after_twenty_wrong_tokens_the_address_has_to_wait(api: Api) -> None:
    for _ in range(20):
        assert (await api.send("GET", "/agents", secret="rappel_wrong"))[0] == 401
    status, problem = await api.send("GET", "/agents")
    assert (status, problem["code"]) == (429, "too_many_failures")
    api.clock.at += 61
    assert (await api.send("GET", "/agents"))[0] == 200


async def test_while_postgres_is_away_the_answer_says_so(api: Api) -> None:
    api.tokens.away = True
    status, problem = await api.send("GET", "/agents")
    assert (status, problem["code"]) == (503, "database_away")


# --- what can be wrong with a request ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({**CLAIRE, "extension": "20 01"}, "$.extension"),
        ({**CLAIRE, "agent": "Claire!"}, "$.agent"),
        ({**CLAIRE, "skills": {"anglais": 6}}, "$.skills"),
        ({**CLAIRE, "name": 'x"<script>'}, "$.name"),
        ({**CLAIRE, "nmae": "x"}, "nmae"),
        ({"agent": "claire"}, "name"),
        ([], "object"),
    ],
)
async def test_a_bad_value_is_named_and_nothing_is_stored(api: Api, body: Any, where: str) -> None:
    status, problem = await api.send("POST", "/agents", body)
    assert (status, problem["code"]) == (422, "invalid")
    assert where in problem["detail"]
    assert not api.directory.known


async def test_what_is_not_json_is_refused_without_a_fault(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.secret}", "Content-Type": "application/json"}
    broken = gzip.compress(b"{}")[:-4] + b"junk"
    for data, more, expected in (
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (broken, {"Content-Encoding": "gzip"}, 415),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'"' + b"x" * 300_000 + b'"', {}, 413),
    ):
        async with api.session.post(api.url + "/agents", data=data, headers={**headers, **more}) as response:
            assert response.status == expected, await response.text()
            assert response.content_type == "application/problem+json"


async def test_unknown_addresses_methods_and_parameters_are_refused(api: Api) -> None:
    assert (await api.send("GET", "/nothing"))[0] == 404
    status, problem = await api.send("PUT", "/agents")
    assert (status, problem["advice"]) == (405, "use GET, POST")
    assert (await api.send("GET", "/waiting?queu=x"))[0] == 422
    assert (await api.send("GET", "/waiting?queue=x&queue=y"))[0] == 422


# --- agents -----------------------------------------------------------------------------------------------------


async def test_an_agent_is_created_and_the_password_shown_once(api: Api) -> None:
    status, sip = await api.send("POST", "/agents", CLAIRE)
    assert status == 201
    assert sip["username"] == "2001"
    ha1 = hashlib.md5(f"2001:rappel:{sip['password']}".encode(), usedforsecurity=False).hexdigest()
    assert api.directory.stored == {"claire": ha1}
    api.desk.views = [view("claire")]
    _, all_agents = await api.send("GET", "/agents")
    assert all_agents[0]["account"]["skills"] == {"anglais": 4}
    assert all_agents[0]["now"]["state"] == "free"
    assert sip["password"] not in str(all_agents)


async def test_an_id_or_extension_that_is_taken_is_a_conflict(api: Api) -> None:
    await api.send("POST", "/agents", CLAIRE)
    assert (await api.send("POST", "/agents", CLAIRE))[1]["code"] == "agent_exists"
    status, problem = await api.send("POST", "/agents", {**CLAIRE, "agent": "malik"})
    assert (status, problem["code"]) == (409, "conflict")
    assert "claire" in problem["detail"]


async def test_an_account_is_changed_in_what_is_given_only(api: Api) -> None:
    await api.send("POST", "/agents", CLAIRE)
    status, changed = await api.send("PATCH", "/agents/claire", {"skills": {"vae": 2}, "supervisor": True})
    assert status == 200
    assert (changed["name"], changed["skills"], changed["supervisor"]) == ("Claire Vautrin", {"vae": 2}, True)
    assert (await api.send("PATCH", "/agents/nobody", {"name": "x"}))[0] == 404


async def test_a_password_is_replaced_and_an_account_deleted(api: Api) -> None:
    await api.send("POST", "/agents", CLAIRE)
    before = dict(api.directory.stored)
    assert (await api.send("POST", "/agents/claire/password"))[0] == 200
    assert api.directory.stored != before
    assert await api.send("DELETE", "/agents/claire") == (204, None)
    assert (await api.send("DELETE", "/agents/claire"))[0] == 404


async def test_an_import_is_all_or_none(api: Api) -> None:
    malik = {"agent": "malik", "name": "Malik", "extension": "2002"}
    status, problem = await api.send("POST", "/agents/import", [CLAIRE, malik, {**malik, "agent": "zoe"}])
    assert (status, problem["code"]) == (422, "invalid")
    assert not api.directory.known
    status, made = await api.send("POST", "/agents/import", [CLAIRE, malik])
    assert [each["agent"] for each in made] == ["claire", "malik"]
    status, made = await api.send("POST", "/agents/import", [{**CLAIRE, "name": "Claire V."}, malik])
    assert (status, made) == (200, [])
    assert api.directory.known[AgentId("claire")].name == "Claire V."


@pytest.mark.parametrize(
    ("path", "body", "done"),
    [
        ("login", None, ("login", "claire", "token:test")),
        ("logout", None, ("logout", "claire", "token:test")),
        ("pause", {"reason": "repas", "seconds": 1800}, ("pause", "claire", "repas", "token:test", 1800.0)),
        ("resume", None, ("resume", "claire", "token:test")),
        ("ready", None, ("end_wrap_up", "claire", "token:test")),
        ("extend-wrap-up", {"seconds": 30}, ("extend_wrap_up", "claire", 30.0, "token:test")),
    ],
)
async def test_what_an_agent_does_reaches_the_desk(api: Api, path: str, body: Any, done: tuple[object, ...]) -> None:
    assert await api.send("POST", f"/agents/claire/{path}", body) == (204, None)
    assert api.desk.asked == [done]


async def test_a_refusal_of_the_desk_is_told_with_its_code_and_advice(api: Api) -> None:
    api.desk.refusal = Refused("in_a_call", "a customer is there", "end the call first")
    status, problem = await api.send("POST", "/agents/claire/logout")
    assert (status, problem["code"], problem["advice"]) == (409, "in_a_call", "end the call first")
    api.desk.refusal = Refused("unknown_agent", "there is no claire")
    assert (await api.send("POST", "/agents/claire/login"))[0] == 404


async def test_an_agents_token_acts_for_this_agent_alone(api: Api) -> None:
    own = api.token(Scope.AGENTS_ACT, Scope.CALLS_ACT, agent="claire")
    assert (await api.send("POST", "/agents/claire/login", secret=own))[0] == 204
    status, problem = await api.send("POST", "/agents/malik/logout", secret=own)
    assert (status, problem["code"]) == (403, "not_yours")
    await api.send("POST", "/talks/c2/hold", {"on": True}, secret=own)
    assert api.desk.asked[0] == ("login", "claire", "agent:claire")
    assert api.desk.asked[1][3:] == ("claire", "agent:claire")
    assert len(api.desk.asked) == 2


# --- queues and conversations -------------------------------------------------------------------------------------


async def test_queues_waiting_and_talks_are_shown(api: Api) -> None:
    assert (await api.send("GET", "/queues"))[1][0]["estimate_s"] == 90.0
    assert (await api.send("GET", "/queues/ventes"))[1]["waiting"] == 2
    assert (await api.send("GET", "/queues/nothing"))[1]["code"] == "unknown_queue"
    assert (await api.send("GET", "/waiting?queue=ventes"))[1][0]["call_id"] == "c1"
    assert (await api.send("GET", "/waiting?queue=autre"))[1] == []
    assert (await api.send("GET", "/talks"))[1][0]["agent"] == "claire"


@pytest.mark.parametrize(
    ("path", "body", "kind", "fields"),
    [
        ("talks/c2/hold", {"on": True}, Hold, {"on": True}),
        ("talks/c2/recording", {"on": False}, PauseRecording, {"on": True}),
        ("talks/c2/consult/end", {"how": "three_way"}, EndConsult, {"how": "three_way"}),
        ("waiting/c2/move", {"queue": "expert"}, MoveTo, {"queue": "expert", "by": "token:test"}),
    ],
)
async def test_asks_reach_the_call(api: Api, path: str, body: Any, kind: type, fields: dict[str, object]) -> None:
    assert await api.send("POST", f"/{path}", body) == (204, None)
    what, call_id, ask, agent, by = api.desk.asked[0]
    assert (what, call_id, agent, by) == ("ask", "c2", None, "token:test")
    assert type(ask) is kind
    assert {name: getattr(ask, name) for name in fields} == fields


async def test_targets_are_read(api: Api) -> None:
    to = {"kind": "queue", "value": "expert"}
    await api.send("POST", "/talks/c2/transfer", {"to": to, "needs": {"vae": 3}, "note": "batterie"})
    await api.send("POST", "/talks/c2/consult", {"to": {"kind": "agent", "value": "malik"}})
    transfer, consult = (asked[2] for asked in api.desk.asked)
    assert isinstance(transfer, Transfer)
    assert (transfer.target.kind, transfer.target.value, transfer.needs) == ("queue", "expert", {"vae": 3})
    assert isinstance(consult, Consult)
    assert consult.target.value == "malik"
    assert (await api.send("POST", "/talks/c2/consult", {"to": {"kind": "number", "value": "0612"}}))[0] == 422


async def test_only_a_supervisor_listens(api: Api) -> None:
    await api.send("POST", "/agents", CLAIRE)
    status, problem = await api.send("POST", "/talks/c2/supervise", {"supervisor": "claire", "how": "listen"})
    assert (status, problem["code"]) == (403, "not_a_supervisor")
    await api.send("PATCH", "/agents/claire", {"supervisor": True})
    assert (await api.send("POST", "/talks/c2/supervise", {"supervisor": "claire", "how": "listen"}))[0] == 204
    assert isinstance(api.desk.asked[0][2], Supervise)


async def test_a_disposition_needs_an_agent(api: Api) -> None:
    path = "/calls/c2/disposition"
    assert (await api.send("POST", path, {"code": "vendu"}))[1]["code"] == "agent_missing"
    assert (await api.send("POST", path, {"code": "vendu", "agent": "claire", "note": "deux vélos"}))[0] == 204
    assert api.desk.asked == [("dispose", "c2", "claire", "vendu", "deux vélos")]


# --- events and description ---------------------------------------------------------------------------------------


async def test_a_watcher_gets_a_snapshot_and_then_what_changes(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.secret}"}
    async with api.session.ws_connect(api.url + "/events?queue=ventes", headers=headers) as watcher:
        first = await watcher.receive_json(timeout=5)
        assert first["type"] == "snapshot"
        assert first["queues"][0]["queue"] == "ventes"
        for seq, queue in ((1, "ventes"), (2, "autre"), (3, "")):
            api.desk.queue.put_nowait(MonitorEvent(seq=seq, at=AT, kind="queue.entered", queue=queue))
        assert [(await watcher.receive_json(timeout=5))["event"]["seq"] for _ in range(2)] == [1, 3]
        await watcher.send_str("snapshot")
        assert (await watcher.receive_json(timeout=5))["type"] == "snapshot"
        await watcher.send_str("snapshot")  # too soon: passed over
        await watcher.send_bytes(b"x" * 100)
        api.desk.queue.put_nowait(None)  # the desk lets a lagging reader go
        closed = await watcher.receive(timeout=5)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_events_need_a_websocket_and_a_scope(api: Api) -> None:
    assert (await api.send("GET", "/events"))[1]["code"] == "not_a_websocket"
    assert (await api.send("GET", "/events", secret=api.token(Scope.AGENTS_READ)))[0] == 403


async def test_the_api_describes_itself(api: Api) -> None:
    async with api.session.get(api.url + "/openapi.json") as response:
        described = await response.json()
    assert described["openapi"] == "3.1.0"
    create = described["paths"]["/agents"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/NewAgent")
    assert {"201", "401", "409", "422"} <= set(create["responses"])
    names = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    validate(described)
