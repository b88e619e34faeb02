"""Measures how soon a call has its agent: from *the agent is free* until the offer is in the call's stream.

`python -m bench.handout [--waiting 500] [--agents 100] [--rounds 2000]`. The real distribution on a real loop, with
its states kept on disk, and nobody at the telephones. Wall time, in milliseconds: use a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import structlog
import uvloop

from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, Queue, Rung
from controller.calls.asks import Assigned
from controller.calls.clock import SystemClock
from controller.calls.distribution.distributor import HELD_S, Distributor
from controller.calls.distribution.floordesk import FloorDesk
from controller.cdr.entries import Entry as RecordEntry
from controller.flow.queues import QueuePlan
from controller.flow.release import Release
from controller.ports import AgentSecret, DeviceSettings, DeviceState, ExpiredAudio, LastTalk, QueueDay
from controller.switchboard import Ask

QUEUES = (
    Queue(name="sales", wrap_up_s=0.0),
    Queue(name="support", wrap_up_s=0.0, rungs=(Rung({"technics": 3}, 60.0), Rung())),
)


class Outside:
    """Everything around the distribution: accounts, phones that are always there, a record nobody reads."""

    def __init__(self, agents: int) -> None:
        self._accounts = [
            AgentAccount(
                agent=AgentId(f"agent{number:04}"),
                name=f"Agent {number}",
                extension=str(20_000 + number),
                skills={"technics": 1 + number % 5},
                queues={"sales": 1, "support": 1},
            )
            for number in range(agents)
        ]
        self._changed: Callable[[DeviceState], None] = lambda _: None

    def record(self, *entries: RecordEntry) -> None:
        """Take entries."""

    async def accounts(self) -> Sequence[AgentAccount]:
        """Return the accounts."""
        return self._accounts

    async def secrets(self) -> Sequence[AgentSecret]:
        """Return none."""
        return ()

    async def put(self, accounts: Sequence[AgentAccount], secrets: Sequence[AgentSecret] = ()) -> None:
        """Take nothing."""

    async def remove(self, _: AgentId) -> bool:
        """Remove nobody."""
        return False

    async def changes(self) -> AsyncIterator[None]:
        """Never yield."""
        await asyncio.Event().wait()
        yield

    def configure(self, wanted: Sequence[DeviceSettings]) -> None:
        """Take the settings."""

    def watch(self, changed: Callable[[DeviceState], None]) -> None:
        """Say that all phones are there."""
        self._changed = changed

    def plug_in(self) -> None:
        """All phones are there."""
        for account in self._accounts:
            self._changed(DeviceState(account.extension, reachable=True))

    def messages(self, mailbox: str, new: int, old: int) -> None:
        """Light no lamp."""

    async def last_talks(self, _: datetime) -> Sequence[LastTalk]:
        """Return none."""
        return ()

    async def day(self, _: datetime) -> Sequence[QueueDay]:
        """Return none."""
        return ()

    async def mailboxes(self) -> Mapping[str, tuple[int, int]]:
        """Return none."""
        return {}

    async def expired_audio(self, _: datetime, limit: int) -> Sequence[ExpiredAudio]:
        """Return none."""
        return ()[:limit]


async def measure(waiting: int, agents: int, rounds: int, folder: Path) -> list[float]:
    """Return the times of `rounds` offers, sorted."""
    outside, clock, dice = Outside(agents), SystemClock(), random.Random(1)
    distributor = Distributor(
        recorder=outside,
        clock=clock,
        directory=outside,
        devices=outside,
        history=outside,
        state_dir=folder,
        alive=lambda _: True,
    )
    plans = {queue.name: QueuePlan(rules=queue) for queue in QUEUES}
    distributor.start(Release("bench", "", "FR", "Europe/Paris", "fr", {}, {}, {}, frozenset(), {}, queues=plans))
    await asyncio.sleep(0.1)
    outside.plug_in()
    desk = FloorDesk(distributor)
    for account in await outside.accounts():
        desk.login(account.agent, by="bench")
    distributor.settled()
    offered: asyncio.Queue[tuple[EntryId, AgentId, float]] = asyncio.Queue()
    talking: list[AgentId] = []

    def enter(number: int) -> None:
        entry = EntryId(f"call{number}")

        def deliver(ask: Ask) -> bool:
            if isinstance(ask, Assigned):
                offered.put_nowait((entry, ask.agents[0].agent, perf_counter()))
            return True

        ago = timedelta(seconds=dice.uniform(2.0, 300.0))
        needs = {"technics": dice.randint(1, 4)} if dice.random() < 0.5 else {}  # noqa: PLR2004 - every other one
        queue = dice.choice(QUEUES).name
        distributor.enter(
            Entry(entry=entry, queue=queue, entered_at=clock.now() - ago, needs=needs), deliver, wait_s=900.0
        )

    for number in range(waiting + agents):
        enter(number)
    for _ in range(agents):
        entry, agent, _at = await asyncio.wait_for(offered.get(), 2 * HELD_S + 5.0)
        distributor.connected(entry, agent)
        talking.append(agent)
    times = []
    for number in range(rounds):
        await asyncio.sleep(0.001)
        free = talking.pop(dice.randrange(len(talking)))
        began = perf_counter()
        distributor.released(free, wrap_up=True)
        entry, agent, at = await asyncio.wait_for(offered.get(), 5.0)
        times.append((at - began) * 1000)
        distributor.connected(entry, agent)
        talking.append(agent)
        enter(waiting + agents + number)
    await distributor.stop()
    return sorted(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=500)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2000)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        times = uvloop.run(measure(wanted.waiting, wanted.agents, wanted.rounds, Path(folder)))
    print(
        f"{wanted.waiting} waiting, {wanted.agents} agents: median {times[len(times) // 2]:.3f} ms, "
        f"p99 {times[len(times) * 99 // 100]:.3f} ms, most {times[-1]:.3f} ms of {len(times)} offers"
    )


if __name__ == "__main__":
    main()
