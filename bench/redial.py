"""How soon a customer is called once an agent is free, while very many ask to be: from the agent's BYE to the INVITE.

`python -m bench.redial [--open 100000] [--agents 6] [--seconds 40]`, or `python -m bench --only redial`. A whole
Rappel, as installed: Asterisk, Postgres with fsync, the controller in a process of its own, the gate of outbound
calls. The agents' telephones and the carrier's are of the bench. An agent hangs up; the time runs until the carrier
has the INVITE to the customer who is called for that agent. It holds the end of the old call, the matching, the
claim, what the gate reads and writes, both durable, and Asterisk's dialplan.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
import yaml

from bench import commandline, processes, report
from bench.callbacks import FILL_ROWS, fill
from controller.calls.enrolment import NewAgent, SipAccount, enrol
from controller.config import Config, Log
from controller.errors import SetupError
from controller.postgres import migrations
from controller.postgres.agents import PostgresAgents
from controller.postgres.store import PostgresStore
from controller.postgres.tokens import PostgresTokens
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.runtime.settings import Trunk
from controller.softphone.media import tone
from controller.softphone.message import Message
from controller.softphone.phone import IncomingCall, Phone
from controller.softphone.transaction import ServerTransaction
from controller.web.api.access import Scope, new_secret
from tests.rig import freeports
from tests.rig.agents import write_queues
from tests.rig.asterisk import Rig
from tests.rig.callees import CARRIER, Carrier, write_callbacks
from tests.rig.centre import Process, config_for, copy_centre

GOAL_P99_MS = 150.0
QUEUE = "support"
TALKS_S = (0.5, 1.5)
_NUMBERS = "+336123"  # and five digits: numbers of mobiles in France that the numbering plan has
_FLOW = """flow: rappel
start: conseiller
languages: [fr, en]
steps:
  conseiller: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}
  fin: {type: hangup}
"""
_LIMIT_S = 60.0
_POLL_S = 0.25
_OK = 200


@dataclass(frozen=True)
class Plan:
    """How many are to be called, by how many agents, for how long (seconds)."""

    open: int = 100_000
    agents: int = 6
    seconds: float = 40.0


@dataclass
class Seat:
    """An agent's telephone, which answers, talks for a moment and hangs up. `served`: whom, and when it was over."""

    dice: random.Random
    served: list[tuple[str, float]] = field(default_factory=list)

    async def handle(self, incoming: IncomingCall) -> None:
        """Take one call."""
        incoming.ring()
        if incoming.answer(tone(440)) and await incoming.call.wait_for(self.dice.uniform(*TALKS_S)):
            self.served.append((incoming.caller, time.monotonic()))
        await incoming.call.hangup()


class Customers(Carrier):
    """All customers' telephones: each answers at once. `called` says when whose INVITE came, the first of each."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address)
        self.called: dict[str, float] = {}
        self.does = self._answer

    def _on_invite(self, request: Message, transaction: ServerTransaction, remote: tuple[str, int]) -> None:
        number = request.uri.partition(":")[2].partition("@")[0]
        self.called.setdefault(number, time.monotonic())
        super()._on_invite(request, transaction, remote)

    async def _answer(self, incoming: IncomingCall) -> None:
        incoming.ring()
        call = incoming.answer(tone(700))
        if call is not None:
            await call.wait_ended(60)


def delays_of(served: Sequence[tuple[str, float]], called: dict[str, float]) -> list[float]:
    """Return the seconds from each end of an agent's call to the INVITE to the customer who came next."""
    return [called[number] - over for (_, over), (number, _) in pairwise(served) if number in called]


async def run(plan: Plan, results: Path, tell: Callable[[str], None]) -> None:
    """Measure, print, and write everything to a file in `results`."""
    load = processes.load_average()
    delays = [1000 * each for each in await _measure(plan, tell)]
    print(table(plan, delays))
    print(report.write(results, None, None, load=load, redial={"plan": asdict(plan), "delays_ms": delays}))


def table(plan: Plan, delays_ms: Sequence[float]) -> str:
    """Return what was measured in words."""
    ordered = sorted(delays_ms)
    if not ordered:
        return "nobody was called: is the machine busy?"
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    met = "met" if p99 < GOAL_P99_MS else "MISSED"
    return (
        f"{plan.open} open requests, {plan.agents} agents, {len(ordered)} calls: free → INVITE "
        f"p50 {ordered[len(ordered) // 2]:.1f}, p99 {p99:.1f}, worst {ordered[-1]:.1f} ms "
        f"(goal p99 {GOAL_P99_MS:.0f}: {met})"
    )


async def _measure(plan: Plan, tell: Callable[[str], None]) -> list[float]:
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rappel-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = PostgresServer(postgres_runtime.find(), folder / "postgres")
        stack.push_async_callback(server.stop)
        await server.start()
        dsn = await server.create_database("rappel")
        await migrations.upgrade(dsn)
        port = freeports.block()
        stack.callback(freeports.release, port)
        customers = await stack.enter_async_context(Customers((CARRIER, port)))
        rig = Rig(asterisk_runtime.fetch())
        stack.push_async_callback(rig.end)
        asterisk = await rig.boot(trunk=Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{port}"))
        config = config_for(asterisk, dsn, _centre(folder), folder / "cache")
        config.log = Log(format="json")
        store = PostgresStore(dsn)
        stack.push_async_callback(store.close)
        tell(f"writing {plan.open} requests")
        for first in range(0, plan.open, FILL_ROWS):
            await fill(await store.pool(), range(first, min(plan.open, first + FILL_ROWS)), (QUEUE,), _NUMBERS)
        tell("agents log in and call")
        seats = await _serve(plan, config, asterisk, store, stack, folder)
    return [delay for seat in seats for delay in delays_of(seat.served, customers.called)]


async def _serve(
    plan: Plan, config: Config, asterisk: AsteriskServer, store: PostgresStore, stack: AsyncExitStack, folder: Path
) -> list[Seat]:
    """Let agents serve those who are called; return what each of them did."""
    names = [
        NewAgent(agent=f"a{n}", name=f"A{n}", extension=str(3000 + n), queues={QUEUE: 1}) for n in range(plan.agents)
    ]
    accounts = await enrol(PostgresAgents(store), names)
    text, digest = new_secret()
    await PostgresTokens(store).create(digest, "bench", [Scope.AGENTS_ACT.value], None, None)
    process = Process(config, folder / "controller.log")
    await process.start()
    stack.push_async_callback(_end, process)
    base = f"http://127.0.0.1:{config.web.port}"
    headers = {"Authorization": f"Bearer {text}"}
    session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    await _ready(session, base, folder)
    await _known(asterisk, accounts)
    seats = [await stack.enter_async_context(_seated(asterisk, account)) for account in accounts]
    for account in accounts:
        async with session.post(f"{base}/api/v1/agents/{account.agent}/login") as answer:
            if answer.status >= 400:  # noqa: PLR2004 - an error
                raise SetupError(f"{account.agent} cannot log in: {answer.status} {(await answer.text())[:200]}")
    await asyncio.sleep(plan.seconds)
    return seats


def _centre(folder: Path) -> Path:
    """Write a centre whose customers are put through without pressing a key."""
    target = folder / "centre"
    target.mkdir()
    copy_centre(target)
    write_queues(target, {QUEUE: {}})
    write_callbacks(target, QUEUE)
    (target / "rappel.yaml").write_text(_FLOW, "utf-8")
    path = target / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["outbound"]["ceilings"] = {"hour": 100_000, "day": 100_000, "number": 100, "calls": 1000}
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")
    return target


async def _end(process: Process) -> None:
    process.kill()
    await process.ended()


async def _ready(session: aiohttp.ClientSession, base: str, folder: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{base}/readyz") as answer:
                        if answer.status == _OK:
                            return
                await asyncio.sleep(_POLL_S)
    said = (folder / "controller.log").read_text("utf-8", "replace")[-2000:]
    raise SetupError(f"the controller is not ready after {_LIMIT_S:.0f} s; it said:\n{said}")


async def _known(asterisk: AsteriskServer, accounts: Sequence[SipAccount]) -> None:
    """Wait until Asterisk has the agents' accounts."""
    async with asyncio.timeout(_LIMIT_S):
        while True:
            said = await asterisk.cli("pjsip show endpoints")
            if all(account.username in said for account in accounts):
                return
            await asyncio.sleep(_POLL_S)


@contextlib.asynccontextmanager
async def _seated(asterisk: AsteriskServer, account: SipAccount) -> AsyncIterator[Seat]:
    """Register an agent's telephone."""
    seat = Seat(random.Random(account.username))
    async with Phone(user=account.username, password=account.password, on_call=seat.handle) as phone:
        status = await phone.register(f"sip:127.0.0.1:{asterisk.settings.sip_port}")
        if status != _OK:
            raise SetupError(f"{account.username} cannot register: {status}")
        yield seat


def _main() -> int:
    parser = commandline.parser("bench.redial", __doc__)
    parser.add_argument("--open", type=int, default=Plan.open)
    parser.add_argument("--agents", type=int, default=Plan.agents)
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    options = parser.parse_args()
    plan = Plan(options.open, options.agents, options.seconds)
    return commandline.run(run(plan, options.results, commandline.tell))


if __name__ == "__main__":
    sys.exit(_main())
