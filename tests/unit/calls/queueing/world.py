"""A caller, agents' phones and a queue, on virtual time: a visit to the queues without Asterisk and distribution."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, OfferOutcome, Queue, Refused
from controller.calls.asks import Assigned
from controller.calls.conversation.conversation import Parted
from controller.calls.conversation.standing import How
from controller.calls.desk import TalkView
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.stay import Stay
from controller.calls.queueing.visit import Visit
from controller.cdr.entries import DistributionEntry, OfferEnded, OfferMade, QueueExited
from controller.flow.commands import Enqueue, Failed, HungUp, QueueLeft, VisitProgress
from controller.flow.queues import QueuePlan, RecordRule
from controller.ids import CallId
from controller.switchboard import Ask, Gone
from tests.rig.fakeswitchboard import Exchange, FakeSwitchboard, Phone
from tests.rig.virtualtime import MONDAY_9H, VirtualClock, turns

CALL = CallId("00000000-0000-8000-8000-000000000001")
MUSIC = "music:waiting"
_T = TypeVar("_T")


def account(name: str, extension: str) -> AgentAccount:
    return AgentAccount(agent=AgentId(name), name=name, extension=extension)


ANNE, BRUNO, CHLOE = account("anne", "2001"), account("bruno", "2002"), account("chloe", "2003")


def plan(name: str = "support", **changes: Any) -> QueuePlan:
    """A quiet queue, with `changes` of its rules or of what is heard."""
    rules = {field: changes.pop(field) for field in list(changes) if field in Queue.__struct_fields__}
    heard = {"music": "waiting", "news_every_s": 0.0, "rules": Queue(name=name, **rules)}
    return QueuePlan(**(heard | changes))


def heard(*media: str) -> dict[str, tuple[str, ...]]:
    return {"fr": media}


RECORDED = RecordRule(heard("recorded"), 3600.0)


@dataclass
class FakePlaces:
    """`Places` that matches nobody by itself: a test assigns. Remembers what it was told."""

    accounts: dict[AgentId, AgentAccount] = field(
        default_factory=lambda: {each.agent: each for each in (ANNE, BRUNO, CHLOE)}
    )
    refusal: Refused | None = None
    logged_in: bool = True
    place: int = 1
    estimate: float | None = None
    refuses_reserving: Refused | None = None
    entries: list[Entry] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    ended: list[tuple[AgentId, OfferOutcome]] = field(default_factory=list)
    engaged: set[AgentId] = field(default_factory=set)
    talks: list[AgentId] = field(default_factory=list)
    left: int = 0
    entries_told: list[DistributionEntry] = field(default_factory=list)
    deliver: Callable[[Ask], bool] | None = None

    def enter(self, entry: Entry, deliver: Callable[[Ask], bool], *, wait_s: float) -> Refused | None:
        self.entries.append(entry)
        self.waits.append(wait_s)
        if self.refusal is None:
            self.deliver = deliver
        return self.refusal

    def leave(self, entry: EntryId) -> None:
        self.left += 1
        self.deliver = None

    def position(self, entry: EntryId) -> int:
        return self.place

    def estimate_s(self, entry: EntryId) -> float | None:
        return self.estimate

    def staffed(self, queue: str) -> bool:
        return self.logged_in

    def offer_ended(self, entry: EntryId, agent: AgentId, outcome: OfferOutcome) -> None:
        self.ended.append((agent, outcome))
        self.engaged.discard(agent)

    def connected(self, entry: EntryId, agent: AgentId) -> None:
        self.talks.append(agent)
        self.deliver = None

    def reserve(self, agent: AgentId, call_id: str, queue: str) -> Refused | None:
        if self.refuses_reserving is None:
            self.engaged.add(agent)
        return self.refuses_reserving

    def talking(self, agent: AgentId, call_id: str, queue: str) -> None:
        self.talks.append(agent)

    def released(self, agent: AgentId, *, wrap_up: bool) -> None:
        self.engaged.discard(agent)

    def account(self, agent: AgentId) -> AgentAccount | None:
        return self.accounts.get(agent)

    def last_agent(self, number: str, queue: str) -> AgentId | None:
        return None

    def talk(self, view: TalkView | None, call_id: str, deliver: Callable[[Ask], bool]) -> None:
        pass

    def park(self, call_id: str) -> int:
        return 0

    def unpark(self, call_id: str) -> None:
        pass

    def told(self, entry: DistributionEntry) -> None:
        self.entries_told.append(entry)

    def of(self, kind: type[_T]) -> list[_T]:
        return [each for each in self.entries_told if isinstance(each, kind)]


class World:
    """One call in the queues. `begin` performs the `Enqueue`; the test acts meanwhile and awaits `end`."""

    def __init__(self, *plans: QueuePlan, media_s: float = 2.0, **command: Any) -> None:
        self.exchange = Exchange(media_s=media_s)
        self.clock = VirtualClock()
        self.places = FakePlaces()
        self.plans = {each.rules.name: each for each in plans or (plan(),)}
        self.call = CallRef(CALL, "caller", "+33612345678", "Zoé", "100", "fr")
        self.board: FakeSwitchboard = self.exchange.call(CALL, "caller")
        self.command = Enqueue("support", 1, MONDAY_9H, "fr", **command)
        self.kept: list[VisitProgress] = []
        self.parted: list[Parted] = []
        """How the conversations end; without one they last until somebody hangs up."""
        self.conversations: list[tuple[str, str, str]] = []
        self._task: asyncio.Task[QueueLeft | HungUp | Failed] | None = None

    # --- the visit --------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        self._task = asyncio.create_task(self.visit().run())
        await turns()

    def visit(self) -> Visit:
        stay = Stay(self.board, self.places, self.plans, self.call, self.command, self.clock, self._keep)
        return Visit(stay, self._converse)

    async def end(self) -> QueueLeft | HungUp | Failed:
        assert self._task is not None
        return await self._task

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def kill(self) -> None:
        """Kill the controller; its successor begins with what was kept, and knows nothing else."""
        assert self._task is not None
        self._task.cancel()
        await turns()
        self.exchange.owners.clear()
        ended, engaged = self.places.entries_told, self.places.accounts
        self.places = FakePlaces(accounts=engaged, entries_told=ended)
        self.board = self.exchange.call(CALL, "caller")
        if self.kept:
            progress = msgspec.convert(msgspec.json.decode(msgspec.json.encode(self.kept[-1])), VisitProgress)
            self.command = msgspec.structs.replace(self.command, progress=progress)

    def _keep(self, progress: VisitProgress) -> None:
        self.kept.append(progress)

    async def _converse(self, stay: Stay, agent: AgentAccount, leg: str, bridge: str) -> Parted:
        """A conversation that hears who hangs up, and nothing else."""
        self.conversations.append((agent.agent, leg, bridge))
        stay.keep(phase="talking")
        began = self.board.now()
        if self.parted:
            return self.parted.pop(0)
        while True:
            happening = await self.board.next()
            if not isinstance(happening, Gone) or happening.party not in {self.board.caller, leg}:
                continue
            how = How.CUSTOMER_GONE if happening.party == self.board.caller else How.AGENT_GONE
            if how is How.AGENT_GONE:
                await self.board.close(bridge)
            return Parted(how, self.board.now() - began, 0.0, agent.agent, stay.progress, happening.cause)

    # --- acting -----------------------------------------------------------------------------------------------

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def ask(self, ask: Ask) -> bool:
        assert self.places.deliver is not None
        delivered = self.places.deliver(ask)
        await turns(30)
        return delivered

    async def assign(self, *agents: AgentAccount, queue: str = "support") -> list[str]:
        """Match the caller with `agents`; return the legs that ring then."""
        self.places.engaged |= {each.agent for each in agents}
        if not await self.ask(Assigned(agents, queue)):
            self.places.engaged -= {each.agent for each in agents}  # as the distribution does
        return self.exchange.ringing()

    def phones(self, **phones: Phone | list[Phone]) -> None:
        """Register phones, by agent (`anne=Phone()`)."""
        for name, given in phones.items():
            each = given if isinstance(given, list) else [given]
            self.exchange.phone(self.places.accounts[AgentId(name)].extension, *each)

    # --- looking ----------------------------------------------------------------------------------------------

    @property
    def caller_hears(self) -> set[str]:
        return self.exchange.hears("caller")

    @property
    def said(self) -> list[tuple[float, str]]:
        """What was played to the caller, and when."""
        return self.exchange.parties["caller"].heard

    @property
    def outcomes(self) -> list[str]:
        """Outcomes of offers in the record, in the order in which they were made."""
        ended = {each.offer: each.outcome for each in self.places.of(OfferEnded)}
        return [ended.get(each.offer, "open") for each in self.places.of(OfferMade)]

    @property
    def exits(self) -> list[str]:
        return [each.exit for each in self.places.of(QueueExited)]
