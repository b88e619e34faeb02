"""A customer and agents with real phones in a conversation: who hears whom is told by the tone that each says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import numpy as np

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.app import Parts
from controller.calls.desk import TalkView
from controller.postgres.agents import PostgresAgents
from controller.softphone.call import Call
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.softphone.sound import level_dbfs, tone_level
from controller.switchboard import Ask
from tests.rig.agents import FIRST_NUMBER, Agents, Desk, OnRing, answers, enrolled
from tests.rig.centre import Centre, until

HZ = {"customer": 700, "anne": 1300, "bruno": 1900, "chloe": 2500}
"""What each says. Chloé is a supervisor."""
MUSIC = {"music"}
CUSTOMER = "33612345678"
_WINDOW = 4000  # samples: half a second
_LOUD = -25.0  # dBFS; they say -13


@dataclass
class Stage:
    """People at their phones. `calls` are their calls, by name."""

    centre: Centre
    agents: Agents
    phone: Phone
    queues: list[str]
    seats: AsyncExitStack
    desks: dict[str, Desk] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)

    # --- who does what --------------------------------------------------------------------------------------

    async def seat(self, name: str, on_ring: OnRing = answers) -> Desk:
        """Seat an agent at a registered phone, not logged in."""
        desk = await self.seats.enter_async_context(self.agents.at(name, on_ring, hz=HZ[name], login=False))
        self.desks[name] = desk
        return desk

    async def ready(self, name: str, on_ring: OnRing = answers) -> Desk:
        """Seat an agent who is free."""
        desk = await self.seat(name, on_ring)
        await self.agents.login(name, desk)
        return desk

    async def connect(self, queue: str) -> None:
        """Let the customer call a queue and talk with Anne."""
        await self.ready("anne")
        uri = self.centre.uri(str(FIRST_NUMBER + self.queues.index(queue)))
        self.calls["customer"] = await self.phone.call(uri, source=tone(HZ["customer"]))
        await self.joined("anne", limit_s=10)
        await self.hear(customer={"anne"}, anne={"customer"}, limit_s=10)

    async def joined(self, name: str, count: int = 1, limit_s: float = 5.0) -> Call:
        """Wait until the phone of an agent has been rung `count` times and answered."""
        incoming = await self.desks[name].rung(count, limit_s)
        assert await incoming.call.wait_answered(limit_s)
        self.calls[name] = incoming.call
        return incoming.call

    async def ask(self, ask: Ask, agent: str = "anne") -> Refused | None:
        """Ask something of the conversation, as an agent."""
        return await self._parts.services.desk.ask(self.talk.call_id, ask, agent=AgentId(agent), by=agent)

    def take(self, centre: Centre) -> None:
        """Go on with another controller of the same centre."""
        self.centre = self.agents.centre = centre

    # --- what is to be seen and heard -----------------------------------------------------------------------

    @property
    def talk(self) -> TalkView:
        """The one conversation."""
        (talk,) = self._parts.services.desk.talks()
        return talk

    def account(self, name: str) -> AgentAccount:
        """Return an agent's account as the distribution knows it."""
        account = self._parts.services.places.account(AgentId(name))
        assert account is not None
        return account

    def hears(self, name: str) -> set[str]:
        """Return whom somebody hears just now, `music` for anything else."""
        audio = self.calls[name].heard
        samples = audio.between(time.monotonic() - audio.origin - _WINDOW / 8000 - 0.05)[:_WINDOW]
        samples = np.concatenate([samples, np.zeros(_WINDOW - len(samples), np.int16)])
        levels = {other: tone_level(samples, hz) for other, hz in HZ.items()}
        heard = {other for other, level in levels.items() if level > _LOUD}
        tones = sum(10 ** (levels[other] / 10) for other in heard)
        rest = 10 ** (level_dbfs(samples) / 10) - tones  # of a mixture A-law leaves some noise
        return heard | (MUSIC if rest > max(10**-4.5, 0.1 * tones) else set())

    async def hear(self, *, limit_s: float = 4.0, **wanted: set[str]) -> None:
        """Wait until everybody named has heard whom they should, and nobody else, for half a second."""
        until_s = time.monotonic() + limit_s
        while (found := {name: self.hears(name) for name in wanted}) != wanted:
            assert time.monotonic() < until_s, f"{found} instead of {wanted}"
            await asyncio.sleep(0.05)

    async def events(self) -> list[str]:
        """The events of the talks in the record, in order."""
        await self.centre.record(CUSTOMER)
        pool = await self.centre.store.pool()
        rows = await pool.fetch("SELECT kind FROM talk_events ORDER BY seq")
        return [row["kind"] for row in rows]

    async def over(self) -> None:
        """End the call and see that nothing is left of it."""
        call = self.calls["customer"]
        await call.hangup()
        assert await call.wait_ended(10)
        await until(self._empty, 5)
        if self.centre.parts is not None:
            assert list(self._parts.services.desk.talks()) == []
        record = await self.centre.record(CUSTOMER)
        assert all(leg.ended_at for leg in record.legs), record.legs

    async def _empty(self) -> bool:
        bridges = await self.centre.asterisk.cli("bridge show all")
        return await self.centre.channels() == [] and len(bridges.strip().splitlines()) <= 1

    @property
    def _parts(self) -> Parts:
        assert self.centre.parts is not None
        return self.centre.parts


@asynccontextmanager
async def staged(centre: Centre, phone: Phone, queues: list[str]) -> AsyncIterator[Stage]:
    """Create Anne, Bruno and Chloé, who is a supervisor."""
    agents = await enrolled(centre, queues, "anne", "bruno", "chloe")
    directory = PostgresAgents(centre.store)
    (chloe,) = [each for each in await directory.accounts() if each.agent == "chloe"]
    await directory.put([msgspec.structs.replace(chloe, supervisor=True)])

    async def known() -> bool:
        if centre.parts is None:
            return True
        account = centre.parts.services.places.account(AgentId("chloe"))
        return account is not None and account.supervisor

    await until(known, 10)
    async with AsyncExitStack() as seats:
        yield Stage(centre, agents, phone, queues, seats)
