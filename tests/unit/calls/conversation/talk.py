"""A conversation on the fake switchboard, with people who act, and everything that a test looks at afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, OfferOutcome, Queue, Refused
from controller.calls.asks import Target, TargetKind
from controller.calls.conversation.conversation import Conversation, Parted
from controller.calls.conversation.keeper import TalkAudio
from controller.calls.conversation.standing import Phase, Standing, load
from controller.calls.desk import TalkView
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import DistributionEntry, TalkEnded, TalkEvent, TalkStarted
from controller.flow.commands import VisitProgress
from controller.flow.queues import QueuePlan, RecordRule
from controller.ids import CallId
from controller.switchboard import Ask, LegPlan, Role
from tests.rig.fakeswitchboard import Exchange, FakeSwitchboard, Phone
from tests.rig.virtualtime import VirtualClock

CALL = CallId("019b0000-0000-8000-8000-000000000001")
CUSTOMER = "customer"
SUPPORT = QueuePlan(rules=Queue(name="support", ring_s=20.0), music="waiting")
RECORDED = msgspec.structs.replace(SUPPORT, record=RecordRule({}, keep_s=86_400.0))
QUEUES = {"support": SUPPORT, "gold": QueuePlan(rules=Queue(name="gold"))}
FIRST = 1000
TO_MARC = Target(TargetKind.AGENT, "marc")
TO_RECEPTION = Target(TargetKind.EXTENSION, "300")
MUSIC = {"music:waiting"}


def account(agent: str, extension: str, *, supervisor: bool = False) -> AgentAccount:
    return AgentAccount(agent=AgentId(agent), name=agent.title(), extension=extension, supervisor=supervisor)


CLAIRE, MARC, SOPHIE = account("claire", "2001"), account("marc", "2002"), account("sophie", "2009", supervisor=True)


@dataclass
class FakePlaces:
    """Engagements of agents, as the distribution keeps them, and everything that was told."""

    accounts: dict[str, AgentAccount] = field(
        default_factory=lambda: {str(each.agent): each for each in (CLAIRE, MARC, SOPHIE)}
    )
    engaged: dict[str, str] = field(default_factory=dict)
    wrapped_up: list[str] = field(default_factory=list)
    entries: list[DistributionEntry] = field(default_factory=list)
    views: list[TalkView | None] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    free_slots: int = 1

    def reserve(self, agent: AgentId, call_id: str, queue: str) -> Refused | None:
        if agent not in self.accounts:
            return Refused("unknown_agent", "nobody")
        if agent in self.engaged and call_id != self.engaged[agent].split()[0]:
            return Refused("in_a_call", "busy")
        self.engaged.setdefault(agent, f"{call_id} reserved")
        return None

    def talking(self, agent: AgentId, call_id: str, queue: str) -> None:
        self.engaged[agent] = f"{call_id} talking"

    def released(self, agent: AgentId, *, wrap_up: bool) -> None:
        self.engaged.pop(agent, None)
        if wrap_up:
            self.wrapped_up.append(agent)

    def account(self, agent: AgentId) -> AgentAccount | None:
        return self.accounts.get(agent)

    def talk(self, view: TalkView | None, call_id: str, deliver: Callable[[Ask], bool]) -> None:
        self.views.append(view)

    def park(self, call_id: str) -> int:
        if call_id not in self.slots and len(self.slots) < self.free_slots:
            self.slots[call_id] = 701
        return self.slots.get(call_id, 0)

    def unpark(self, call_id: str) -> None:
        self.slots.pop(call_id, None)

    def told(self, entry: DistributionEntry) -> None:
        self.entries.append(entry)

    def enter(self, entry: Entry, deliver: Callable[[Ask], bool], *, wait_s: float) -> Refused | None:
        raise AssertionError

    def leave(self, entry: EntryId) -> None:
        raise AssertionError

    def position(self, entry: EntryId) -> int:
        raise AssertionError

    def estimate_s(self, entry: EntryId) -> float | None:
        raise AssertionError

    def staffed(self, queue: str) -> bool:
        raise AssertionError

    def offer_ended(self, entry: EntryId, agent: AgentId, outcome: OfferOutcome) -> None:
        raise AssertionError

    def connected(self, entry: EntryId, agent: AgentId) -> None:
        raise AssertionError

    def last_agent(self, number: str, queue: str) -> AgentId | None:
        raise AssertionError


class FakeNumbers:
    """Extension 300 is reception's; agents have theirs."""

    def endpoint(self, extension: str) -> str:
        return "reception" if extension == "300" else ""

    def target(self, number: str) -> Target | None:
        agents = {each.extension: str(each.agent) for each in (CLAIRE, MARC, SOPHIE)}
        if number in agents:
            return Target(TargetKind.AGENT, agents[number])
        if number in QUEUES:
            return Target(TargetKind.QUEUE, number)
        return Target(TargetKind.EXTENSION, number) if number == "300" else None


@dataclass
class Kept:
    """What the keeper was handed."""

    talks: list[TalkAudio] = field(default_factory=list)

    def keep_talk(self, audio: TalkAudio) -> None:
        if audio.recording not in [each.recording for each in self.talks]:
            self.talks.append(audio)


@dataclass
class Talk:
    """Claire talks with the customer. `begin` must run in a loop of virtual time; then `parted` is awaited."""

    plan: QueuePlan = SUPPORT
    exchange: Exchange = field(default_factory=Exchange)
    places: FakePlaces = field(default_factory=FakePlaces)
    kept: Kept = field(default_factory=Kept)
    saved: list[VisitProgress] = field(default_factory=list)
    board: FakeSwitchboard = field(init=False)
    task: asyncio.Task[Parted] = field(init=False)

    async def begin(self) -> Talk:
        self.exchange.phone("2001", Phone())
        self.board = self.exchange.call(CALL, CUSTOMER)
        board = self.board
        leg, bridge = board.leg_id(FIRST + 1), board.bridge_id(FIRST + 1)
        await board.bridge(bridge)
        await board.call(LegPlan(leg, self.exchange.devices["2001"][0], "2001", Role.AGENT, 20.0, bridge=bridge))
        self.exchange.pick_up(leg)
        await board.join(bridge, CUSTOMER)
        await asyncio.sleep(0.01)
        while await board.next(board.now()) is not None:
            pass
        self.places.reserve(CLAIRE.agent, CALL, "support")
        self.saved.append(
            VisitProgress(
                queue="support",
                leg=FIRST + 1,
                bridge=FIRST + 1,
                recording=FIRST,
                phase="connecting",
                agent="claire",
                legs=(FIRST + 1,),
                connected_at=self.exchange.clock.now(),
            )
        )
        self.exchange.log.clear()
        self.go_on()
        await self.wait()
        return self

    def go_on(self) -> None:
        """Let a controller have the conversation, from what was kept last."""
        conversation = Conversation(
            self.board,
            self.places,
            self.plan,
            CallRef(CALL, CUSTOMER, "+33123456789", "Jeanne", "+33199000000", "fr"),
            self.saved.append,
            self.saved[-1],
            CLAIRE,
            self.board.leg_id(FIRST + 1),
            self.board.bridge_id(FIRST + 1),
            VirtualClock(),
            keeper=self.kept,
            numbers=FakeNumbers(),
        )
        self.task = asyncio.create_task(conversation.run(QUEUES))

    async def wait(self, seconds: float = 0.1) -> None:
        await asyncio.sleep(seconds)

    async def ask(self, ask: Ask) -> Refused | None:
        if not self.board.deliver(ask):
            return Refused("not_delivered", "")
        answer = await ask.answer()
        await self.wait()
        return answer

    async def kill(self) -> None:
        """End the controller as kill -9 would, and give the call to another one, which knows what was kept."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.board = self.exchange.call(CALL, CUSTOMER)
        self.places.engaged.clear()
        self.places.slots.clear()
        self.go_on()
        await self.wait()

    async def parted(self, within_s: float = 5.0) -> Parted:
        parted = await asyncio.wait_for(self.task, within_s)
        await self.wait()
        return parted

    # --- what is to be seen ---------------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        standing = load(self.saved[-1])
        assert standing is not None
        return standing

    @property
    def phase(self) -> Phase:
        return self.standing.phase

    @property
    def claire(self) -> str:
        return self.board.leg_id(FIRST + 1)

    def leg(self, extension: str) -> str:
        """The newest live leg to a number."""
        found = [each.party for each in self.exchange.parties.values() if each.plan and each.plan.number == extension]
        return found[-1]

    def hears(self, party: str) -> set[str]:
        return self.exchange.hears(party) if party in self.exchange.parties else {"gone"}

    def story(self) -> list[str]:
        """The entries of the record in short."""
        return [_short(each) for each in self.places.entries]

    def ghosts(self) -> dict[str, Any]:
        """Whatever is left over, once the conversation is over: parties, bridges, engagements, slots."""
        return {
            "parties": sorted(party for party in self.exchange.parties if party != CUSTOMER),
            "bridges": sorted(self.exchange.bridges),
            "engaged": dict(self.places.engaged),
            "slots": dict(self.places.slots),
            "view": self.places.views[-1],
            "recordings": sorted(self.exchange.recordings),
        }


NO_GHOSTS: dict[str, Any] = {
    "parties": [],
    "bridges": [],
    "engaged": {},
    "slots": {},
    "view": None,
    "recordings": [],
}


def _short(entry: DistributionEntry) -> str:
    match entry:
        case TalkStarted():
            return f"talk {entry.talk} {entry.agent}"
        case TalkEnded():
            return f"end {entry.talk} {entry.how} {entry.ended_by}"
        case TalkEvent():
            return f"{entry.kind} {entry.agent}".strip()
    return type(entry).__name__


def at(clock: VirtualClock) -> datetime:
    return clock.now().astimezone(UTC)
