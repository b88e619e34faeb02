"""Measures the store of call-backs while very many are open: claims a second, and how long the line takes to read.

`python -m bench.callbacks [--open 100000] [--claims 4000] [--workers 10]`, or `python -m bench --only callbacks`. A
Postgres of its own, with fsync; nothing else of Rappel runs. A claim is the transaction that a dial waits for, by the
code and the statements of production.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import commandline, processes, report
from controller.acd.model import AgentId
from controller.callback.model import Attempt, AttemptId, NextStep, Outcome, RequestId, RequestState
from controller.calls.callback.store import Lease
from controller.errors import RappelError
from controller.outbound.model import Number
from controller.postgres import migrations
from controller.postgres.callbacks import MOST_LEASE_S, PostgresCallbacks
from controller.postgres.connection import Pool
from controller.postgres.store import PostgresStore
from controller.runtime import postgres as postgres_runtime
from controller.runtime.postgres import PostgresServer

QUEUES = 20
FILL_ROWS = 10_000
_FILL = """
insert into callback_requests (
    request_id, queue, number, "when", source, purpose, language, zone, created_at, entered_at, due_at, expires_at,
    first, priority, state, customer_name, customer_reason, consent_text, consent_version, consent_at, consent_ip,
    consent_call_id, page, campaign)
select lpad(to_hex(n), 32, '0')::uuid, ($3::text[])[1 + n % cardinality($3::text[])],
       $4::text || lpad(n::text, 5, '0'), 'asap', 'web', 'requested', 'fr', 'Europe/Paris', t, t,
       case when later then t + interval '1 day' else t end,
       t + interval '2 days', 'customer', n % 3, case when later then 'scheduled' else 'waiting' end,
       'Customer ' || n, 'About my order', 'Call me at this number about my request.', '1', t, '192.0.2.7', '',
       'https://shop.example/contact', 'winter'
from generate_series($1::integer, $2::integer - 1) n,
     lateral (select now() - make_interval(secs => (n * 7919) % 3600),
                     (n / cardinality($3::text[])) % 4 = 0) at(t, later)
"""
_LINE_INDEXES = ("callback_requests_elders", "callback_requests_line")


@dataclass(frozen=True)
class Plan:
    """How many requests are open, how many are claimed in each turn, and by how many workers at once."""

    open: int = 100_000
    claims: int = 4_000
    workers: int = 10
    looks: int = 50


@dataclass
class Turn:
    """One measurement: how many a second, how long one took, and the processor's time of both sides for it, ms."""

    what: str
    a_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


async def run(plan: Plan, results: Path, tell: Callable[[str], None]) -> None:
    """Measure, print, and write everything to a file in `results`."""
    load = processes.load_average()
    folder = Path(tempfile.mkdtemp(prefix="rappel-bench-"))
    server = PostgresServer(postgres_runtime.find(), folder / "postgres")
    try:
        await server.start()
        dsn = await server.create_database("rappel")
        await migrations.upgrade(dsn)
        turns = await _measure(plan, dsn, server, tell)
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(table(plan, turns))
    print(report.write(results, None, None, load=load, callbacks=[asdict(turn) for turn in turns]))


def table(plan: Plan, turns: Sequence[Turn]) -> str:
    """Return what was measured as a table."""
    lines = [
        f"{plan.open} open requests in {QUEUES} queues",
        "| | a second | p50 / p99 / worst, ms | CPU, ms |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {turn.what} | {turn.a_second:,.0f} | {turn.p50_ms:.2f} / {turn.p99_ms:.2f} / {turn.worst_ms:.2f} "
        f"| {turn.cpu_ms:.2f} |"
        for turn in turns
    ]
    return "\n".join(lines)


def turn_of(what: str, seconds: float, took: Sequence[float], cpu_ms: float) -> Turn:
    """Return the figures of a turn of `seconds` in which single ones `took` so many seconds each, and CPU in all."""
    ordered = sorted(took)
    return Turn(
        what,
        len(ordered) / seconds,
        cpu_ms / len(ordered),
        ordered[len(ordered) // 2] * 1000,
        ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
        ordered[-1] * 1000,
    )


class Spent:
    """The processor's time, ms, of this process and of Postgres together."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def ms(self) -> float:
        """Return what was spent up to now."""
        pid = self._server.pid
        return time.process_time() * 1000 + (processes.tree_cpu_ms(pid) if pid is not None else 0.0)


async def fill(pool: Pool, numbers: range, queues: Sequence[str], prefix: str) -> None:
    """Write requests of these numbers (at most five digits each, after `prefix`); a quarter has a later time."""
    await pool.execute(_FILL, numbers.start, numbers.stop, list(queues), prefix)


async def _measure(plan: Plan, dsn: str, server: PostgresServer, tell: Callable[[str], None]) -> list[Turn]:
    spent = Spent(server)
    async with AsyncExitStack() as stack:
        stores = [PostgresStore(dsn) for _ in range(plan.workers)]
        for store in stores:
            stack.push_async_callback(store.close)
        tell(f"writing {plan.open} requests")
        pool = await stores[0].pool()
        for first in range(0, plan.open, FILL_ROWS):
            names = [f"queue{number:02}" for number in range(QUEUES)]
            await fill(pool, range(first, min(plan.open, first + FILL_ROWS)), names, "+331990")
        await pool.execute("vacuum analyze callback_requests")
        callbacks = PostgresCallbacks(stores[0])
        waiting = _waiting(plan.open)
        turns = []
        tell("claims")
        turns.append(await _claims(spent, "claim, one at a time", [callbacks], callbacks, waiting, plan.claims))
        one_pool = [PostgresCallbacks(stores[0])] * plan.workers
        what = f"claim, {plan.workers} at once, one process (4 connections)"
        turns.append(await _claims(spent, what, one_pool, callbacks, waiting, plan.claims))
        each_own = [PostgresCallbacks(store) for store in stores]
        what = f"claim, {plan.workers} at once, a connection each"
        turns.append(await _claims(spent, what, each_own, callbacks, waiting, plan.claims))
        turns.append(await _ends(spent, callbacks, plan.claims))
        tell("the line")
        turns += await _looks(spent, callbacks, plan.looks)
        tell("without the indexes of the line")
        for index in _LINE_INDEXES:
            await pool.execute(f"drop index {index}")
        turns.append(await _timed(spent, "due, 200 of each queue, without its indexes", callbacks.due, 3, 200))
        return turns


async def _right(callbacks: PostgresCallbacks) -> Lease:
    """Take or keep the right to dial, for as long as the claims that follow last."""
    lease = await callbacks.lease("bench", MOST_LEASE_S)
    if lease is None:
        raise RappelError("another one holds the right to dial in a database of the bench's own: run it again")
    return lease


def _waiting(open_: int) -> Iterator[RequestId]:
    """The ids of those who wait, in no order."""
    numbers = [number for number in range(open_) if number // QUEUES % 4]
    random.Random(1).shuffle(numbers)
    return (RequestId(f"{number:032x}") for number in numbers)


async def _claims(
    spent: Spent,
    what: str,
    workers: Sequence[PostgresCallbacks],
    holder: PostgresCallbacks,
    waiting: Iterator[RequestId],
    claims: int,
) -> Turn:
    lease = await _right(holder)
    took: list[float] = []

    async def work(callbacks: PostgresCallbacks, share: Sequence[RequestId]) -> None:
        for request_id in share:
            attempt = _attempt(request_id)
            began = time.perf_counter()
            if await callbacks.claim(attempt, lease) is None:
                raise RappelError(
                    "a claim of one who waits was refused: the bench is wrong, or the machine stood still"
                )
            took.append(time.perf_counter() - began)

    shares = [[next(waiting) for _ in range(claims // len(workers))] for _ in workers]
    before, began = spent.ms(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for callbacks, share in zip(workers, shares, strict=True):
            group.create_task(work(callbacks, share))
    return turn_of(what, time.perf_counter() - began, took, spent.ms() - before)


def _attempt(request_id: RequestId) -> Attempt:
    return Attempt(
        attempt_id=AttemptId(f"{random.getrandbits(128):032x}"),
        request_id=request_id,
        fence=0,
        number=Number(""),
        caller_id="+33199000000",
        agent=AgentId("claire.d"),
        node="bench",
        claimed_at=datetime.now(UTC),
    )


async def _ends(spent: Spent, callbacks: PostgresCallbacks, ends: int) -> Turn:
    took = []
    before, started = spent.ms(), time.perf_counter()
    for attempt in (await callbacks.in_flight())[:ends]:
        at = datetime.now(UTC)
        began = time.perf_counter()
        await callbacks.end_attempt(attempt.attempt_id, Outcome.TALKED, 16, at, NextStep(state=RequestState.DONE))
        took.append(time.perf_counter() - began)
    return turn_of("end of an attempt, one at a time", time.perf_counter() - started, took, spent.ms() - before)


async def _looks(spent: Spent, callbacks: PostgresCallbacks, looks: int) -> list[Turn]:
    return [
        await _timed(spent, "due, 200 of each queue", callbacks.due, looks, 200),
        await _timed(spent, "due, 20 of each queue", callbacks.due, looks, 20),
        await _timed(spent, "next_due_at", lambda _, __: callbacks.next_due_at(), looks, 0),
        await _timed(spent, "expire (nothing to do)", lambda now, _: callbacks.expire(now), looks, 0),
    ]


async def _timed(
    spent: Spent, what: str, look: Callable[[datetime, int], Awaitable[object]], looks: int, most: int
) -> Turn:
    took = []
    before, started = spent.ms(), time.perf_counter()
    for _ in range(looks):
        began = time.perf_counter()
        await look(datetime.now(UTC), most)
        took.append(time.perf_counter() - began)
    return turn_of(what, time.perf_counter() - started, took, spent.ms() - before)


def _main() -> int:
    parser = commandline.parser("bench.callbacks", __doc__)
    parser.add_argument("--open", type=int, default=Plan.open)
    parser.add_argument("--claims", type=int, default=Plan.claims)
    parser.add_argument("--workers", type=int, default=Plan.workers)
    options = parser.parse_args()
    plan = Plan(options.open, options.claims, options.workers)
    return commandline.run(run(plan, options.results, commandline.tell))


if __name__ == "__main__":
    sys.exit(_main())
