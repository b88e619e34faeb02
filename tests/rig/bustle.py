"""Many agents and callers with real phones at once, and everything that they do to each other."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from controller.postgres.tokens import PostgresTokens
from controller.softphone.call import Call, CallState
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone
from controller.web.api.access import Scope, new_secret
from tests.rig.agents import Agents, Desk, OnRing
from tests.rig.centre import Centre

PATIENCE_S = 45.0
"""Longer than any caller has to wait here."""


@dataclass
class Ring:
    """A call that rang at an agent's phone, and what the agent did.

    `alongside` are the callers of other calls that the phone had at that moment.
    """

    agent: str
    caller: str
    call: Call
    deed: str
    alongside: list[str]


@dataclass
class Customer:
    """A caller: `deed` is `talk`, `leave` (after `patience_s` of waiting) or `leave_ringing`."""

    number: str
    queue: str
    hz: int
    comes_s: float
    deed: str
    patience_s: float = 0.0
    call: Call | None = None
    left: bool = False
    """Hung up before talking."""

    @property
    def caller(self) -> Call:
        """The call, once there is one."""
        assert self.call is not None
        return self.call


@dataclass
class Bustle:
    """Everybody. What they mean to do is drawn from `dice`; how it falls together is the machine's.

    `deeds` is what agents do with the next offers, last one first; with all further ones they talk.
    """

    centre: Centre
    phone: Phone
    customers: Mapping[str, Customer]
    numbers: Mapping[str, str]
    dice: random.Random
    deeds: list[str]
    rings: list[Ring] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def seated(self, agents: Agents, voices: Mapping[str, int]) -> AsyncIterator[None]:
        """Seat agents at their phones, each with a voice in Hz, logged in by the feature code."""
        async with AsyncExitStack() as stack:
            desks: dict[str, Desk] = {}
            for name, hz in voices.items():
                at = agents.at(name, self._at(desks, name), hz=hz, login=False)
                desks[name] = await stack.enter_async_context(at)
            await asyncio.gather(*(agents.login(name, desk) for name, desk in desks.items()))
            yield

    async def run(self) -> None:
        """Let everybody come, and return when the last of them has gone."""
        await asyncio.gather(*(self._visit(customer) for customer in self.customers.values()))
        await asyncio.wait_for(asyncio.gather(*self._tasks), 10)

    # --- agents ---------------------------------------------------------------------------------------------

    def _at(self, desks: dict[str, Desk], name: str) -> OnRing:
        return lambda incoming, _: self._rings(desks[name], incoming)

    def _rings(self, desk: Desk, incoming: IncomingCall) -> None:
        incoming.ring()
        customer = self.customers[incoming.caller]
        if customer.deed == "leave_ringing" and not customer.left:
            deed = "watch"
        else:
            deed = self.deeds.pop() if self.deeds else "talk"
        agent = str(desk.account.agent)
        alongside = [one.caller for one in self.rings if one.agent == agent and one.call.state is not CallState.ENDED]
        ring = Ring(agent, incoming.caller, incoming.call, deed, alongside)
        self.rings.append(ring)
        self._tasks.append(asyncio.create_task(self._decide(desk, incoming, ring, customer)))

    async def _decide(self, desk: Desk, incoming: IncomingCall, ring: Ring, customer: Customer) -> None:
        if not await ring.call.wait_for(self.dice.uniform(0.2, 2.0)):
            return
        match ring.deed:
            case "miss":
                await ring.call.wait_ended(20)
            case "busy":
                incoming.reject(486)
            case "decline":
                incoming.reject(603)
            case "watch":
                customer.left = True
                await customer.caller.hangup()
            case "drop":
                incoming.answer(desk.source)
                await ring.call.hangup()
            case _:
                incoming.answer(desk.source)
                await self._talk(ring.call, customer.caller)

    async def _talk(self, agent: Call, caller: Call) -> None:
        """Talk for a while; then the agent, the caller or both at once hang up."""
        if not await agent.wait_for(self.dice.uniform(2.0, 4.0)):
            return
        who = self.dice.choice(("agent", "caller", "both"))
        parting = [call.hangup() for call, name in ((agent, "agent"), (caller, "caller")) if who in (name, "both")]
        await asyncio.gather(*parting)

    # --- callers --------------------------------------------------------------------------------------------

    async def _visit(self, customer: Customer) -> None:
        await asyncio.sleep(customer.comes_s)
        uri = self.centre.uri(self.numbers[customer.queue])
        call = customer.call = await self.phone.dial(uri, source=tone(customer.hz), caller=customer.number)
        assert await call.wait_answered(10), f"{customer.number} was not answered: {call.status} {call.reason}"
        if customer.deed == "leave" and await call.wait_for(customer.patience_s):
            customer.left = all(ring.caller != customer.number or not ring.call.answered_at for ring in self.rings)
            await call.hangup()
        assert await call.wait_ended(PATIENCE_S), f"{customer.number} is still there"


class Api:
    """The live state, as anybody may ask for it."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._base = f"http://127.0.0.1:{port}"

    async def states(self) -> Counter[str]:
        """Return how many agents are in which state."""
        async with self._session.get(f"{self._base}/api/v1/agents") as answer:
            answer.raise_for_status()
            return Counter(agent["now"]["state"] for agent in await answer.json())

    async def waiting(self) -> int:
        """Return how many wait."""
        async with self._session.get(f"{self._base}/api/v1/waiting") as answer:
            answer.raise_for_status()
            return len(await answer.json())

    async def metric(self, name: str) -> float:
        """Return a metric without labels."""
        async with self._session.get(f"{self._base}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        (found,) = [line for line in lines if name in line and not line.startswith("#")]
        return float(found.split()[-1])


@contextlib.asynccontextmanager
async def api(centre: Centre) -> AsyncIterator[Api]:
    """Return the API with a token of its own."""
    text, digest = new_secret()
    scopes = [Scope.AGENTS_READ.value, Scope.QUEUES_READ.value]
    await PostgresTokens(centre.store).create(digest, "tests", scopes, None, None)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {text}"}) as session:
        yield Api(session, centre.config.web.port)
