"""A dialler and its desk over a real distributor, with Postgres and the trunk in memory, on virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from controller.acd.model import AgentId, AgentState, Entry, EntryId, OfferOutcome, Queue
from controller.callback.model import (
    Attempt,
    AttemptId,
    CallbackPlan,
    Outcome,
    Request,
    RequestState,
    Source,
    When,
)
from controller.calls.asks import Assigned
from controller.calls.callback.booking import Booking
from controller.calls.callback.desk import Asked, Taken
from controller.calls.callback.dialler import Dialler
from controller.calls.callback.flights import Flight
from controller.calls.callback.means import Settings
from controller.calls.callback.news import AgentGone, AgentReady, News
from controller.calls.callback.service import CallbackService
from controller.calls.callback.store import Lease
from controller.calls.callback.terms import Terms
from controller.calls.distribution.services import LiveQueues
from controller.cdr.entries import QueueEntered, TalkStarted
from controller.ids import attempt_of_call, call_id_of_attempt
from tests.rig.callbackstore import MemoryCallbacks, Tables
from tests.rig.fakedialling import FakeExit
from tests.unit.calls.distribution.hall import Caller, Hall, Opening, account, release

PLAN = CallbackPlan(flow="rappel", caller_id="+33353014700", delays={"no_answer": (60.0,), "busy": (20.0,)})
NUMBER = "+33612345678"


class Agent:
    """`WaitingAgent`, played by the test."""

    def __init__(self, flight: Flight, tell: Callable[[News], None]) -> None:
        self.flight, self.tell = flight, tell
        self.rang = self.called = False
        self.told: Outcome | None = None

    async def call(self) -> None:
        self.called = True

    async def take_up(self) -> None:
        self.called = True

    async def ring(self) -> None:
        self.rang = True

    async def let_go(self, outcome: Outcome, *, queued: bool) -> None:
        self.told = outcome

    def ready(self) -> None:
        self.tell(AgentReady(1))

    def gone(self, outcome: Any) -> None:
        self.tell(AgentGone(outcome))


class Store(MemoryCallbacks):
    """Postgres as one process has it: a statement takes 2 ms. `asked` counts what may not be asked too often."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables, delay_s=lambda: 0.002)
        self.asked: Counter[str] = Counter()

    async def due(self, now: datetime, limit_per_queue: int = 200) -> Sequence[Request]:
        self.asked["due"] += 1
        return await super().due(now, limit_per_queue)

    async def claim(self, attempt: Attempt, lease: Lease) -> Attempt | None:
        self.asked["claim"] += 1
        return await super().claim(attempt, lease)


class Office:
    """See the module. A queue `support`, in the hours of `calendar` if there is one; agents Anne and Bruno."""

    def __init__(
        self,
        folder: Path,
        plan: CallbackPlan = PLAN,
        node: str = "one",
        calendar: Opening | None = None,
        **queue: Any,
    ) -> None:
        self.folder = folder
        rules = Queue(name="support", **queue)
        centre = release(rules, calendar=calendar)
        plans = {name: msgspec.structs.replace(each, callback=plan) for name, each in centre.queues.items()}
        self.hall = Hall(
            folder,
            msgspec.structs.replace(centre, queues=plans),
            account("anne", "2001", "support"),
            account("bruno", "2002", "support"),
        )
        self.hall.calls = _Alive(self)  # type: ignore[assignment]
        self.hall.distributor.ghosts._alive = self.hall.calls.__contains__
        self.clock = self.hall.clock
        self.tables = Tables(self.clock)
        self.store = Store(self.tables)
        self.exit = FakeExit(self.clock)
        self.running: set[str] = set()
        self.agents: list[Agent] = []
        self.agent = Agent
        self.told: list[Request] = []
        self.node = node

    @property
    def held(self) -> set[str]:
        """Attempts for which an agent is held."""
        return {attempt_of_call(call_id) for call_id in self.hall.distributor.holding.kept()}

    def take_over(self, other: Office) -> Office:
        """Have the Postgres and the trunk of another office."""
        self.tables, self.exit = other.tables, other.exit
        self.store = Store(self.tables)
        return self

    async def open(self, **settings: Any) -> Office:
        self.dialler = Dialler(
            store=self.store,
            line=self.hall.distributor,
            way_out=self.exit,
            calls=self,
            record=self.exit,
            clock=self.clock,
            settings=Settings(node=self.node, **settings),
            state_dir=self.folder,
            agent=self._agent,
            changed=lambda flight: self.desk.flight_changed(flight),  # noqa: PLW0108 - made after it
            expired=lambda request: self.desk.changed(request),  # noqa: PLW0108 - made after it
        )
        distributor = self.hall.distributor
        booking = Booking(self.store, self.exit, distributor, self.clock, distributor.serving)
        self.desk = CallbackService(
            store=self.store,
            line=distributor,
            terms=Terms(self.store, distributor, LiveQueues(distributor), booking, self.clock),
            way_out=self.exit,
            dialler=self.dialler,
            booking=booking,
            clock=self.clock,
            told=self.told.append,
        )
        distributor.listeners.append(self.dialler.listen)
        await self.hall.open()
        self.dialler.start()
        self.task = asyncio.create_task(self.dialler.run())
        await asyncio.sleep(1.5)
        return self

    def _agent(self, flight: Flight, tell: Callable[[News], None]) -> Agent:
        self.agents.append(self.agent(flight, tell))
        return self.agents[-1]

    async def kill(self) -> None:
        """The process is gone, with all that was only in its memory."""
        self.task.cancel()
        for task in list(self.dialler._tasks):
            task.cancel()
        await asyncio.gather(self.task, *self.dialler._tasks, return_exceptions=True)
        await self.hall.close()

    # --- Calls

    def runs(self, call_id: str) -> bool:
        return call_id in self.running

    # --- what people do

    async def ask(self, **changes: Any) -> Request:
        taken = await self.desk.ask(self.asked(**changes))
        assert isinstance(taken, Taken), taken
        return taken.request

    def asked(self, **changes: Any) -> Asked:
        chosen: dict[str, Any] = {
            "queue": "support",
            "number": NUMBER,
            "when": When.ASAP,
            "source": Source.WEB,
            "language": "fr",
        }
        return Asked(**(chosen | changes))

    async def until(self, condition: Callable[[], object], limit_s: float = 90.0) -> None:
        ends = self.clock.monotonic() + limit_s
        while not condition():
            assert self.clock.monotonic() < ends, "it did not happen in time"
            await asyncio.sleep(0.05)

    async def dialled(self, count: int = 1) -> AttemptId:
        """Wait until so many dials were made; return the attempt of the last."""
        await self.until(lambda: len(self.exit.dials) >= count)
        return list(self.exit.dials)[count - 1]

    async def accept(self, attempt: AttemptId, answer: bool = True) -> Caller:
        """The customer answers and accepts: their call takes its place."""
        call_id = call_id_of_attempt(attempt)
        self.running.add(call_id)
        if answer:
            self.exit.answer(attempt)
        facts = await self.dialler.answered(call_id)
        assert facts is not None
        caller = Caller()
        entry = Entry(
            entry=EntryId(call_id), queue="support", entered_at=facts.places["support"].entered_at, number=NUMBER
        )
        assert self.hall.distributor.enter(entry, caller.deliver, wait_s=900.0) is None
        self.hall.distributor.told(
            QueueEntered(call_id, 1, "support", self.clock.now(), facts.places["support"].entered_at)
        )
        return caller

    def talk(self, attempt: AttemptId, caller: Caller) -> str:
        """The first agent who was offered the customer talks with them."""
        (offer,) = [ask for ask in caller.asks if isinstance(ask, Assigned)]
        agent = offer.agents[0].agent
        call_id = call_id_of_attempt(attempt)
        self.hall.distributor.connected(EntryId(call_id), agent)
        self.hall.distributor.told(TalkStarted(call_id, 1, 1, agent, "support", self.clock.now()))
        return agent

    def hang_up(self, attempt: AttemptId, *, talked: bool = False) -> None:
        """The customer's call is over; `talked`: as the call itself knows."""
        call_id = call_id_of_attempt(attempt)
        self.running.discard(call_id)
        for agent in ("anne", "bruno"):
            facts = self.hall.distributor.floor.view(AgentId(agent), self.clock.monotonic())
            if facts is None or facts.call_id != call_id:
                continue
            if facts.state is AgentState.TALKING:
                self.hall.distributor.released(AgentId(agent), wrap_up=False)
            elif attempt not in self.held:
                self.hall.distributor.offer_ended(EntryId(call_id), AgentId(agent), OfferOutcome.CUSTOMER_LEFT)
        self.hall.distributor.leave(EntryId(call_id))
        self.exit.end(attempt, 16)
        self.dialler.over(call_id, talked=talked)

    # --- what is to be seen

    def request(self, request: Request) -> Request:
        return self.tables.requests[request.request_id]

    def outcomes(self, request: Request) -> list[Outcome | None]:
        return [each.outcome for each in self.tables.attempts.values() if each.request_id == request.request_id]

    async def ended(self, request: Request, state: RequestState) -> Request:
        await self.until(lambda: self.request(request).state is state)
        return self.request(request)

    def state(self, agent: str) -> AgentState:
        return self.hall.state(agent)


class _Alive:
    def __init__(self, office: Office) -> None:
        self._office = office

    def __contains__(self, name: object) -> bool:
        return name in self._office.running or self._office.dialler.holds(str(name))
