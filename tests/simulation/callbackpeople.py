"""People who ask to be called, change their mind and cancel; and what happens to Postgres meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from controller.acd.model import AgentAccount, AgentId, AgentState
from controller.callback.model import Consent, Request, RequestId, RequestState, Slot, Source, When
from controller.calls.callback.desk import Asked, Taken
from controller.calls.callback.lease import Leader
from controller.errors import StoreError
from tests.rig.callbackstore import MemoryCallbacks
from tests.simulation.callbackcentre import SHARES
from tests.simulation.callbackworld import CalledDay
from tests.simulation.world import DAY_S, PLAIN, Customer, H


@dataclass
class CallbackDay(CalledDay):
    """The whole."""

    taken: dict[RequestId, Request] = field(default_factory=dict)
    """Requests as they were taken."""

    # --- people who ask -----------------------------------------------------------------------------------------

    async def wishing(self) -> None:
        """People ask to be called, by the hour's load, until so many have been taken."""
        load = [*self.habits.load]
        total = sum(load)
        while (now := self.clock.monotonic()) < DAY_S and len(self.taken) < self.wishes.requests:
            rate = load[int(now // H)] / total * 1.08 * self.wishes.requests / H
            await asyncio.sleep(self.chance.expovariate(rate))
            self._start(self._wish())

    async def _wish(self) -> None:
        queue = self.chance.choices(list(SHARES), list(SHARES.values()))[0]
        dice = self.chance.random()
        when = When.NOW if dice < self.wishes.now else When.ASAP
        slot = None
        if self.wishes.now <= dice < self.wishes.now + self.wishes.slot:
            slot = await self._slot(queue)
            when = When.SLOT if slot else When.ASAP
        source = self.chance.choices([Source.WEB, Source.SVI, Source.API, Source.AGENT], [6, 2, 1, 1])[0]
        agent = None
        if source is Source.AGENT:  # an agent promises, or calls at once
            agent = self._somebody(queue)
            source = source if agent else Source.WEB
        request = await self.ask(queue, when, source, slot_at=slot.at if slot else None, agent=agent)
        if request is not None:
            await self._minds(request)

    def _somebody(self, queue: str) -> AgentId | None:
        free = [
            each.agent
            for each in self.desk.agents()
            if each.state is AgentState.FREE and queue in self._account(each.agent).queues
        ]
        return self.chance.choice(free) if free else None

    def _account(self, agent: str) -> AgentAccount:
        return self.accounts[int(agent.removeprefix("agent"))]

    async def ask(self, queue: str, when: When, source: Source, **more: object) -> Request | None:
        """Ask, and ask again while nobody can say; a promise is only what was taken."""
        number = f"+336123{self.chance.randrange(100_000):05}"
        key = f"{self.chance.getrandbits(64):x}"
        asked = Asked(
            queue=queue, number=number, when=when, source=source, language="" if queue == PLAIN else "fr",
            consent=Consent("call me", "1", self.clock.now()), idempotency_key=key, **more,
        )  # fmt: skip
        for _ in range(20):
            if self.down:
                await asyncio.sleep(5)
                continue
            if self.chance.random() < self.wishes.again:
                told, _ = await asyncio.gather(self.service.ask(asked), self.service.ask(asked))
            else:
                told = await self.service.ask(asked)
            self._count(f"ask {asked.when}", told)
            if isinstance(told, Taken):
                if not told.again or told.same_key:
                    self.taken[told.request.request_id] = told.request
                    return told.request
                return None
            if told.code == "not_now":
                asked = _instead(asked)
            elif told.code in ("slot_taken", "slot_unknown"):
                slot = await self._slot(queue)
                asked = _instead(asked, slot)
            elif told.code == "unavailable":
                await asyncio.sleep(10)
            else:
                return None
        return None

    async def _minds(self, request: Request) -> None:
        """Some change their mind, some do so when it is too late."""
        dice = self.chance.random()
        if dice > self.wishes.changed + self.wishes.cancelled:
            return
        await asyncio.sleep(self.chance.expovariate(1 / 900.0))
        if self.down:
            return
        if dice < self.wishes.cancelled:
            self._count("cancel", await self.service.cancel(request.request_id, "changed my mind"))
            return
        slot = await self._slot(request.queue)
        when = When.SLOT if slot else When.ASAP
        at = slot.at if slot else None
        self._count("change", await self.service.change(request.request_id, when=when, slot_at=at))

    def call(self, queue: str) -> Customer:
        """A live caller; some press the key after a while, and are called back at the place they had."""
        customer = super().call(queue)
        if self.chance.random() < self.wishes.from_queue:
            self.streets.later(self.chance.uniform(60, 240), lambda: self._press_key(customer))
        return customer

    def _press_key(self, customer: Customer) -> None:
        if not customer.talks and not customer.over and not self.down:
            self.streets.hang_up(customer.call.channel_id)
            entered_at = customer.command.entered_at
            self._start(self.ask(customer.command.queue, When.ASAP, Source.QUEUE, entered_at=entered_at))

    # --- faults -------------------------------------------------------------------------------------------------

    async def postgres_away(self, seconds: float) -> None:
        """Postgres goes: what is under way is done and nobody hears so; then nothing for a while."""
        self.wounded_at = self.clock.monotonic() + seconds
        self.tables.deaf = True
        await asyncio.sleep(0.5)
        self.tables.away, self.tables.deaf = True, False
        await asyncio.sleep(seconds)
        self.tables.away = False

    async def parting(self, seconds: float) -> None:
        """This controller loses Postgres, and its right to dial to another one, which gives it back later."""
        self.wounded_at = self.clock.monotonic() + seconds + 30
        self.parted = self.store.away = True
        other = Leader(
            MemoryCallbacks(self.tables), self.clock, node="two", ttl_s=12.0, request_s=5.0,
            took=lambda: None, lost=lambda: None,
        )  # fmt: skip
        running = asyncio.create_task(other.run())
        await asyncio.sleep(seconds / 2)
        assert other.may_dial()
        self.parted = self.store.away = False
        await asyncio.sleep(seconds / 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with contextlib.suppress(StoreError):
            await other.give_back()

    async def call_it_a_day(self) -> None:
        """Everybody is served or has given up, nobody is being called any more; everybody goes home."""
        began = self.clock.now()
        while any(not each.over for each in [*self.customers.values(), *self.outgoing.values()]) or (
            self.tables.in_flight()
        ):
            assert self.clock.now() - began < timedelta(hours=4), "somebody is still here"
            await asyncio.sleep(30)
        await self.evening()

    def states(self) -> Counter[RequestState]:
        """Return how many requests are in which state."""
        return Counter(each.state for each in self.tables.requests.values())


def _instead(asked: Asked, slot: Slot | None = None) -> Asked:
    """Return what is asked for when something else could not be had."""
    fields = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    fields |= {"when": When.SLOT if slot else When.ASAP, "slot_at": slot.at if slot else None}
    fields["idempotency_key"] = asked.idempotency_key + "'"
    return Asked(**fields)
