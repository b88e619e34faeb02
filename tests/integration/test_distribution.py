"""The distribution on the real Asterisk, with real phones: faults after which nobody is lost and states are right."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from controller.acd.model import AgentState
from controller.calls.desk import MonitorEvent
from controller.cdr.entries import Disposition
from controller.postgres import migrations
from controller.postgres.tokens import PostgresTokens
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.softphone.call import Call, CallState
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.web.api.access import Scope, new_secret
from tests.rig.agents import Agents, answers, enrolled, write_queues
from tests.rig.centre import Centre, Process, config_for, ready, until

QUEUES = {"ventes": {"ring": "10s"}, "aide": {"ring": "10s"}}
VENTES, AIDE = "7001", "7002"
SETTLED_S = 5.0
"""States are right again within this, whatever has happened."""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two queues."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@pytest_asyncio.fixture
async def agents(centre: Centre) -> AsyncIterator[Agents]:
    """Two agents who serve both queues."""
    return await enrolled(centre, list(QUEUES), "anne", "bruno")


async def dial(centre: Centre, phone: Phone, number: str) -> Call:
    return await phone.call(centre.uri(number), source=tone(700))


async def metrics(centre: Centre) -> dict[tuple[str, str], float]:
    """Return the values of `/metrics` by name and (last) label."""
    url = f"http://127.0.0.1:{centre.config.web.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    families = text_string_to_metric_families(text)
    return {(each.name, "".join(each.labels.values())): each.value for family in families for each in family.samples}


async def becomes(centre: Centre, wanted: dict[tuple[str, str], float], limit_s: float = SETTLED_S) -> None:
    """Wait until the metrics say `wanted`."""
    seen: dict[tuple[str, str], float] = {}

    async def so() -> bool:
        nonlocal seen
        try:
            seen = await metrics(centre)
        except aiohttp.ClientError:
            return False
        return all(seen.get(name) == value for name, value in wanted.items())

    try:
        await until(so, limit_s)
    except TimeoutError:
        pytest.fail(f"after {limit_s} s: { ({name: seen.get(name) for name in wanted}) } instead of {wanted}")


async def test_a_phone_that_goes_takes_its_agent_away_and_brings_them_back(
    centre: Centre, agents: Agents, phone: Phone
):
    assert centre.parts is not None
    async with agents.at("anne", answers) as anne:
        await anne.phone.unregister(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}")
        await agents.state("anne", AgentState.UNREACHABLE)
        call = await dial(centre, phone, VENTES)
        await asyncio.sleep(1)
        assert anne.rings == []
        assert [view.position for view in centre.parts.services.desk.waiting("ventes")] == [1]
        began = time.monotonic()
        await anne.register()
        await anne.rung()
        assert time.monotonic() - began < 1
        await agents.state("anne", AgentState.TALKING)
        await call.hangup()
        await agents.state("anne", AgentState.FREE)
        pool = await centre.store.pool()

        async def told() -> bool:
            rows = await pool.fetch("select state from agent_states where agent = 'anne' order by since")
            return [row["state"] for row in rows][-4:] == ["unreachable", "offered", "talking", "free"]

        await until(told)


async def test_a_phone_in_another_conversation_is_not_offered_anything(centre: Centre, agents: Agents, phone: Phone):
    """The agent calls somewhere: that is no call of a queue, and the caller goes to the colleague."""
    async with agents.at("anne", answers) as anne, agents.at("bruno", answers, hz=1500) as bruno:
        own = await anne.phone.call(centre.uri("1000"))
        await agents.state("anne", AgentState.BUSY)
        call = await dial(centre, phone, VENTES)
        await bruno.rung()
        assert anne.rings == []
        await own.hangup()
        await agents.state("anne", AgentState.FREE)
        await call.hangup()


async def test_a_deleted_queue_lets_its_callers_go_on(centre: Centre, agents: Agents, phone: Phone, folder: Path):
    assert centre.parts is not None
    desk = centre.parts.services.desk
    async with Phone(user="33600000009") as other:
        goes, stays = await dial(centre, phone, AIDE), await dial(centre, other, VENTES)
        await asyncio.sleep(1)
        assert len(desk.waiting()) == 2
        (folder / "queue_aide.yaml").unlink()
        written = yaml.safe_load((folder / "centre.yaml").read_text("utf-8"))
        del written["queues"]["aide"], written["numbers"][int(AIDE)]
        (folder / "centre.yaml").write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        assert await centre.parts.releases.reload()
        assert await goes.wait_ended(10)
        assert [view.queue for view in desk.queues()] == ["ventes"]
        assert [name for name in centre.heard(goes) if name.startswith("fr/")] == ["fr/invalide", "fr/au_revoir"]
        assert stays.state is CallState.ANSWERED
        async with agents.at("anne", answers) as anne:
            await anne.rung()
            await stays.hangup()


async def test_a_deleted_agent_talks_to_the_end_and_is_logged_out(centre: Centre, agents: Agents, phone: Phone):
    assert centre.parts is not None
    events = centre.parts.services.desk.events()
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, VENTES)
        talk = (await anne.rung()).call
        await agents.state("anne", AgentState.TALKING)
        async with aiohttp.ClientSession() as session:
            token = await token_of(centre)
            url = f"http://127.0.0.1:{centre.config.web.port}/api/v1/agents/anne"
            async with session.delete(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status in {200, 204}, await answer.text()
        await asyncio.sleep(2)
        assert talk.state is CallState.ANSWERED
        await call.hangup()
        assert await talk.wait_ended(2)

        async def away() -> bool:
            return all(view.agent != "anne" for view in centre.parts.services.desk.agents())  # type: ignore[union-attr]

        await until(away)
    await centre.parts.distributor.stop()
    states = [event.data["state"] async for event in events if is_state_of(event, "anne")]
    assert states[-2:] == ["talking", "logged_out"]


def is_state_of(event: MonitorEvent, agent: str) -> bool:
    return event.kind == "agent.changed" and event.agent == agent


async def token_of(centre: Centre) -> str:
    """Return a token that may do what agents' administrators may."""
    text, digest = new_secret()
    scopes = [Scope.AGENTS_READ, Scope.AGENTS_WRITE, Scope.AGENTS_ACT]
    await PostgresTokens(centre.store).create(digest, "test", scopes, None, None)
    return text


@pytest_asyncio.fixture
async def alone(
    asterisk: AsteriskServer, folder: Path, audio_cache: Path, tmp_path: Path
) -> AsyncIterator[tuple[Centre, Process, PostgresServer]]:
    """A controller that is a process of its own, with a Postgres of its own."""
    server = PostgresServer(postgres_runtime.find(), tmp_path / "pg", durable=False)
    await server.start()
    dsn = await server.create_database("gone")
    await migrations.upgrade(dsn)
    config = config_for(asterisk, dsn, folder, audio_cache)
    centre = Centre(config, asterisk, None)
    controller = Process(config, tmp_path / "controller.log")
    await controller.start()
    await ready(centre)
    yield centre, controller, server
    controller.kill()
    await controller.ended()
    await centre.store.close()
    await server.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_without_controller_and_postgres_everybody_is_as_before(
    alone: tuple[Centre, Process, PostgresServer], how: signal.Signals
):
    """One talks, one is paused, one waits; the controller ends and comes back without a database."""
    centre, controller, server = alone
    agents = await enrolled(centre, list(QUEUES), "anne", "bruno")
    token = await token_of(centre)
    async with (
        agents.at("anne", answers) as anne,
        agents.at("bruno", answers, hz=1500) as bruno,
        Phone(user="33600000001") as one,
        Phone(user="33600000002") as two,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        url = f"http://127.0.0.1:{centre.config.web.port}/api/v1/agents/bruno/pause"
        async with session.post(url, json={"reason": "lunch"}) as answer:
            assert answer.status in {200, 204}, await answer.text()
        first = await dial(centre, one, VENTES)
        talk = (await anne.rung()).call
        await asyncio.sleep(0.5)
        second = await dial(centre, two, VENTES)
        as_before = {
            ("rappel_agents", "talking"): 1.0,
            ("rappel_agents", "paused"): 1.0,
            ("rappel_talks", ""): 1.0,
            ("rappel_queue_waiting", "ventes"): 1.0,
        }
        await becomes(centre, as_before)
        os.kill(server.pid or 0, signal.SIGINT)
        await server.wait()
        controller.kill(how)
        await controller.ended()
        await controller.start()
        began = time.monotonic()
        await becomes(centre, as_before, 15)
        print(f"as before {time.monotonic() - began:.2f} s after the start of the next process")
        assert (first.state, talk.state, second.state) == (CallState.ANSWERED,) * 3
        assert bruno.rings == []
        await talk.hangup()
        assert (await anne.rung(2)).caller == "33600000002"
        assert bruno.rings == []
        await becomes(centre, {("rappel_agents", "talking"): 1.0, ("rappel_queue_waiting", "ventes"): 0.0})
        await second.hangup()
        await becomes(centre, {("rappel_agents", "free"): 1.0, ("rappel_ghosts_freed_total", ""): 0.0})
        await server.start()
        await ready(centre)
        for caller in ("33600000001", "33600000002"):
            assert (await centre.record(caller)).call.disposition is Disposition.TALKED
        pool = await centre.store.pool()
        visits = await pool.fetch("select exit, agent from queue_visits order by began_at")
        assert [tuple(row) for row in visits] == [("connected", "anne")] * 2
        open_talks = await pool.fetchval("select count(*) from talks where ended_at is null")
        assert open_talks == 0


async def test_calls_that_end_while_nobody_is_there_leave_no_ghosts(process: tuple[Centre, Process], phone: Phone):
    """Customer and agent hang up between two controllers: the agent is free again by itself."""
    centre, controller = process
    agents = await enrolled(centre, list(QUEUES), "anne")
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, VENTES)
        talk = (await anne.rung()).call
        await becomes(centre, {("rappel_agents", "talking"): 1.0})
        await asyncio.sleep(0.3)
        controller.kill(signal.SIGKILL)
        await controller.ended()
        await call.hangup()
        await talk.hangup()
        await controller.start()
        await ready(centre)
        await becomes(centre, {("rappel_agents", "free"): 1.0, ("rappel_talks", ""): 0.0})
        again = await dial(centre, phone, VENTES)
        await anne.rung(2)
        await again.hangup()
        pool = await centre.store.pool()

        async def told() -> bool:
            return bool(await pool.fetchval("select count(*) from talks where how = 'lost' and ended_at is not null"))

        await until(told)  # how it ended, nobody has seen
