"""A distributor with everything around it played by fakes, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from controller.acd.model import AgentAccount, AgentId, AgentState, Entry, EntryId, Queue, Refused
from controller.calls.asks import Assigned
from controller.calls.distribution.distributor import HELD_S, Distributor
from controller.calls.distribution.floordesk import FloorDesk
from controller.cdr.entries import AgentChanged
from controller.errors import StoreError
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.ports import AgentSecret, DeviceSettings, DeviceState, ExpiredAudio, LastTalk, QueueDay
from controller.switchboard import Ask
from tests.rig.virtualtime import VirtualClock, turns

T = TypeVar("T")


class Opening:
    """A calendar that is open or not."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open

    def status(self, at: datetime) -> str:
        return "open" if self.is_open else "closed"

    def next_open(self, at: datetime) -> datetime:
        return at if self.is_open else at + timedelta(hours=12)


def release(*queues: Queue, calendar: Opening | None = None) -> Release:
    """A centre with these queues; all in `calendar`, if there is one."""
    return Release(
        hash="test",
        title="Test",
        country="FR",
        zone="Europe/Paris",
        default_language="fr",
        numbers={},
        extensions={},
        calendars={"hours": calendar} if calendar else {},
        http_hosts=frozenset(),
        flows={},
        queues={queue.name: QueuePlan(rules=queue, calendar="hours" if calendar else "") for queue in queues},
    )


def account(agent: str, extension: str, *queues: str, **more: Any) -> AgentAccount:
    return AgentAccount(
        agent=AgentId(agent), name=agent.title(), extension=extension, queues=dict.fromkeys(queues, 1), **more
    )


class Recorder:
    def __init__(self) -> None:
        self.entries: list[Any] = []

    def record(self, *entries: Any) -> None:
        self.entries.extend(entries)

    def of(self, kind: type[T]) -> list[T]:
        return [each for each in self.entries if isinstance(each, kind)]

    def states(self, agent: str) -> list[str]:
        """What was recorded of an agent, in order."""
        return [each.state for each in self.of(AgentChanged) if each.agent == agent]


class Directory:
    """`AgentDirectory`: give `there` new accounts and call `tell`."""

    def __init__(self, *accounts: AgentAccount) -> None:
        self.there, self.away = list(accounts), False
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()

    async def accounts(self) -> Sequence[AgentAccount]:
        if self.away:
            raise StoreError("away")
        return self.there

    async def secrets(self) -> Sequence[AgentSecret]:
        return [AgentSecret(each.agent, f"ha1-{each.agent}") for each in self.there if each.enabled]

    async def put(self, accounts: Sequence[AgentAccount], secrets: Sequence[AgentSecret] = ()) -> None:
        raise AssertionError

    async def remove(self, agent: AgentId) -> bool:
        raise AssertionError

    async def changes(self) -> AsyncIterator[None]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield None


class Phones:
    """`Devices`: `plug` and `use` say how the phones are."""

    def __init__(self) -> None:
        self.wanted: list[DeviceSettings] = []
        self.lamps: dict[str, tuple[int, int]] = {}
        self._changed: Callable[[DeviceState], None] = lambda _: None

    def configure(self, wanted: Sequence[DeviceSettings]) -> None:
        self.wanted = list(wanted)

    def watch(self, changed: Callable[[DeviceState], None]) -> None:
        self._changed = changed

    def messages(self, mailbox: str, new: int, old: int) -> None:
        self.lamps[mailbox] = (new, old)

    def be(self, extension: str, *channels: str, reachable: bool = True) -> None:
        self._changed(DeviceState(extension, reachable, frozenset(channels)))


class Past:
    """`History`."""

    def __init__(self) -> None:
        self.away = False
        self.talks: list[LastTalk] = []
        self.days: list[QueueDay] = []
        self.boxes: dict[str, tuple[int, int]] = {}
        self.expired: list[ExpiredAudio] = []

    def _there(self) -> None:
        if self.away:
            raise StoreError("away")

    async def last_talks(self, since: datetime) -> Sequence[LastTalk]:
        self._there()
        return [talk for talk in self.talks if talk.ended_at >= since]

    async def day(self, since: datetime) -> Sequence[QueueDay]:
        self._there()
        return self.days

    async def mailboxes(self) -> Mapping[str, tuple[int, int]]:
        self._there()
        return self.boxes

    async def expired_audio(self, at: datetime, limit: int) -> Sequence[ExpiredAudio]:
        self._there()
        due, self.expired = self.expired[:limit], self.expired[limit:]
        return due


class Caller:
    """A call in the queues that keeps what it is told. `hang_up`: it takes nothing more."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.gone = False

    def deliver(self, ask: Ask) -> bool:
        if not self.gone:
            self.asks.append(ask)
        return not self.gone

    @property
    def rings(self) -> list[list[str]]:
        """Whom it was told to ring, ring by ring."""
        return [[agent.agent for agent in ask.agents] for ask in self.asks if isinstance(ask, Assigned)]

    def of(self, kind: type[T]) -> list[T]:
        return [ask for ask in self.asks if isinstance(ask, kind)]


class Hall:
    """The distributor. `calls` are those that run."""

    def __init__(
        self, folder: Path, centre: Release, *accounts: AgentAccount, directory: Directory | None = None
    ) -> None:
        self.clock, self.recorder, self.phones, self.past = VirtualClock(), Recorder(), Phones(), Past()
        self.directory = directory or Directory(*accounts)
        self.calls: set[str] = set()
        self.centre = centre
        self.distributor = Distributor(
            recorder=self.recorder,
            clock=self.clock,
            directory=self.directory,
            devices=self.phones,
            history=self.past,
            state_dir=folder,
            alive=self.calls.__contains__,
        )
        self.desk = FloorDesk(self.distributor)

    async def open(self, *, plugged: bool = True) -> Hall:
        """Start; all phones are there, and Asterisk's calls are known."""
        self.distributor.start(self.centre)
        await turns()
        if plugged:
            for each in self.distributor.accounts.by_id.values():
                self.phones.be(each.extension)
        self.distributor.settled()
        await asyncio.sleep(HELD_S + 0.1)
        return self

    def login(self, *agents: str) -> None:
        for agent in agents:
            assert self.desk.login(AgentId(agent), by=agent) is None

    def enter(self, call: str, queue: str, *, ago_s: float = 0.0, **more: Any) -> Caller | Refused:
        """A call takes a place, as entered `ago_s` ago."""
        self.calls.add(call)
        caller = Caller()
        entered_at = self.clock.now() - timedelta(seconds=ago_s)
        entry = Entry(entry=EntryId(call), queue=queue, entered_at=entered_at, **more)
        return self.distributor.enter(entry, caller.deliver, wait_s=900.0) or caller

    def caller(self, call: str, queue: str, **more: Any) -> Caller:
        found = self.enter(call, queue, **more)
        assert isinstance(found, Caller)
        return found

    def state(self, agent: str) -> AgentState:
        return next(view.state for view in self.desk.agents() if view.agent == agent)

    async def close(self) -> None:
        await self.distributor.stop()


def views(found: Sequence[msgspec.Struct], *fields: str) -> list[tuple[Any, ...]]:
    """Return some fields of each."""
    return [tuple(getattr(each, field) for field in fields) for each in found]
