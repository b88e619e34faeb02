"""Conversations with real phones on a real Asterisk: who hears whom is told by the tone that each of them says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from controller.acd.model import AgentId, Refused
from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndCall,
    EndConsult,
    Hold,
    Park,
    Supervise,
    SuperviseHow,
    Target,
    TargetKind,
    Transfer,
    Unpark,
)
from controller.calls.desk import TalkView
from controller.postgres.agents import PostgresAgents
from controller.softphone.call import Call
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.softphone.sdp import Direction
from controller.softphone.sound import level_dbfs, tone_level
from controller.switchboard import Ask
from tests.rig.agents import Agents, Desk, OnRing, answers, enrolled, rejects, rings, write_queues
from tests.rig.centre import Centre, until

HZ = {"customer": 700, "anne": 1300, "bruno": 1900, "chloe": 2500}
MUSIC = {"music"}
WINDOW = 4000
QUEUES = {
    "aide": {"ring": "5s"},
    "experts": {"ring": "5s"},
    "notee": {"ring": "5s", "record": {"announcement": "annonce"}},
}


@pytest.fixture
def folder(folder: Path) -> Path:
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@dataclass
class Stage:
    """A customer who talks with Anne; Bruno and Chloé are at their phones when a test seats them."""

    centre: Centre
    agents: Agents
    phone: Phone
    seats: AsyncExitStack
    desks: dict[str, Desk] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)

    async def seat(self, name: str, on_ring: OnRing = answers) -> Desk:
        login = name != "chloe"
        desk = await self.seats.enter_async_context(self.agents.at(name, on_ring, hz=HZ[name], login=False))
        self.desks[name] = desk
        if login and name == "anne":
            await self.agents.login(name, desk)
        return desk

    async def ready(self, name: str, on_ring: OnRing = answers) -> Desk:
        """Seat an agent who is free."""
        desk = await self.seat(name, on_ring)
        await self.agents.login(name, desk)
        return desk

    async def connect(self, queue: str = "aide") -> None:
        await self.seat("anne")
        number = str(7001 + list(QUEUES).index(queue))
        self.calls["customer"] = await self.phone.call(self.centre.uri(number), source=tone(HZ["customer"]))
        await self.joined("anne", limit_s=10)
        await self.hear(customer={"anne"}, anne={"customer"})

    async def joined(self, name: str, count: int = 1, limit_s: float = 5.0) -> Call:
        """Wait until the phone of an agent has been rung and answered."""
        incoming = await self.desks[name].rung(count, limit_s)
        assert await incoming.call.wait_answered(limit_s)
        self.calls[name] = incoming.call
        return incoming.call

    @property
    def talk(self) -> TalkView:
        parts = self.centre.parts
        assert parts is not None
        (talk,) = parts.services.desk.talks()
        return talk

    async def ask(self, ask: Ask, agent: str | None = "anne") -> Refused | None:
        parts = self.centre.parts
        assert parts is not None
        who = None if agent is None else AgentId(agent)
        return await parts.services.desk.ask(self.talk.call_id, ask, agent=who, by=agent or "test")

    def account(self, name: str):
        parts = self.centre.parts
        assert parts is not None
        account = parts.services.places.account(AgentId(name))
        assert account is not None
        return account

    async def known(self) -> bool:
        """Whether the distribution has heard of the accounts."""
        parts = self.centre.parts
        return parts is not None and parts.services.places.account(AgentId("chloe")) is not None

    async def supervised(self) -> bool:
        """Whether Chloé is known as a supervisor."""
        return bool(self.account("chloe").supervisor)

    def hears(self, name: str) -> set[str]:
        """Return whom somebody hears just now, `music` for anything else."""
        heard_audio = self.calls[name].heard
        samples = heard_audio.between(time.monotonic() - heard_audio.origin - WINDOW / 8000 - 0.05)[:WINDOW]
        samples = np.concatenate([samples, np.zeros(WINDOW - len(samples), np.int16)])
        levels = {other: tone_level(samples, hz) for other, hz in HZ.items()}
        heard = {other for other, level in levels.items() if level > -25}
        tones = sum(10 ** (levels[other] / 10) for other in heard)
        rest = 10 ** (level_dbfs(samples) / 10) - tones  # of a mixture A-law leaves some noise
        return heard | (MUSIC if rest > max(10**-4.5, 0.1 * tones) else set())

    async def hear(self, *, limit_s: float = 4.0, **wanted: set[str]) -> None:
        """Wait until everybody named hears whom they should, for half a second, and nobody else."""
        until_s = asyncio.get_running_loop().time() + limit_s
        while True:
            found = {name: self.hears(name) for name in wanted}
            if found == wanted:
                return
            assert asyncio.get_running_loop().time() < until_s, f"{found} instead of {wanted}"
            await asyncio.sleep(0.05)

    async def over(self) -> None:
        """Everybody has gone, and so has everything."""
        call = self.calls["customer"]
        await call.hangup()
        assert await call.wait_ended(10)

        async def empty() -> bool:
            return await self.centre.channels() == []

        await until(empty, 5)
        parts = self.centre.parts
        assert parts is not None
        assert list(parts.services.desk.talks()) == []
        bridges = await self.centre.asterisk.cli("bridge show all")
        assert len(bridges.strip().splitlines()) <= 1, bridges

    async def events(self) -> list[str]:
        """The events and ends of the talks in the record, in order."""
        await self.centre.record("33612345678")
        pool = await self.centre.store.pool()
        rows = await pool.fetch("SELECT kind FROM talk_events ORDER BY seq")
        return [row["kind"] for row in rows]


@pytest_asyncio.fixture
async def stage(centre: Centre, phone: Phone) -> AsyncIterator[Stage]:
    agents = await enrolled(centre, list(QUEUES), "anne", "bruno", "chloe")
    async with AsyncExitStack() as seats:
        stage = Stage(centre, agents, phone, seats)
        await until(stage.known, 10)
        supervisor = msgspec.structs.replace(stage.account("chloe"), supervisor=True)
        await PostgresAgents(centre.store).put([supervisor])
        await until(stage.supervised, 10)
        yield stage


def agent(name: str) -> Target:
    return Target(TargetKind.AGENT, name)


async def test_hold_by_desk_and_by_phone(stage: Stage):
    await stage.connect()
    assert await stage.ask(Hold(on=True)) is None
    await stage.hear(customer=MUSIC, anne=set())
    assert stage.talk.on_hold
    assert await stage.ask(Hold(on=False)) is None
    await stage.hear(customer={"anne"}, anne={"customer"})
    assert await stage.calls["anne"].reinvite(Direction.SENDONLY) == 200
    await stage.hear(customer=MUSIC)
    assert await stage.calls["anne"].reinvite(Direction.SENDRECV) == 200
    await stage.hear(customer={"anne"}, anne={"customer"})
    assert await stage.ask(EndCall()) is None
    assert await stage.calls["anne"].wait_ended(2)
    assert await stage.calls["customer"].wait_ended(10)
    assert "fr/bravo" in stage.centre.heard(stage.calls["customer"])  # the flow went on
    await stage.over()


async def test_blind_transfer_and_one_that_nobody_takes(stage: Stage):
    await stage.connect()
    bruno = await stage.ready("bruno", rings)
    assert await stage.ask(Transfer(agent("bruno"))) is None
    assert await stage.calls["anne"].wait_ended(2)  # free at once
    incoming = await bruno.rung()
    assert incoming.caller == "33612345678"
    await stage.hear(customer=MUSIC)
    incoming.answer(bruno.source)
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await stage.ask(Transfer(agent("anne")), "bruno") is None
    await stage.joined("anne", 2)
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.desks["bruno"].phone.close()
    refused = await stage.ask(Transfer(agent("bruno")))
    assert refused is not None
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()
    assert await stage.events() == ["transfer_blind", "transfer_blind"]


async def test_consultation_three_way_and_one_after_the_other_leaves(stage: Stage):
    await stage.connect()
    bruno = await stage.ready("bruno", rings)
    assert await stage.ask(Consult(agent("bruno"))) is None
    incoming = await bruno.rung()
    assert incoming.caller == "2001"  # it is Anne who calls
    await stage.hear(customer=MUSIC)
    incoming.answer(bruno.source)
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, anne={"bruno"}, bruno={"anne"})
    assert await stage.ask(EndConsult(ConsultEnd.THREE_WAY)) is None
    await stage.hear(customer={"anne", "bruno"}, anne={"customer", "bruno"}, bruno={"customer", "anne"})
    await stage.calls["anne"].hangup()
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    await stage.over()
    assert await stage.events() == ["consult", "three_way", "transfer_attended"]


async def test_attended_transfer_by_asking_and_by_hanging_up(stage: Stage):
    await stage.connect()
    await stage.ready("bruno")
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, bruno={"anne"})
    assert await stage.ask(EndConsult(ConsultEnd.TRANSFER)) is None
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await stage.calls["anne"].wait_ended(2)
    await stage.agents.state("anne", "free")
    assert await stage.ask(Consult(agent("anne")), "bruno") is None
    await stage.joined("anne", 2)
    await stage.hear(customer=MUSIC, anne={"bruno"})
    await stage.calls["bruno"].hangup()
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()


async def test_consultation_that_comes_to_nothing(stage: Stage):
    await stage.connect()
    await stage.ready("bruno", rejects(486))
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.desks["bruno"].rung()
    await stage.hear(customer=MUSIC, anne=set())
    assert stage.talk.on_hold
    assert stage.talk.consulting == ""
    assert await stage.ask(Hold(on=False)) is None
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()
    assert await stage.events() == ["consult", "consult_ended", "unhold"]


async def test_park_and_another_agent_takes_the_customer_up(stage: Stage):
    await stage.connect()
    await stage.ready("bruno")
    park = Park()
    assert await stage.ask(park) is None
    assert park.slot == stage.talk.parked_slot >= 700
    assert await stage.calls["anne"].wait_ended(2)
    await stage.hear(customer=MUSIC)
    assert await stage.ask(Unpark(stage.account("bruno")), "bruno") is None
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert stage.talk.parked_slot == 0
    await stage.over()
    assert await stage.events() == ["park", "unpark"]


async def test_supervisor_listens_whispers_barges_in_and_leaves(stage: Stage):
    await stage.connect()
    await stage.seat("chloe")
    chloe = stage.account("chloe")
    assert await stage.ask(Supervise(chloe, SuperviseHow.LISTEN), "chloe") is None
    await stage.joined("chloe")
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.WHISPER), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer", "chloe"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.BARGE), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne", "chloe"}, anne={"customer", "chloe"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.LISTEN), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer"})
    assert await stage.ask(Hold(on=True)) is None
    await stage.hear(chloe={"anne"}, customer=MUSIC, anne=set())
    assert await stage.ask(Hold(on=False)) is None
    await stage.calls["chloe"].hangup()
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()


async def test_who_barged_in_stays_when_the_agent_leaves(stage: Stage):
    await stage.connect()
    await stage.seat("chloe")
    assert await stage.ask(Supervise(stage.account("chloe"), SuperviseHow.BARGE), "chloe") is None
    await stage.joined("chloe")
    await stage.hear(chloe={"anne", "customer"}, customer={"anne", "chloe"})
    await stage.calls["anne"].hangup()
    await stage.hear(chloe={"customer"}, customer={"chloe"})
    await stage.over()


async def test_the_phones_own_transfer(stage: Stage):
    await stage.connect()
    port = stage.centre.asterisk.settings.sip_port
    anne = stage.calls["anne"]
    assert await anne.refer(f"sip:+33899000000@127.0.0.1:{port}") in range(200, 700)
    await asyncio.sleep(0.5)
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.ready("bruno", rings)
    assert await anne.refer(f"sip:2002@127.0.0.1:{port}") == 202
    incoming = await stage.desks["bruno"].rung()
    await stage.hear(customer=MUSIC)
    incoming.answer(stage.desks["bruno"].source)
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await anne.wait_ended(2)
    await stage.over()


async def test_escalation_to_specialists(stage: Stage):
    await stage.connect()
    await stage.ready("bruno")
    assert await stage.ask(Transfer(Target(TargetKind.QUEUE, "experts"), note="remboursement")) is None
    await stage.joined("bruno", limit_s=10)
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert stage.talk.queue == "experts"
    await stage.over()
    assert await stage.events() == ["escalate"]


async def test_the_customer_leaves_whatever_is_going_on(stage: Stage):
    await stage.connect()
    await stage.ready("bruno")
    await stage.seat("chloe")
    assert await stage.ask(Supervise(stage.account("chloe"), SuperviseHow.WHISPER), "chloe") is None
    await stage.joined("chloe")
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, bruno={"anne"}, anne={"bruno", "chloe"}, chloe={"anne", "bruno"})
    await stage.calls["customer"].hangup()
    for name in ("anne", "bruno", "chloe"):
        assert await stage.calls[name].wait_ended(2), name
    await stage.over()
