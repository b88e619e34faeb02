"""How soon an agent's phone rings once the agent is free and somebody waits: Rappel, and Asterisk's own app_queue.

`python -m bench.connect [--waiting 500] [--agents 8] [--seconds 60]`, or `python -m bench --only connect`. Both have
the same Asterisk, the same phones and the same crowd: SIPp callers who hear Asterisk's music in the codec in which it
lies on the disk, and say nothing. Whoever is served makes room for the next one, so that the line keeps its length.
The time runs, at the agent's phone, from the BYE that ends a call to the INVITE of the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp

from bench import commandline, processes, report
from bench.contenders import Contender, make
from bench.stand import HERE, Stand, stand
from controller.calls.enrolment import NewAgent, SipAccount, enrol
from controller.errors import SetupError
from controller.postgres.agents import PostgresAgents
from controller.postgres.store import PostgresStore
from controller.postgres.tokens import PostgresTokens
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone
from controller.web.api.access import Scope, new_secret
from tests.rig import freeports

GOAL_P99_MS = 100.0
QUEUE_NUMBER, NATIVE_NUMBER = "2100", "appqueue"
RINGS_S, TALKS_S = 0.2, (0.5, 1.5)
_QUEUE = """
queues:
  file:
    title: The line
    ring: 20s
    wrap_up: 0s
    wait: 4h
    news: {position: false, estimate: false}
"""
_FLOW = """flow: line
start: wait
languages: [en]
human_exit: {none: "measured, not called by people"}
steps:
  wait: {type: queue, queue: file, next: end, timeout: end, full: end, closed: end, failed: end}
  end: {type: hangup}
"""
_DIALPLAN = f"""
[from-trunk](+)
exten => {NATIVE_NUMBER},1,Answer()
 same => n,Queue(bench)
 same => n,Hangup()
"""
_QUEUES_CONF = """[general]
autofill = yes
[bench]
strategy = leastrecent
musicclass = default
timeout = 20
retry = 1
wrapuptime = 0
ringinuse = no
joinempty = yes
announce-frequency = 0
announce-holdtime = no
"""
_COMING_A_SECOND = 40
_LIMIT_S = 90.0
_POLL_S = 0.25
_OK = 200


@dataclass(frozen=True)
class Plan:
    """How many wait, who serves them, how long (seconds), and whether those who wait hear music or nothing."""

    waiting: int = 500
    agents: int = 8
    seconds: float = 60.0
    music: bool = True


@dataclass
class Turn:
    """What one turn gave: every delay in ms; CPU as parts of one core, while all wait and while agents serve."""

    contender: str
    music: bool
    load: float
    delays_ms: list[float]
    waiting: int
    asterisk_waiting: float
    asterisk_serving: float
    controller_waiting: float
    controller_serving: float


@dataclass
class Seat:
    """An agent's phone, which answers, talks for a moment and hangs up. `delays` are seconds from BYE to INVITE."""

    dice: random.Random
    delays: list[float] = field(default_factory=list)
    serving: bool = False
    _free_at: float = 0.0

    async def handle(self, incoming: IncomingCall) -> None:
        """Take one call."""
        rang_at = time.monotonic()
        incoming.ring()
        if self._free_at and self.serving:
            self.delays.append(rang_at - self._free_at)
        self._free_at = 0.0
        if await incoming.call.wait_for(RINGS_S) and incoming.answer(tone(440)):
            await incoming.call.wait_for(self.dice.uniform(*TALKS_S))
        self._free_at = time.monotonic()
        await incoming.call.hangup()


class Callers:
    """SIPp: as many callers as are wanted, at any moment."""

    def __init__(self, stand: Stand, number: str, at_once: int) -> None:
        self._stand = stand
        self._number = number
        self._at_once = at_once

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call, and end it all."""
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # full at once: what comes is dropped
        sink.bind(("127.0.0.1", 0))
        local = freeports.block()
        words = [
            *self._stand.sipp.command,
            *(f"127.0.0.1:{self._stand.sip_port}", "-s", self._number, "-sf", str(HERE / "waits.xml")),
            *("-i", "127.0.0.1", "-p", str(local), "-key", "sink", str(sink.getsockname()[1])),
            *("-l", str(self._at_once), "-r", str(_COMING_A_SECOND), "-m", "1000000", "-nostdin"),
        ]
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._stand.folder,
            env={**os.environ, "TERM": "dumb", **self._stand.sipp.environment},
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await self._stand.asterisk.cli("channel request hangup all")
            await self._stand.settle()
            freeports.release(local)
            sink.close()


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(_LIMIT_S):
            while not await condition():  # noqa: ASYNC110 - another process
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise SetupError(f"{what}: not within {_LIMIT_S:.0f} s; is the machine busy?") from None


# --- the two ways -----------------------------------------------------------------------------------------------


class Native:
    """Agents are members of a queue of app_queue."""

    name, number, pid = "app_queue", NATIVE_NUMBER, 0

    def __init__(self, stand: Stand, accounts: list[SipAccount]) -> None:
        self._stand = stand
        self._accounts = accounts

    async def start(self) -> None:
        """Load the module with its queue."""
        etc = self._stand.asterisk.paths.etc
        (etc / "queues.conf").write_text(_QUEUES_CONF, "utf-8")
        with (etc / "extensions.conf").open("a", encoding="utf-8") as file:
            file.write(_DIALPLAN)
        said = await self._stand.asterisk.cli("module load app_queue.so")
        await self._stand.asterisk.cli("dialplan reload")
        if "Unable" in said:
            raise SetupError(f"app_queue cannot be loaded: {said.strip()[-200:]}")

    async def staff(self, *, on: bool) -> None:
        """Let the agents begin, or stop."""
        for account in self._accounts:
            words = (
                f"queue {'add' if on else 'remove'} member PJSIP/{account.username} {'to' if on else 'from'} bench"
            )
            await self._stand.asterisk.cli(words)

    async def waiting(self) -> int:
        """Return how many wait."""
        lines = (await self._stand.asterisk.cli("queue show bench")).splitlines()
        return sum("(wait:" in line for line in lines)

    async def stop(self) -> None:
        """Unload the module."""
        await self._stand.asterisk.cli("module unload app_queue.so")


class Rappel:
    """Agents log in at the controller, by its API."""

    name, number = "Rappel", QUEUE_NUMBER

    def __init__(self, contender: Contender, session: aiohttp.ClientSession, accounts: list[SipAccount]) -> None:
        self._contender = contender
        self._session = session
        self._accounts = accounts
        self._base = f"http://127.0.0.1:{contender.web_port}/api/v1"

    @property
    def pid(self) -> int:
        """The controller's process."""
        return self._contender.program.pid if self._contender.program else 0

    async def start(self) -> None:
        """Start the controller and wait until it serves."""
        await self._contender.start()

    async def staff(self, *, on: bool) -> None:
        """Let the agents begin, or stop."""
        for account in self._accounts:
            await self._ask("POST", f"/agents/{account.agent}/{'login' if on else 'logout'}")

    async def waiting(self) -> int:
        """Return how many wait."""
        async with self._session.get(f"{self._base}/queues/file") as answer:
            return int((await answer.json())["waiting"]) if answer.status == _OK else 0

    async def stop(self) -> None:
        """End the controller."""
        await self._contender.stop()

    async def _ask(self, method: str, path: str) -> None:
        async with self._session.request(method, self._base + path) as answer:
            if answer.status >= 400 and "logout" not in path:  # noqa: PLR2004 - an error; who talks cannot log out
                raise SetupError(f"{path}: {answer.status} {(await answer.text())[:200]}")


async def _turn(stand: Stand, way: Native | Rappel, seats: list[Seat], plan: Plan) -> Turn:
    callers = Callers(stand, way.number, plan.waiting + plan.agents)

    async def all_wait() -> bool:
        return await way.waiting() >= plan.waiting

    async with callers.calling():
        await _until(all_wait, f"{plan.waiting} callers wait for {way.name}")
        quiet = await _cpu(stand, way.pid, asyncio.sleep(5))
        for seat in seats:
            seat.delays, seat.serving = [], True
        await way.staff(on=True)
        busy = await _cpu(stand, way.pid, asyncio.sleep(plan.seconds))
        waiting = await way.waiting()
        for seat in seats:
            seat.serving = False
        await way.staff(on=False)
    return Turn(
        contender=way.name,
        music=plan.music,
        load=processes.load_average(),
        delays_ms=[delay * 1000 for seat in seats for delay in seat.delays],
        waiting=waiting,
        asterisk_waiting=quiet[0],
        asterisk_serving=busy[0],
        controller_waiting=quiet[1],
        controller_serving=busy[1],
    )


async def _cpu(stand: Stand, pid: int, work: Awaitable[None]) -> tuple[float, float]:
    """Return the parts of a core that Asterisk and the controller use during `work`."""

    def used() -> tuple[float, float]:
        return processes.cpu_ms(stand.asterisk_pid), processes.cpu_ms(pid) if pid else 0.0

    began, before = time.monotonic(), used()
    await work
    lasted_ms = (time.monotonic() - began) * 1000
    asterisk, controller = (after - was for after, was in zip(used(), before, strict=True))
    return asterisk / lasted_ms, controller / lasted_ms


async def measure(ready: Stand, plan: Plan, rounds: int, tell: Callable[[str], None]) -> list[Turn]:
    """Measure both in turns."""
    _write_centre(ready)
    if not plan.music:
        (ready.asterisk.paths.etc / "musiconhold.conf").write_text("[general]\n", "utf-8")
        await ready.asterisk.cli("moh reload")
    contender = make("rappel-ari", ready)
    store = PostgresStore(ready.config.postgres.url)
    turns: list[Turn] = []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        names = [
            NewAgent(agent=f"a{n}", name=f"A{n}", extension=str(3000 + n), queues={"file": 1})
            for n in range(plan.agents)
        ]
        accounts = await enrol(PostgresAgents(store), names)
        text, digest = new_secret()
        scopes = [Scope.AGENTS_ACT.value, Scope.QUEUES_READ.value]
        await PostgresTokens(store).create(digest, "bench", scopes, None, None)
        headers = {"Authorization": f"Bearer {text}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        rappel, native = Rappel(contender, session, accounts), Native(ready, accounts)
        await rappel.start()  # once before all turns: it brings the agents' accounts to Asterisk
        seats = [await stack.enter_async_context(_seated(ready, account)) for account in accounts]
        await rappel.stop()
        for _ in range(rounds):
            for way in (rappel, native):
                await way.start()
                try:
                    turns.append(await _turn(ready, way, seats, plan))
                finally:
                    await way.stop()
                tell(_line(turns[-1]))
    return turns


def _write_centre(ready: Stand) -> None:
    centre = Path(ready.config.centre.folder)
    (centre / "line.yaml").write_text(_FLOW, "utf-8")
    path = centre / "centre.yaml"
    text = path.read_text("utf-8").replace("numbers:\n", f"numbers:\n  {QUEUE_NUMBER}: {{flow: line}}\n")
    path.write_text(text + _QUEUE, "utf-8")


@contextlib.asynccontextmanager
async def _seated(ready: Stand, account: SipAccount) -> AsyncIterator[Seat]:
    """Register an agent's phone."""
    seat = Seat(random.Random(account.username))
    async with Phone(user=account.username, password=account.password, on_call=seat.handle) as phone:

        async def registered() -> bool:
            return await phone.register(f"sip:127.0.0.1:{ready.sip_port}") == _OK

        await _until(registered, f"the phone of {account.username} registers")
        yield seat


def table(turns: list[Turn]) -> str:
    """Return the figures as a table, the delays of all rounds together."""
    lines = [
        "| | calls | free→rings p50 / p99 / worst, ms | part of a core: Asterisk waiting / serving | controller |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(turn.contender for turn in turns):
        own = [turn for turn in turns if turn.contender == name]
        delays = [delay for turn in own for delay in turn.delays_ms]
        p50, p99 = report.percentile(delays, 0.5), report.percentile(delays, 0.99)
        parts = [sum(getattr(turn, key) for turn in own) / len(own) for key in _PARTS]
        lines.append(
            f"| {name} | {len(delays)} | {p50:.1f} / {p99:.1f} / {max(delays, default=0.0):.1f} |"
            f" {parts[0]:.2f} / {parts[1]:.2f} | {parts[2]:.3f} / {parts[3]:.3f} |"
        )
    return "\n".join(lines)


_PARTS = ("asterisk_waiting", "asterisk_serving", "controller_waiting", "controller_serving")


def verdict(turns: list[Turn]) -> str:
    """Return how Rappel compares, and whether the goal is met."""
    found = {
        name: [delay for turn in turns if turn.contender == name for delay in turn.delays_ms]
        for name in (Rappel.name, Native.name)
    }
    p99 = report.percentile(found[Rappel.name], 0.99)
    ratio = report.percentile(found[Rappel.name], 0.5) / report.percentile(found[Native.name], 0.5)
    met = "met   " if p99 < GOAL_P99_MS else "MISSED"
    return f"{met}  p99 {p99:.1f} ms (goal {GOAL_P99_MS:.0f}); median {ratio:.3f} of app_queue's"


def _line(turn: Turn) -> str:
    p50, p99 = report.percentile(turn.delays_ms, 0.5), report.percentile(turn.delays_ms, 0.99)
    found = f"{len(turn.delays_ms)} calls, {p50:.1f} / {p99:.1f} ms, {turn.waiting} waiting, load {turn.load:.1f}"
    return f"{turn.contender}: {found}"


async def run(plan: Plan, rounds: int, results: Path, tell: Callable[[str], None]) -> None:
    """Measure, print, and write everything to a file in `results`."""
    load = processes.load_average()
    async with stand(rtp_timeout_s=3600) as ready:
        turns = await measure(ready, plan, rounds, tell)
    print(table(turns))
    print("\n" + verdict(turns))
    print(report.write(results, None, None, load=load, connect=[asdict(turn) for turn in turns]))


def _main() -> int:
    parser = commandline.parser("bench.connect", __doc__)
    parser.add_argument("--waiting", type=int, default=Plan.waiting)
    parser.add_argument("--agents", type=int, default=Plan.agents)
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument(
        "--silent", action="store_true", help="those who wait hear nothing: Asterisk is idle meanwhile"
    )
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(options.waiting, options.agents, options.seconds, music=not options.silent)
    return commandline.run(run(plan, options.rounds, options.results, commandline.tell))


if __name__ == "__main__":
    sys.exit(_main())
