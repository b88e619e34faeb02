"""Queues when something breaks: queue deleted, agents gone, network lost, Postgres away, wrong passwords."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from controller.acd.model import AgentId
from controller.cdr.entries import Disposition
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.softphone.call import Call, CallState
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone, level_dbfs
from tests.rig.agents import Agents, answers, enrolled, write_queues
from tests.rig.centre import Centre, running, until
from tests.rig.unplugged import unplug

CALLER = "33612345678"
CALLER_HZ = 700
NUMBER = "7001"
QUEUES = {"directe": {"ring": "5s"}, "autre": {"ring": "5s"}}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two queues."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@pytest_asyncio.fixture
async def agents(centre: Centre) -> Agents:
    """Two agents who serve both."""
    return await enrolled(centre, list(QUEUES), "anne", "bruno")


async def dial(centre: Centre, phone: Phone) -> Call:
    """Call the first queue."""
    return await phone.call(centre.uri(NUMBER), source=tone(CALLER_HZ))


async def waits(call: Call) -> None:
    """Wait until music is heard."""

    async def music() -> bool:
        return level_dbfs(call.heard.samples[-4000:]) > -60

    await until(music, 5)


async def hears(call: Call, hz: int, limit_s: float = 5.0) -> None:
    """Wait until a tone is heard for half a second."""

    async def heard() -> bool:
        return has_tone(call.heard.samples[-4000:], hz)

    await until(heard, limit_s)


async def test_a_queue_is_deleted_while_people_wait(centre: Centre, agents: Agents, phone: Phone, folder: Path):
    assert centre.parts is not None
    async with agents.at("anne", answers, login=False):
        call = await dial(centre, phone)
        await waits(call)
        # The flow of the waiting call goes on in its own version, by the exit `closed`.
        path = folder / "centre.yaml"
        changed = yaml.safe_load(path.read_text("utf-8"))
        del changed["queues"]["directe"], changed["numbers"][int(NUMBER)]
        path.write_text(yaml.safe_dump(changed, allow_unicode=True), "utf-8")
        (folder / "queue_directe.yaml").unlink()
        await centre.parts.releases.reload()
        assert await call.wait_ended(15)
    assert [name for name in centre.heard(call) if name.startswith("fr/")] == ["fr/invalide", "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert [visit.exit for visit in record.visits] == ["closed"]


async def test_all_agents_leave_and_come_back_while_somebody_waits(centre: Centre, agents: Agents, phone: Phone):
    assert centre.parts is not None
    desk = centre.parts.services.desk
    async with agents.at("anne", answers) as anne:
        assert desk.pause(AgentId("anne"), "repas", by="anne") is None
        call = await dial(centre, phone)
        await waits(call)
        assert desk.logout(AgentId("anne"), by="anne") is None
        await asyncio.sleep(1)
        assert call.state is CallState.ANSWERED
        assert not anne.rings
        await agents.login("anne", anne)
        await hears(call, anne.hz)
        await call.hangup()
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert len(record.visits) == 1


async def test_the_network_of_a_ringing_phone_is_lost(centre: Centre, agents: Agents, phone: Phone):
    """The offer ends by our own clock, the caller is offered to the next agent, and the first one is paused."""
    async with agents.at("anne") as anne:
        call = await dial(centre, phone)
        await anne.rung()
        await unplug(anne.phone.endpoint)
        async with agents.at("bruno", answers, hz=1900) as bruno:
            await hears(call, bruno.hz, 12)
            await agents.state("anne", "paused", "unreachable")
            await call.hangup()
    record = await centre.record(CALLER)
    assert [(offer.agent, offer.outcome) for offer in record.offers] == [
        ("anne", "no_answer"),
        ("bruno", "connected"),
    ]
    assert await centre.channels() == []


async def test_postgres_goes_while_people_wait_and_talk(
    asterisk: AsteriskServer, folder: Path, audio_cache: Path, tmp_path: Path
):
    """Nobody notices: offers go on, agents' states change, and the record is whole afterwards."""
    server = PostgresServer(postgres_runtime.find(), tmp_path / "pg", durable=False)
    await server.start()
    dsn = await server.create_database("rappel")
    try:
        async with running(asterisk, dsn, folder, audio_cache) as centre:
            await until(lambda: _has_schema(centre))
            agents = await enrolled(centre, list(QUEUES), "anne", "bruno")
            assert centre.parts is not None
            desk = centre.parts.services.desk
            async with (
                Phone(user="33600000001") as one,
                Phone(user="33600000002") as two,
                agents.at("anne", answers) as anne,
            ):
                first = await dial(centre, one)
                await hears(first, anne.hz)
                second = await dial(centre, two)
                await waits(second)
                await server.stop()
                await asyncio.sleep(3)
                assert has_tone(first.heard.samples[-4000:], anne.hz)
                await first.hangup()
                await hears(second, anne.hz)  # free again, and offered the one who waited
                assert desk.pause(AgentId("anne"), "repas", by="anne") is None
                await second.hangup()
                await agents.state("anne", "paused")
                async with Phone(user="33600000003") as three:
                    third = await dial(centre, three)
                    await waits(third)
                    assert desk.resume(AgentId("anne"), by="anne") is None
                    await hears(third, anne.hz)
                    await third.hangup()
                await server.start()
                for number in ("33600000001", "33600000002", "33600000003"):
                    record = await centre.record(number, timeout_s=20)
                    assert record.call.disposition is Disposition.TALKED
                    assert [talk.agent for talk in record.talks] == ["anne"]
                pool = await centre.store.pool()
                states = [row["state"] for row in await pool.fetch("SELECT state FROM agent_states ORDER BY since")]
                assert {"offered", "talking", "paused", "free"} <= set(states)
    finally:
        await server.stop()


async def _has_schema(centre: Centre) -> bool:
    assert centre.parts is not None
    return centre.parts.journal.postgres_up


async def test_wrong_passwords_by_the_hundred_disturb_nobody(centre: Centre, agents: Agents, phone: Phone):
    port = centre.asterisk.settings.sip_port
    async with agents.at("anne", answers) as anne, Phone(user="2001", password="wrong") as thief:
        call = await dial(centre, phone)
        await hears(call, anne.hz)
        statuses = {await thief.register(f"sip:127.0.0.1:{port}") for _ in range(100)}
        assert 200 not in statuses
        assert has_tone(call.heard.samples[-4000:], anne.hz)
        await call.hangup()
        await agents.state("anne", "free")
