"""What real calls in a real queue leave in the record, and the figures that come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from controller.postgres.figures import PostgresFigures
from controller.postgres.webhooks import PostgresWebhooks
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from tests.rig.agents import Agents, answers, enrolled, write_queues
from tests.rig.centre import Centre

CALLER = "33612345678"
RULES: dict[str, object] = {"ring": "5s", "wrap_up": "1s", "service_level": "20s", "short_abandoned": "5s"}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with one queue."""
    write_queues(folder, {"ventes": dict(RULES)})
    return folder


@pytest_asyncio.fixture
async def agents(centre: Centre) -> AsyncIterator[Agents]:
    return await enrolled(centre, ["ventes"], "anne")


async def test_an_answered_and_an_abandoned_call(centre: Centre, agents: Agents, phone: Phone):
    began = datetime.now(UTC)
    await PostgresWebhooks(centre.store).create("https://crm.example/", ("talk.*",), "ventes", "s" * 40)
    pool = await centre.store.pool()
    async with agents.at("anne", answers) as anne:
        async with asyncio.timeout(10):  # after a start, states are told once they have settled
            while not await pool.fetchval("select count(*) from agent_states where state = 'free'"):
                await asyncio.sleep(0.05)
        call = await phone.call(centre.uri("7001"), source=tone(700))
        talk = (await anne.rung()).call
        await asyncio.sleep(1.5)
        await talk.hangup()
        assert await call.wait_ended(10)
        await asyncio.sleep(1.5)  # the wrap-up
    record = await centre.record(CALLER)
    left = await phone.call(centre.uri("7001"), source=tone(700))
    await asyncio.sleep(1)
    await left.hangup()
    await centre.record(CALLER)

    (visit,) = record.visits
    assert (visit.queue, visit.exit, visit.agent, visit.position) == ("ventes", "connected", "anne", 1)
    assert visit.service_level_s == 20
    assert [(offer.agent, offer.outcome) for offer in record.offers] == [("anne", "connected")]
    (conversation,) = record.talks
    assert (conversation.agent, conversation.queue, conversation.how) == ("anne", "ventes", "hangup")

    figures = PostgresFigures(centre.store)
    until = began + timedelta(minutes=5)
    async with asyncio.timeout(10):
        while True:
            (queue,) = await figures.queues(began, until)
            if queue.abandoned:
                break
            await asyncio.sleep(0.1)
    assert (queue.entered, queue.offered, queue.answered, queue.in_level) == (2, 2, 1, 1)
    assert (queue.abandoned, queue.short_abandoned, queue.talks, queue.offers_missed) == (1, 1, 1, 0)
    assert queue.service_level == 0.5
    assert queue.talk_s == pytest.approx(1.5, abs=0.5)
    assert queue.wrap_up_s == pytest.approx(1, abs=0.3)
    (agent,) = await figures.agents(began, until)
    assert (agent.agent, agent.talks, agent.offers_answered) == ("anne", 1, 1)
    assert agent.talking_s == pytest.approx(queue.talk_s, abs=0.2)
    assert agent.wrapping_up_s == pytest.approx(queue.wrap_up_s, abs=0.2)
    assert agent.occupancy is not None
    assert 0 < agent.occupancy < 1
    (number,) = await figures.numbers(began, until)
    assert (number.called_number, number.calls, number.calls_talked, number.visits_offered) == ("7001", 2, 1, 2)

    noted = await pool.fetch("select kind, sequence from webhook_deliveries order by sequence")
    assert [tuple(row) for row in noted] == [("talk.started", 1), ("talk.ended", 2)]
    assert centre.parts is not None
    assert centre.parts.journal.rejected == 0
