"""The distribution of one controller: its floor, fed with what happens, and everybody told what follows.

Everything here happens in the loop's own turns; nothing waits but the tasks that read the database. What must
survive the controller is in two small files of the state folder: accounts (`agents.json`) and what agents mean to do,
the day's figures and parking slots (`distribution.json`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from controller.acd.floor import Floor
from controller.acd.model import AgentAccount, AgentId, AgentState, Entry, EntryId, EntryKind, OfferOutcome, Refused
from controller.calls.asks import Assigned, QueueClosed, Withdrawn
from controller.calls.desk import TalkView
from controller.calls.distribution.accounts import Accounts
from controller.calls.distribution.agentnews import AgentNews
from controller.calls.distribution.broadcast import Broadcast
from controller.calls.distribution.ghosts import GhostWatch
from controller.calls.distribution.holding import Holding
from controller.calls.distribution.keptstate import KeptState
from controller.calls.distribution.learning import learn_past
from controller.calls.distribution.ledger import Ledger
from controller.calls.distribution.matcher import Deliver, Matcher, wall
from controller.calls.distribution.parking import Parking
from controller.calls.distribution.statefile import StateFile
from controller.calls.distribution.talks import Talks
from controller.cdr.entries import DistributionEntry
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.ports import AgentDirectory, Clock, Devices, DeviceState, History, Recorder
from controller.switchboard import Ask

log = structlog.get_logger(__name__)

HELD_S = 0.5
"""After Asterisk's calls are known, those who waited before have so long to take their places before any match."""
ALONE_S = 5.0
"""So long Asterisk's word on an agent's phone is waited for; then the agent's state is told without it."""
SWEEP_S = 2.0
"""How often it is looked whether the calls that hold agents and places still run."""


class Distributor:
    """Implements `Places`; `controller.calls.distribution.floordesk.FloorDesk` is the `Desk` over it.

    `start`, then `use` with each further release that comes into force, `settled` whenever Asterisk's calls are
    known; `stop` at the end. `alive` says whether a call still runs; what calls change is on disk
    `keep_after_s` later at the latest, what people change at the end of the turn.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        clock: Clock,
        directory: AgentDirectory,
        devices: Devices,
        history: History,
        state_dir: Path,
        alive: Callable[[str], bool],
        keep_after_s: float = 0.1,
    ) -> None:
        self._recorder = recorder
        self._devices = devices
        self._history = history
        self._alive = alive
        self.clock = clock
        self.floor = Floor()
        self.matcher = Matcher(self.floor, clock, self._turned)
        self.accounts = Accounts(directory, devices, state_dir, self._accounts_changed)
        self.ledger = Ledger()
        self.parking = Parking()
        self.broadcast = Broadcast()
        self.ghosts = GhostWatch(self.floor, alive)
        self.holding = Holding(self.floor, clock, self._held_changed)
        self.listeners: list[Callable[[DistributionEntry], None]] = []
        """Called with each entry after it is recorded."""
        self.release: Release | None = None
        """The version of the centre in force."""
        self.talks = Talks()
        self._file = StateFile(state_dir / "distribution.json", KeptState, self._kept, delay_s=keep_after_s)
        self._seen: dict[str, DeviceState] = {}
        self._news = AgentNews(
            self.floor,
            clock,
            self.told,
            known=self._is_known,
            again=lambda delay_s: self._later(delay_s, self._changed),
        )
        self._began_at = clock.now()
        self._settled = False
        self._quiet = True
        self._resumed = False
        self._tasks: list[asyncio.Task[None]] = []

    # --- life -----------------------------------------------------------------------------------------------

    def start(self, release: Release) -> None:
        """Take up what an earlier controller kept, and follow accounts and devices from now on."""
        self.use(release)
        kept = self._file.load()
        if kept is not None:
            age_s = max((self.clock.now() - kept.at).total_seconds(), 0.0)
            self.floor.restore(kept.floor, self.clock.monotonic(), age_s=age_s)
            self.ledger.restore(kept.ledger)
            self._news.restore(kept.told)
            self.holding.restore(kept.held)
            for call_id, slot in kept.parked.items():
                self.parking.take(call_id, slot)
        self.accounts.load()
        self.holding.again()
        self._devices.watch(self._device_changed)
        self._tasks = [
            asyncio.create_task(self.accounts.watch(), name="agents-accounts"),
            asyncio.create_task(
                learn_past(self._history, release, self.ledger, self.talks.recent, self.clock),
                name="distribution-history",
            ),
            asyncio.create_task(self._sweep(), name="distribution-sweep"),
        ]
        self._later(ALONE_S, self._speak)

    async def stop(self) -> None:
        """Write down what must survive; agents, places and calls stay as they are for the next controller."""
        self.matcher.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._file.close()
        self.broadcast.close()

    def use(self, release: Release) -> None:
        """Go by the queues of `release` from now on; who waits in one that it has not, is told so."""
        self.release = release
        rules = {name: plan.rules for name, plan in release.queues.items()}
        self.ledger.use(release.zone)
        for entry in self.floor.set_queues(rules.values(), self.clock.monotonic()):
            self.matcher.tell(entry, QueueClosed())
            self.matcher.forget(entry)
        self._changed()

    def settled(self, unseen: Collection[str] = ()) -> None:
        """Asterisk's calls are known, and those of an earlier controller are being taken up.

        `unseen`: calls that ended while no controller was there, and whose end is in the record by now.
        """
        for entry in self.ledger.left_open(unseen, self.clock.now()):
            self.told(entry)
        if not self._settled:
            self._settled = True
            self._later(HELD_S, self._let_go)
            self._later(2 * SWEEP_S, self._all_resumed)

    # --- Places ---------------------------------------------------------------------------------------------

    def enter(self, entry: Entry, deliver: Deliver, *, wait_s: float) -> Refused | None:
        """See `Places.enter`."""
        now = self.clock.monotonic()
        waited_s = max((self.clock.now() - entry.entered_at).total_seconds(), 0.0)
        called = entry.kind is EntryKind.CALLBACK or self.holding.holds(entry.entry)  # in their own hours
        returning = not self._resumed and entry.entered_at < self._began_at
        if not returning and not called and not self.is_open(entry.queue):
            return Refused("queue_closed", f"The queue {entry.queue} is closed now.", "Try again when it is open.")
        refused = self.floor.enter(entry, now, waited_s=waited_s, wait_s=wait_s)
        if refused is None:
            self.matcher.expect(entry.entry, deliver)
            self._offer_held(entry.entry)
            self._changed()
        return refused

    def _offer_held(self, entry: EntryId) -> None:
        """A customer whom we have called is there: the agent who was held for them is offered the call at once."""
        held = self.holding.take(entry)
        account = self.floor.account(held.agent) if held is not None else None
        if held is not None and account is not None:
            self.matcher.offers += 1
            self.matcher.tell(entry, Assigned((account,), held.queue, leg=held.leg))

    def withdraw(self, entry: EntryId) -> None:
        """Take a call-back out of the line: it is not for us, or not for now. Nobody has lost patience."""
        self.floor.leave(entry, self.clock.monotonic(), abandoned=False)
        self.matcher.forget(entry)
        self._changed()

    def leave(self, entry: EntryId) -> None:
        """See `Places.leave`."""
        self.floor.leave(entry, self.clock.monotonic())
        self.matcher.forget(entry)
        self._changed()

    def position(self, entry: EntryId) -> int:
        """See `Places.position`."""
        return self.floor.position(entry)

    def estimate_s(self, entry: EntryId) -> float | None:
        """See `Places.estimate_s`."""
        return self.floor.estimate_s(entry)

    def staffed(self, queue: str) -> bool:
        """See `Places.staffed`."""
        return self.floor.staffed(queue)

    def offer_ended(self, entry: EntryId, agent: AgentId, outcome: OfferOutcome) -> None:
        """See `Places.offer_ended`."""
        self.floor.offer_ended(entry, agent, outcome, self.clock.monotonic())
        self._changed()

    def connected(self, entry: EntryId, agent: AgentId) -> None:
        """See `Places.connected`."""
        others = self.floor.connected(entry, agent, self.clock.monotonic())
        if others:
            self.matcher.tell(entry, Withdrawn(frozenset(others)))
        self.matcher.forget(entry)
        self._changed()

    def reserve(self, agent: AgentId, call_id: str, queue: str) -> Refused | None:
        """See `Places.reserve`."""
        refused = self.floor.reserve(agent, call_id, queue, self.clock.monotonic())
        self._changed()
        return refused

    def talking(self, agent: AgentId, call_id: str, queue: str) -> None:
        """See `Places.talking`."""
        self.floor.talking(agent, call_id, queue, self.clock.monotonic())
        self._changed()

    def released(self, agent: AgentId, *, wrap_up: bool) -> None:
        """See `Places.released`."""
        self.floor.released(agent, self.clock.monotonic(), wrap_up=wrap_up)
        self._changed()

    def account(self, agent: AgentId) -> AgentAccount | None:
        """See `Places.account`."""
        return self.floor.account(agent)

    def last_agent(self, number: str, queue: str) -> AgentId | None:
        """See `Places.last_agent`."""
        plan = self.plan(queue)
        if plan is None or plan.rules.sticky_within_s <= 0:
            return None
        since = self.clock.now() - timedelta(seconds=plan.rules.sticky_within_s)
        return self.talks.recent.last(number, queue, since=since)

    def talk(self, view: TalkView | None, call_id: str, deliver: Deliver) -> None:
        """See `Places.talk`."""
        if view is not None and view.parked_slot:
            self.parking.take(call_id, view.parked_slot)
        self.talks.note(view, call_id, deliver, self.clock.now())

    def park(self, call_id: str) -> int:
        """See `Places.park`."""
        slot = self.parking.park(call_id)
        self._file.soon()
        return slot

    def unpark(self, call_id: str) -> None:
        """See `Places.unpark`."""
        self.parking.unpark(call_id)
        self._file.soon()

    def told(self, entry: DistributionEntry) -> None:
        """See `Places.told`."""
        self._recorder.record(entry)
        for listener in self.listeners:
            listener(entry)
        told = self.ledger.note(entry)
        if told.kind:
            data = msgspec.to_builtins(entry) if self.broadcast.readers else {}
            call_id = getattr(entry, "call_id", "")
            self.broadcast.publish(
                entry.at, told.kind, queue=told.queue, agent=told.agent, call_id=call_id, data=data
            )
        self._file.soon()

    # --- what the desk and the pages ask --------------------------------------------------------------------

    def plan(self, queue: str) -> QueuePlan | None:
        """Return a queue of the release in force."""
        return self.release.queues.get(queue) if self.release is not None else None

    def serving(self, queue: str) -> int:
        """Return how many agents there are, at work or not, who serve a queue."""
        return sum(each.enabled and queue in each.queues for each in self.accounts.by_id.values())

    def is_open(self, queue: str) -> bool:
        """Tell whether the queue takes callers now; one that is not known does not say that it is closed."""
        plan = self.plan(queue)
        if plan is None or self.release is None or not plan.calendar:
            return True
        return self.release.calendars[plan.calendar].status(self.clock.now()) == "open"

    def waits(self, call_id: str) -> bool:
        """Tell whether a call waits."""
        return self.matcher.expects(EntryId(call_id))

    def tell_waiting(self, call_id: str, ask: Ask) -> bool:
        """Put `ask` to a call that waits; False when that cannot be done."""
        return self.matcher.tell(EntryId(call_id), ask)

    def talked_in(self, call_id: str, agent: AgentId) -> str | None:
        """Return the queue by which the agent talks, or talked lately, in a call; None if neither."""
        facts = self.floor.view(agent, self.clock.monotonic())
        if facts is not None and facts.call_id == call_id and facts.state is not AgentState.OFFERED:
            return facts.queue
        return self.talks.queue_of(call_id, agent)

    def wall(self, at: float) -> datetime:
        """Return the time of day of a time on the floor's clock."""
        return wall(self.clock, at)

    @property
    def not_kept(self) -> str:
        """Why a restart would not find everything as it is; empty when it would."""
        return self._file.broken or self.accounts.not_kept

    def acted(self, by: str) -> None:
        """Somebody changed what an agent means to do: told, kept and matched at once."""
        self._news.tell(by)
        self._file.now()
        self.matcher.stir()

    # --- what happens outside -------------------------------------------------------------------------------

    def _accounts_changed(self, accounts: Mapping[AgentId, AgentAccount]) -> None:
        self.floor.set_accounts(accounts.values(), self.clock.monotonic())
        for account in accounts.values():
            self._apply(account.agent, self._seen.get(account.extension))
        self._changed()

    def _device_changed(self, state: DeviceState) -> None:
        self._seen[state.endpoint] = state
        agent = self.accounts.by_extension(state.endpoint)
        if agent is not None:
            self._apply(agent, state)
            self._changed()

    def _apply(self, agent: AgentId, state: DeviceState | None) -> None:
        """Whether the device is in one of our own calls does not matter: an engagement hides that it is busy."""
        reachable, busy = (False, False) if state is None else (state.reachable, bool(state.channels))
        self.floor.device(agent, reachable=reachable, busy=busy, now=self.clock.monotonic())

    # --- turns ----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.matcher.stir()

    def _held_changed(self) -> None:
        self._file.now()
        self.matcher.stir()

    def _turned(self) -> None:
        """A turn of matching is over: tell who is doing something else now."""
        if self._news.tell("rule"):
            self._file.now()

    # --- after a start --------------------------------------------------------------------------------------

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, work)

    def _changed_after(self, delay_s: float) -> None:
        self._later(delay_s, self._changed)

    def _let_go(self) -> None:
        self.matcher.held = False
        self._changed()

    def _speak(self) -> None:
        self._quiet = False
        self._changed()

    def _is_known(self, agent: AgentId) -> bool:
        """Tell whether the agent's state is more than a step on the way to what it is, just after a start."""
        account = self.floor.account(agent)
        seen = account is not None and account.extension in self._seen
        return not self._quiet or (seen and not self.matcher.held)

    def _all_resumed(self) -> None:
        """Whoever was going to come back has."""
        self._resumed = True
        self.ledger.forget(self._alive)

    async def _sweep(self) -> None:
        """Free what calls that do not run hold, for ever."""
        while True:
            await asyncio.sleep(SWEEP_S)
            if self._settled:
                try:
                    self._free_ghosts()
                except Exception:  # a bug here must not end the sweeping
                    log.exception("distribution.sweep_failed")

    def _free_ghosts(self) -> None:
        now = self.clock.monotonic()
        calls = {*self.matcher.waiting(), *self.talks.running, *self.parking.slots()}
        for ghost in self.ghosts.look(calls, now):
            log.error("distribution.ghost_freed", agent=ghost.agent or None, call_id=ghost.call_id)
            if ghost.agent:
                self.released(AgentId(ghost.agent), wrap_up=False)
            else:
                self.leave(EntryId(ghost.call_id))
                self.talks.running.pop(ghost.call_id, None)
                self.unpark(ghost.call_id)

    # --- what is kept ---------------------------------------------------------------------------------------

    def _kept(self) -> KeptState:
        return KeptState(
            at=self.clock.now(),
            floor=self.floor.snapshot(self.clock.monotonic()),
            ledger=self.ledger.kept(),
            parked=self.parking.slots(),
            told=self._news.kept(),
            held=self.holding.kept(),
        )
