"""A call centre's working day: people with phones around the real distribution, visits and conversations.

Time is virtual and chance is seeded: a day is the same each time. What people do is here; what must hold whatever
they do is in `rules.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from controller.acd.model import AgentAccount, AgentId, Overflow, Queue, Rung, Strategy
from controller.calls.asks import MoveTo, Target, TargetKind, Transfer
from controller.calls.conversation.keeper import TalkAudio
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.floordesk import FloorDesk
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.stay import Stay
from controller.calls.queueing.talking import Talking
from controller.calls.queueing.visit import Visit
from controller.cdr.entries import DistributionEntry, TalkStarted
from controller.flow.commands import Enqueue, HungUp, VisitProgress
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.ids import CallId
from controller.switchboard import PartyState
from tests.rig.fakeswitchboard import DECLINED, NORMAL, Exchange, Party, Phone
from tests.rig.virtualtime import VirtualClock
from tests.unit.calls.distribution.hall import Directory, Past, Phones

H = 3600.0
DAY_S = 9 * H
"""From nine to six."""
PLAIN = "billing"
"""A queue without skills, languages and priorities: one order and nothing else."""


def queues() -> tuple[Queue, ...]:
    return (
        Queue(name=PLAIN, wait_s=H),
        Queue(name="sales", strategy=Strategy.LEAST_CALLS, wait_s=H, sticky_within_s=2 * H, sticky_hold_s=20.0),
        Queue(
            name="support",
            strategy=Strategy.ROUND_ROBIN,
            rungs=(Rung({"technics": 3}, 60.0), Rung({"technics": 2}, 180.0), Rung()),
            overflow=(Overflow("sales", 900.0),),
            wait_s=H,
        ),
        Queue(name="vip", priority=5, overflow=(Overflow("sales", 20.0),), wait_s=H),
    )


def centre() -> Release:
    plans = {
        rules.name: QueuePlan(rules=rules, first_news_s=60.0, news_every_s=600.0, says_position=True)
        for rules in queues()
    }
    return Release(
        hash="day",
        title="A day",
        country="FR",
        zone="Europe/Paris",
        default_language="fr",
        numbers={},
        extensions={},
        calendars={},
        http_hosts=frozenset(),
        flows={},
        queues=plans,
    )


def accounts(count: int) -> list[AgentAccount]:
    """Every fourth serves the plain queue alone, the others two or three of the rest."""
    found = []
    for number in range(count):
        if number % 4 == 0:
            served = {PLAIN: 1}
        else:
            served = {("sales", "support")[number % 2]: 1, ("support", "sales")[number % 2]: 1 + number % 3}
            if number % 5 == 0:
                served["vip"] = 1
        found.append(
            AgentAccount(
                agent=AgentId(f"agent{number:03}"),
                name=f"Agent {number}",
                extension=str(2000 + number),
                skills={"technics": 1 + number % 5},
                languages=("fr", "en") if number % 3 == 0 else ("fr",),
                queues=served,
                supervisor=number == 1,
            )
        )
    return found


@dataclass
class Habits:
    """How people behave. Seconds, and shares of one."""

    agents: int = 100
    talk_s: float = 360.0
    patience_s: float = 2400.0
    missed: float = 0.01
    refused: float = 0.005
    escalated: float = 0.03
    unplugged: float = 0.002
    moved: float = 0.01
    load: tuple[float, ...] = (0.7, 1.7, 1.2, 0.8, 0.7, 0.8, 0.9, 0.8, 0.5)
    """Calls offered by the hour, as a share of what all agents together can take."""


@dataclass
class Customer:
    """One call."""

    call: CallRef
    command: Enqueue
    task: asyncio.Task[None] | None = None
    progress: VisitProgress | None = None
    talks: bool = False
    over: str = ""
    """How the call ended."""


class Recorder:
    """Keeps the entries of distribution; `watch` is told each."""

    def __init__(self) -> None:
        self.entries: list[DistributionEntry] = []
        self.watch: Callable[[DistributionEntry], None] = lambda _: None

    def record(self, *entries: DistributionEntry) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.watch(entry)


class Keeper:
    def keep_talk(self, audio: TalkAudio) -> None:
        raise AssertionError("nothing is recorded in these queues")


class Numbers:
    def endpoint(self, extension: str) -> str:
        return ""

    def target(self, number: str) -> Target | None:
        return None


class Streets(Exchange):
    """Phones of agents who answer, miss, refuse; every change of a device is told to the distribution."""

    def __init__(self, habits: Habits, chance: random.Random, phones: Phones) -> None:
        super().__init__(media_s=4.0)
        self.log = deque(maxlen=1)  # type: ignore[assignment] # a day's requests would fill the memory
        self._habits = habits
        self._chance = chance
        self.devices_told = phones
        self.in_use: dict[str, set[str]] = {}
        self.unplugged: set[str] = set()

    def dial(self, party: Party) -> None:
        extension = party.device.split("/")[1]
        self._use(extension, party.party, on=True)
        mood = self._chance.random()
        if extension in self.unplugged or mood < self._habits.missed:
            after, act = 600.0, self.pick_up
        elif mood < self._habits.missed + self._habits.refused:
            after, act = 3.0, lambda name: self.hang_up(name, DECLINED)
        else:
            after, act = self._chance.uniform(1.5, 6.0), self.pick_up
        self.later(after, lambda: act(party.party))
        self.later(90.0, lambda: self._refuse(party, 0))

    def end(self, party: str, cause: int, *, by_far_end: bool) -> None:
        found = self.parties.get(party)
        super().end(party, cause, by_far_end=by_far_end)
        if found is not None and found.device:
            self._use(found.device.split("/")[1], party, on=False)

    def plug(self, extension: str, *, on: bool) -> None:
        """Pull the agent's plug, or put it back: what was said there is over."""
        (self.unplugged.discard if on else self.unplugged.add)(extension)
        self.phone(extension, *([Phone()] if on else []))
        if not on:
            for party in list(self.in_use.get(extension, ())):
                self.hang_up(party, 0)
        self.tell_device(extension)

    def tell_device(self, extension: str) -> None:
        reachable = extension not in self.unplugged
        self.devices_told.be(extension, *self.in_use.get(extension, ()), reachable=reachable)

    def _use(self, extension: str, party: str, *, on: bool) -> None:
        used = self.in_use.setdefault(extension, set())
        (used.add if on else used.discard)(party)
        self.later(0.02, lambda: self.tell_device(extension))


@dataclass
class Day:
    """The whole. `run` it; then `customers`, `recorder` and `seen` tell what happened."""

    folder: Path
    habits: Habits = field(default_factory=Habits)
    seed: int = 1
    customers: dict[str, Customer] = field(default_factory=dict)
    recorder: Recorder = field(default_factory=Recorder)
    clock: VirtualClock = field(default_factory=VirtualClock)
    kills: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.accounts = accounts(self.habits.agents)
        self.directory = Directory(*self.accounts)
        self.centre = centre()
        self.phones = Phones()
        self.streets = Streets(self.habits, self.chance, self.phones)
        self.calls_running: set[str] = set()
        self.distributor = self._controller()
        self.desk = FloorDesk(self.distributor)
        self.recorder.watch = self._watch
        self.tasks: list[asyncio.Task[None]] = []

    # --- the controller ---------------------------------------------------------------------------------------

    def _controller(self) -> Distributor:
        return Distributor(
            recorder=self.recorder,  # type: ignore[arg-type]
            clock=self.clock,
            directory=self.directory,
            devices=self.phones,
            history=Past(),
            state_dir=self.folder,
            alive=self.calls_running.__contains__,
            keep_after_s=1.0,  # the tests of the distributor hold it to less
        )

    async def begin(self) -> None:
        """Start; all phones are plugged in."""
        self.distributor.start(self.centre)
        await asyncio.sleep(0.1)
        for account in self.accounts:
            self.streets.phone(account.extension, Phone())
            self.streets.tell_device(account.extension)
        self.distributor.settled()
        await asyncio.sleep(2)

    async def kill(self) -> None:
        """The controller dies; a second later the next one takes everything up from what is on disk."""
        self.kills += 1
        dead = self.distributor
        dead.matcher.stop()
        dead._file._closed = True
        if dead._file._timer is not None:
            dead._file._timer.cancel()
        for task in dead._tasks:
            task.cancel()
        left = [each for each in self.customers.values() if not each.over]
        for each in left:
            assert each.task is not None
            each.task.cancel()
        await asyncio.gather(*(each.task for each in left if each.task), return_exceptions=True)
        await asyncio.sleep(1.0)
        self.distributor = self._controller()
        self.desk = FloorDesk(self.distributor)
        self.distributor.start(self.centre)
        for each in left:
            kept = msgspec.json.encode(msgspec.structs.replace(each.command, progress=each.progress))
            each.command = msgspec.json.decode(kept, type=Enqueue)
            self._serve(each)
        self.distributor.settled()
        await asyncio.sleep(0.2)
        for account in self.accounts:
            self.streets.tell_device(account.extension)

    # --- customers --------------------------------------------------------------------------------------------

    def call(self, queue: str) -> Customer:
        """Somebody calls, and waits in `queue`."""
        number = len(self.customers) + 1
        call_id = CallId(f"00000000-0000-8000-8000-{number:012}")
        caller = f"+336{self.chance.randrange(5000):08}"
        call = CallRef(call_id, f"1700.{number}", caller, "", "100", "fr")
        language = "en" if queue == "support" and self.chance.random() < 0.2 else "fr"
        command = Enqueue(queue=queue, number=1, entered_at=self.clock.now(), language=language, wait_s=H)
        if queue == PLAIN:
            command = msgspec.structs.replace(command, language="")
        customer = self.customers[call_id] = Customer(call, command)
        self._serve(customer)
        caller_party = call.channel_id
        self.streets.later(self.chance.expovariate(1 / self.habits.patience_s), lambda: self._impatient(customer))
        if self.chance.random() < self.habits.moved:
            self.streets.later(30.0, lambda: self._start(self._move(customer)))
        assert caller_party in self.streets.parties
        return customer

    def _serve(self, customer: Customer) -> None:
        self.calls_running.add(customer.call.call_id)
        board = self.streets.call(customer.call.call_id, customer.call.channel_id)

        def keep(progress: VisitProgress) -> None:
            customer.progress = progress

        stay = Stay(board, self.distributor, self.centre.queues, customer.call, customer.command, self.clock, keep)
        visit = Visit(stay, Talking(Keeper(), Numbers()))
        customer.task = asyncio.create_task(self._to_the_end(customer, visit))

    async def _to_the_end(self, customer: Customer, visit: Visit) -> None:
        event = await visit.run()
        if isinstance(event, HungUp):
            customer.over = "gone"
        else:
            customer.over = getattr(event, "exit", type(event).__name__)
            self.streets.end(customer.call.channel_id, NORMAL, by_far_end=False)
        self.calls_running.discard(customer.call.call_id)

    def _impatient(self, customer: Customer) -> None:
        if not customer.talks and not customer.over:
            self.streets.hang_up(customer.call.channel_id)

    async def _move(self, customer: Customer) -> None:
        await self.desk.ask(
            customer.call.call_id, MoveTo("sales", "agent001"), agent=AgentId("agent001"), by="agent001"
        )

    # --- conversations ----------------------------------------------------------------------------------------

    def _watch(self, entry: DistributionEntry) -> None:
        if isinstance(entry, TalkStarted):
            customer = self.customers[entry.call_id]
            customer.talks = True
            lasts = self.chance.lognormvariate(0, 0.6) * self.habits.talk_s / 1.2
            self.streets.later(lasts, lambda: self._talk_over(customer, entry.agent))
            mood = self.chance.random()
            if mood < self.habits.escalated:
                self.streets.later(lasts / 2, lambda: self._start(self._escalate(customer, AgentId(entry.agent))))
            elif mood < self.habits.escalated + self.habits.unplugged:
                self.streets.later(lasts / 2, lambda: self._unplug(entry.agent))

    def _talk_over(self, customer: Customer, agent: str) -> None:
        """Somebody hangs up, if they still talk: the customer, or the agent."""
        caller = self.streets.parties.get(customer.call.channel_id)
        if caller is None:
            return
        with_agent = [
            party
            for party in self.streets.bridges.get(caller.bridge, ())
            if party != caller.party and self._extension_of(agent) in self.streets.parties[party].device
        ]
        if with_agent:
            self.streets.hang_up(caller.party if self.chance.random() < 0.7 else with_agent[0])

    async def _escalate(self, customer: Customer, agent: AgentId) -> None:
        ask = Transfer(Target(TargetKind.QUEUE, "support"), {"technics": 4})
        refused = await self.desk.ask(customer.call.call_id, ask, agent=agent, by=agent)
        if refused is None:
            customer.talks = False
            self.streets.later(self.chance.expovariate(1 / H), lambda: self._impatient(customer))

    def _unplug(self, agent: str) -> None:
        extension = self._extension_of(agent)
        self.streets.plug(extension, on=False)
        self.streets.later(60.0, lambda: self.streets.plug(extension, on=True))

    def _extension_of(self, agent: str) -> str:
        return str(2000 + int(agent.removeprefix("agent")))

    # --- the day ----------------------------------------------------------------------------------------------

    def _start(self, work: object) -> None:
        self.tasks.append(asyncio.ensure_future(work))  # type: ignore[arg-type]

    async def shift(self, account: AgentAccount, number: int) -> None:
        """An agent's day: a little late, half an hour of lunch, home in time or after the last customer."""
        await asyncio.sleep(self.chance.uniform(0, 300))
        assert self.desk.login(account.agent, by=account.agent) is None
        await asyncio.sleep(2.5 * H + number % 6 * 0.25 * H)
        assert self.desk.pause(account.agent, "lunch", by=account.agent) is None
        await asyncio.sleep(0.5 * H)
        assert self.desk.resume(account.agent, by=account.agent) is None

    async def arrivals(self) -> None:
        """Customers call, by the hour's load."""
        can_take = self.habits.agents / (self.habits.talk_s + 25.0)
        shares = {PLAIN: 0.25, "sales": 0.35, "support": 0.35, "vip": 0.05}
        while (now := self.clock.monotonic()) < DAY_S:
            rate = self.habits.load[int(now // H)] * can_take
            await asyncio.sleep(self.chance.expovariate(rate))
            self.call(self.chance.choices(list(shares), list(shares.values()))[0])

    async def evening(self) -> None:
        """Everybody is served or has given up; everybody goes home."""
        began = self.clock.now()
        while any(not each.over for each in self.customers.values()):
            assert self.clock.now() - began < timedelta(hours=4), "somebody is still here"
            await asyncio.sleep(30)
        await asyncio.sleep(400)
        for account in self.accounts:
            assert self.desk.logout(account.agent, by=account.agent) is None
        await asyncio.sleep(5)

    def up(self, extension: str) -> list[str]:
        """Return the answered legs at an agent's phone."""
        found = (self.streets.parties.get(party) for party in self.streets.in_use.get(extension, ()))
        return [party.party for party in found if party is not None and party.state is PartyState.UP]
