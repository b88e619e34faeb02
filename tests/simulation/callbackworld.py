"""A call centre that calls back: the real service, dialler and floor, and the customers who are called."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from controller.acd.model import Refused
from controller.callback.model import (
    AttemptId,
    RequestId,
    Slot,
    When,
)
from controller.calls.callback.agentfirst import FirstAgent
from controller.calls.callback.booking import Booking
from controller.calls.callback.dialler import Dialler
from controller.calls.callback.flights import Flight
from controller.calls.callback.means import Expected, Past, Settings
from controller.calls.callback.news import News
from controller.calls.callback.service import CallbackService
from controller.calls.callback.terms import Terms
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.floordesk import FloorDesk
from controller.calls.distribution.services import LiveQueues
from controller.calls.outbound.exit import Outbound
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import DistributionEntry, QueueEntered, TalkStarted
from controller.flow.commands import Enqueue
from controller.ids import CallId, attempt_of_call, call_id_of_attempt
from controller.switchboard import Switchboard
from tests.rig.callbackstore import MemoryCallbacks, Tables
from tests.rig.fakeswitchboard import NORMAL, FakeSwitchboard
from tests.simulation.callbackcentre import IN_LINE, Wishes, callback_centre
from tests.simulation.outside import RULES, Decisions, Operator, Trunk
from tests.simulation.world import DAY_S, Customer, Day, H, Streets, accounts
from tests.unit.calls.distribution.hall import Directory, Phones
from tests.unit.calls.distribution.hall import Past as NoPast


@dataclass
class Outgoing:
    """What a customer's answer has begun."""

    attempt: AttemptId
    task: asyncio.Task[None] | None = None
    began: bool = False
    queued: bool = False
    talked: bool = False
    over: bool = False


class CalledStreets(Streets):
    """The telephones inside, and the ends of customers whom we have called."""

    gone: Callable[[str, int], None] = staticmethod(lambda _party, _cause: None)

    def end(self, party: str, cause: int, *, by_far_end: bool) -> None:
        super().end(party, cause, by_far_end=by_far_end)
        self.gone(party, cause)


@dataclass
class CalledDay(Day):
    """The controller and the customers whom it calls. `tables` and `trunk` outlive it."""

    wishes: Wishes = field(default_factory=Wishes)
    outgoing: dict[CallId, Outgoing] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    """What people were told when they asked, changed, cancelled."""
    talked: dict[RequestId, CallId] = field(default_factory=dict)
    down: bool = False
    parted: bool = False
    """This controller cannot reach Postgres, others can."""
    wounded_at: float = -1e9
    """When the controller, or Postgres, was last away."""

    def __post_init__(self) -> None:
        (self.folder / "attempts").mkdir()
        self.chance = random.Random(self.seed)
        self.tables = Tables(self.clock)
        self.decisions = Decisions(self.tables)
        self.trunk = Trunk(self.chance, self._answered)
        self.accounts = accounts(self.habits.agents)
        self.directory = Directory(*self.accounts)
        self.centre = callback_centre()
        self.phones = Phones()
        self.streets = CalledStreets(self.habits, self.chance, self.phones)
        self.streets.gone = lambda party, cause: self.trunk.end(AttemptId(party), cause)
        self.calls_running = set()
        self._first_agents: list[FirstAgent] = []
        self.distributor = self._controller()
        self.desk = FloorDesk(self.distributor)
        self.recorder.watch = self._watch
        self.streets.clock = self.trunk.clock = self.clock
        self.tasks = []

    # --- the controller -----------------------------------------------------------------------------------------

    def _controller(self) -> Distributor:
        line = Distributor(
            recorder=self.recorder,  # type: ignore[arg-type]
            clock=self.clock,
            directory=self.directory,
            devices=self.phones,
            history=NoPast(),
            state_dir=self.folder,
            alive=lambda name: name in self.calls_running or self.dialler.holds(name),
            keep_after_s=1.0,
        )
        store = self.store = MemoryCallbacks(self.tables, delay_s=self._statement_s)
        self.operator = Operator(self.trunk)
        self.way_out = Outbound(self.operator, self.decisions, self.clock, lambda: RULES)
        self.dialler = Dialler(
            store=store,
            line=line,
            way_out=self.way_out,
            calls=self,
            record=self,
            clock=self.clock,
            settings=Settings(node="one", in_line=IN_LINE),
            state_dir=self.folder,
            agent=self._first_agent,
            changed=lambda flight: self.service.flight_changed(flight),  # noqa: PLW0108 - made after it
            expired=lambda request: self.service.changed(request),  # noqa: PLW0108 - made after it
        )
        # Nobody can kill anything in the middle of a write here: it need not be put in place whole.
        self.dialler._files._put = self._put  # type: ignore[method-assign]
        booking = Booking(store, self, line, self.clock, line.serving)
        self.service = CallbackService(
            store=store,
            line=line,
            terms=Terms(store, line, LiveQueues(line), booking, self.clock),
            way_out=self.way_out,
            dialler=self.dialler,
            booking=booking,
            clock=self.clock,
            told=lambda _: None,
        )
        line.listeners.append(self.dialler.listen)
        return line

    def _put(self, attempt: AttemptId, data: bytes) -> None:
        (self.folder / "attempts" / f"{attempt}.json").write_bytes(data)

    def _statement_s(self) -> float:
        """Most statements take no time here, some give others the time to come in between."""
        return self.chance.uniform(0.001, 0.01) if self.chance.random() < 0.2 else 0.0

    def _first_agent(self, flight: Flight, tell: Callable[[News], None]) -> FirstAgent:
        self._first_agents = [each for each in self._first_agents if not each._over]
        self._first_agents.append(FirstAgent(flight, tell, self, self.distributor))
        return self._first_agents[-1]

    async def begin(self) -> None:
        await super().begin()
        self._dial()

    def _dial(self) -> None:
        self.dialler.start()
        self._running = asyncio.create_task(self.dialler.run())

    async def end(self) -> None:
        """Stop as a controller that is asked to."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.dialler.stop()
        await self.distributor.stop()

    async def kill(self) -> None:
        """The controller dies; a second later the next one takes everything up from disk, Postgres and Asterisk."""
        self.kills += 1
        self.down, self.wounded_at = True, self.clock.monotonic()
        self.operator.die()
        dead = self.distributor
        calls = [each for each in self.customers.values() if not each.over]
        early = [each for each in self.outgoing.values() if not each.over and self._waits(each) is None]
        await self._bury(dead, [each.task for each in [*calls, *early] if each.task is not None])
        await asyncio.sleep(1.0)
        self._first_agents.clear()
        self.distributor = self._controller()
        self.desk = FloorDesk(self.distributor)
        self.distributor.start(self.centre)
        self.dialler.start()
        self.down = False
        unseen = [*self._take_up(calls), *self._take_up_early(early)]
        self.distributor.settled(unseen)
        for call_id in unseen:
            self.dialler.over(call_id, talked=call_id in self.outgoing and self.outgoing[call_id].talked)
        self._running = asyncio.create_task(self.dialler.run())
        await asyncio.sleep(0.2)
        for account in self.accounts:
            self.streets.tell_device(account.extension)

    async def _bury(self, dead: Distributor, calls: list[asyncio.Task[None]]) -> None:
        """Nothing of a controller goes on."""
        dead.matcher.stop()
        dead._file._closed = True
        if dead._file._timer is not None:
            dead._file._timer.cancel()
        doomed = [self._running, *dead._tasks, *self.dialler._tasks, *self.way_out._settling, *calls]
        doomed += [each._task for each in self._first_agents if each._task is not None]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)

    def _take_up(self, calls: list[Customer]) -> list[CallId]:
        """Serve those again who are still there; return the calls of the others, whose legs end with them."""
        unseen = []
        for each in calls:
            call_id = each.call.call_id
            if each.call.channel_id in self.streets.parties:
                kept = msgspec.json.encode(msgspec.structs.replace(each.command, progress=each.progress))
                each.command = msgspec.json.decode(kept, type=Enqueue)
                self._serve(each)
                continue
            unseen.append(call_id)
            self._has_ended(each, "gone")
            for party in list(self.streets.parties):
                owner = self.streets.owners.get(party)
                if isinstance(owner, FakeSwitchboard) and owner.call_id == call_id:
                    self.streets.end(party, NORMAL, by_far_end=False)
        return unseen

    def _take_up_early(self, early: list[Outgoing]) -> list[CallId]:
        """Go on with customers who had not yet accepted, and those who have answered meanwhile."""
        for attempt, dial in list(self.trunk.lines.items()):
            if dial.answered and call_id_of_attempt(attempt) not in self.customers:
                self._answered(attempt)
        unseen = []
        for each in early:
            if each.attempt not in self.trunk.lines:
                each.over = True
                unseen.append(call_id_of_attempt(each.attempt))
                self.calls_running.discard(unseen[-1])
        return unseen

    def _waits(self, out: Outgoing | None) -> Customer | None:
        return self.customers.get(call_id_of_attempt(out.attempt)) if out is not None else None

    # --- what the dialler and the desk ask ----------------------------------------------------------------------

    def runs(self, call_id: str) -> bool:
        """See `Calls.runs`."""
        return call_id in self.calls_running

    async def past(self, attempt: AttemptId) -> Past:
        """See `Record.past`."""
        await self.store._reach()
        out = self.outgoing.get(call_id_of_attempt(attempt), Outgoing(attempt))
        status, cause = self.trunk.ended.get(attempt, ("", 0))
        return Past(out.began, out.over, out.queued, out.talked, cause, status)

    async def open(self) -> Mapping[str, int]:
        """See `Record.open`."""
        return {}

    async def expected(self, queue: str, zone: str, now: datetime) -> Expected:
        """See `Staffing.expected`: there is no past."""
        return Expected()

    def board(self, call_id: CallId) -> Switchboard:
        """See `Boards.board`."""
        return FakeSwitchboard(self.streets, call_id, attempt_of_call(call_id))

    def close(self, board: Switchboard) -> None:
        """See `Boards.close`."""

    # --- customers who were called ------------------------------------------------------------------------------

    def _answered(self, attempt: AttemptId) -> None:
        """The channel of a customer who has picked up comes into the application, if there is one."""
        if self.down:
            return
        call_id = call_id_of_attempt(attempt)
        out = self.outgoing.setdefault(call_id, Outgoing(attempt))
        self.calls_running.add(call_id)
        out.task = asyncio.create_task(self._flow(out, call_id))

    async def _flow(self, out: Outgoing, call_id: CallId) -> None:
        """What the customer hears, and says."""
        answered = await self.dialler.answered(call_id)
        self.streets.call(call_id, out.attempt)
        out.began = True
        if answered is None or answered.machine or self.trunk.lines[out.attempt].machine:
            await asyncio.sleep(2.0)
            self._flow_over(out, call_id, "machine" if answered else "unknown")
            return
        said = self._says()
        await asyncio.sleep(self.chance.uniform(1, 8))
        if out.attempt not in self.streets.parties:
            self._flow_over(out, call_id, "left")
        elif said != "accepts":
            await self._reply(RequestId(answered.note.request), call_id, said)
            self._flow_over(out, call_id, said)
        else:
            [(queue, place)] = answered.places.items()
            call = CallRef(call_id, out.attempt, answered.note.number, "", "100", "fr", callback=answered.note)
            wait_s = (self.clock.now() - place.entered_at).total_seconds() + H
            command = Enqueue(
                queue=queue, number=1, entered_at=place.entered_at, language=answered.language, wait_s=wait_s,
                priority=place.priority, needs=place.needs,
            )  # fmt: skip
            customer = self.customers[call_id] = Customer(call, command)
            self._serve(customer)
            self.streets.later(self.chance.expovariate(1 / 240.0), lambda: self._impatient(customer))

    def _says(self) -> str:
        dice, wishes = self.chance.random(), self.wishes
        for word in ("hangs_up", "later", "declines", "never"):
            dice -= getattr(wishes, word)
            if dice < 0:
                return word
        return "accepts"

    async def _reply(self, request_id: RequestId, call_id: CallId, said: str) -> None:
        request = self.tables.requests[request_id]
        match said:
            case "later":
                slot = await self._slot(request.queue)
                when = When.SLOT if slot and self.chance.random() < 0.5 else When.ASAP
                at = slot.at if slot and when is When.SLOT else None
                self._count(said, await self.service.change(request_id, when=when, slot_at=at, call_id=call_id))
            case "declines":
                self._count(said, await self.service.cancel(request_id, "by telephone", call_id=call_id))
            case "never":
                more = {"source": "svi", "request_id": request_id, "call_id": call_id}
                self._count(said, await self.service.opt_out(request.number, **more))

    def _flow_over(self, out: Outgoing, call_id: CallId, how: str) -> None:
        self.answers[f"flow {how}"] += 1
        out.over = True
        self.streets.end(out.attempt, NORMAL, by_far_end=how in ("left", "hangs_up"))
        self.calls_running.discard(call_id)
        self.dialler.over(call_id, talked=False)

    async def _to_the_end(self, customer: Customer, visit: object) -> None:
        await super()._to_the_end(customer, visit)  # type: ignore[arg-type]
        self._has_ended(customer, customer.over)

    def _has_ended(self, customer: Customer, how: str) -> None:
        customer.over = how
        self.calls_running.discard(customer.call.call_id)
        out = self.outgoing.get(customer.call.call_id)
        if out is not None:
            out.over = True
            self.dialler.over(customer.call.call_id, talked=out.talked)

    def _watch(self, entry: DistributionEntry) -> None:
        super()._watch(entry)
        out = self.outgoing.get(getattr(entry, "call_id", CallId("")))
        if out is None:
            return
        if isinstance(entry, QueueEntered):
            out.queued = True
        elif isinstance(entry, TalkStarted):
            out.talked = True
            self.talked.setdefault(self.tables.attempts[out.attempt].request_id, CallId(entry.call_id))

    async def _slot(self, queue: str) -> Slot | None:
        slots = await self.service.slots(queue)
        if isinstance(slots, Refused) or not slots:
            return None
        tonight = self.clock.now() + timedelta(seconds=DAY_S - self.clock.monotonic())
        today = [each for each in slots if each.at < tonight]
        tomorrow = self.chance.random() < self.wishes.tomorrow
        return self.chance.choice(list(slots) if tomorrow or not today else today)

    def _count(self, what: str, told: object) -> None:
        self.answers[f"{what} {told.code if isinstance(told, Refused) else 'done'}"] += 1
