"""Agents with real SIP phones at a running centre, and queues that callers reach by number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from controller.acd.model import AgentId
from controller.calls.enrolment import NewAgent, SipAccount, enrol
from controller.postgres.agents import PostgresAgents
from controller.softphone.media import Source, tone
from controller.softphone.phone import IncomingCall, OnCall, Phone
from tests.rig.centre import Centre, until

FLOW = """
flow: queue_{queue}
start: attente
languages: [fr]
prompts:
  merci: {{fr: {{file: bravo}}}}
  tard: {{fr: {{file: encore}}}}
  plein: {{fr: {{file: invalide}}}}
  au_revoir: {{fr: {{file: au_revoir}}}}
steps:
  attente:
    type: queue
    queue: {queue}
    next: merci
    timeout: tard
    full: plein
    closed: plein
    failed: plein
    {more}
  merci: {{type: say, prompt: merci, next: fin}}
  tard: {{type: say, prompt: tard, next: fin}}
  plein: {{type: say, prompt: plein, next: fin}}
  fin: {{type: hangup, prompt: au_revoir}}
"""
CODES = """
flow: codes
start: entrer
languages: [fr]
human_exit: {none: for agents}
prompts: {oui: {fr: {file: bravo}}, non: {fr: {file: invalide}}}
steps:
  entrer: {type: agent_login, done: oui, refused: non}
  oui: {type: hangup, prompt: oui}
  non: {type: hangup, prompt: non}
"""
PROMPTS = {
    name: {"fr": {"file": file}, "en": {"file": file}}
    for name, file in {
        "murmure": "sous_menu",
        "acceptez": "menu",
        "annonce": "longue",
        "patience": "bienvenue",
    }.items()
}
QUIET = {"news": {"position": False, "estimate": False}, "missed_pause": "5s", "wrap_up": "0s"}
FIRST_NUMBER = 7001


def write_queues(folder: Path, queues: dict[str, dict[str, object]]) -> None:
    """Add `queues` to the centre in `folder`: each with a flow `queue_<name>` and a number from 7001 on.

    A queue's `flow` is added to its step, everything else to the queue.
    """
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["prompts"] = PROMPTS
    centre["numbers"]["*11"] = {"flow": "codes"}
    centre["queues"] = {}
    for number, (name, described) in enumerate(queues.items(), FIRST_NUMBER):
        steps = described.pop("flow", {})
        more = "\n    ".join(f"{key}: {value}" for key, value in steps.items())  # type: ignore[attr-defined]
        (folder / f"queue_{name}.yaml").write_text(FLOW.format(queue=name, more=more), "utf-8")
        centre["numbers"][number] = {"flow": f"queue_{name}", "language": "fr"}
        centre["queues"][name] = {"title": name, **QUIET, **described}
    (folder / "codes.yaml").write_text(CODES, "utf-8")
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")


@dataclass
class Desk:
    """An agent at a phone. `rings` are the calls that came in, in order, with the time of each."""

    centre: Centre
    account: SipAccount
    phone: Phone
    hz: int
    rings: list[IncomingCall] = field(default_factory=list)
    rang_at: list[float] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """What the agent says."""
        return tone(self.hz)

    async def register(self) -> None:
        """Register the phone."""
        port = self.centre.asterisk.settings.sip_port
        assert await self.phone.register(f"sip:127.0.0.1:{port}") == 200

    async def rung(self, count: int = 1, limit_s: float = 5.0) -> IncomingCall:
        """Wait until the phone has rung `count` times; return that call."""
        async with asyncio.timeout(limit_s):
            while len(self.rings) < count:
                await asyncio.sleep(0.005)
        return self.rings[count - 1]

    async def stopped_ringing(self, limit_s: float = 1.0) -> bool:
        """Tell whether the last call that rang has ended by then."""
        return await self.rings[-1].call.wait_ended(limit_s)


OnRing = Callable[[IncomingCall, Source], None]


def answers(incoming: IncomingCall, source: Source) -> None:
    """Answer at the first ring."""
    incoming.ring()
    incoming.answer(source)


def rings(incoming: IncomingCall, _: Source) -> None:
    """Ring, and leave the rest to the test."""
    incoming.ring()


def rejects(status: int) -> OnRing:
    """Refuse with a SIP status."""
    return lambda incoming, _: incoming.reject(status)


class Agents:
    """The agents of a running centre; `at` seats one at a phone."""

    def __init__(self, centre: Centre, accounts: list[SipAccount]) -> None:
        self.centre = centre
        self.accounts = {account.agent: account for account in accounts}

    async def known(self) -> bool:
        """Tell whether Asterisk has all their accounts."""
        known = await self.centre.endpoints()
        return all(account.username in known for account in self.accounts.values())

    @asynccontextmanager
    async def at(
        self, agent: str, on_ring: OnRing = rings, *, hz: int = 1300, login: bool = True
    ) -> AsyncIterator[Desk]:
        """Seat an agent at a registered phone, logged in, who does `on_ring` when it rings; `hz` is their voice."""
        account = self.accounts[AgentId(agent)]
        desks: list[Desk] = []

        def handle(incoming: IncomingCall) -> None:
            desk = desks[0]
            desk.rings.append(incoming)
            desk.rang_at.append(time.monotonic())
            on_ring(incoming, desk.source)

        async with Phone(user=account.username, password=account.password, on_call=_async(handle)) as phone:
            desks.append(Desk(self.centre, account, phone, hz))
            await desks[0].register()
            if login:
                await self.login(agent, desks[0])
            yield desks[0]

    async def login(self, agent: str, desk: Desk) -> None:
        """Log in: at the desk of a controller in this process, by the feature code with any other."""
        parts = self.centre.parts
        if parts is None:
            call = await desk.phone.call(self.centre.uri("*11"))
            assert await call.wait_ended(10)
            return
        assert parts.services.desk.login(AgentId(agent), by=agent) is None
        await self.state(agent, "free", "offered", "talking")

    async def state(self, agent: str, *states: str, limit_s: float = 5.0) -> None:
        """Wait until the agent is in one of `states`."""
        parts = self.centre.parts
        assert parts is not None

        async def reached() -> bool:
            return any(view.agent == agent and view.state in states for view in parts.services.desk.agents())

        await until(reached, limit_s)


def _async(handle: Callable[[IncomingCall], None]) -> OnCall:
    async def on_call(incoming: IncomingCall) -> None:
        handle(incoming)

    return on_call


async def enrolled(centre: Centre, queues: list[str], *names: str) -> Agents:
    """Create agents who serve `queues`, with extensions from 2001 on; returns when Asterisk has their accounts."""
    directory = PostgresAgents(centre.store)
    wanted = [
        NewAgent(agent=name, name=name.title(), extension=str(extension), queues=dict.fromkeys(queues, 1))
        for extension, name in enumerate(names, 2001)
    ]
    agents = Agents(centre, await enrol(directory, wanted))
    await until(agents.known, 10)
    return agents
