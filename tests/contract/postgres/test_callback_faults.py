"""What a claim has said stays said, whatever dies in the middle."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest_asyncio

from controller.callback.model import Attempt, AttemptId, AttemptState, NextStep, Outcome, Request, RequestState
from controller.calls.callback.store import Added, Lease
from controller.errors import StoreError
from controller.postgres import migrations
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from controller.runtime import postgres as postgres_runtime
from controller.runtime.postgres import PostgresServer
from tests.contract.postgres.callbacks import NOW, attempt, held, request
from tests.contract.postgres.test_faults import kill

REQUESTS, WORKERS, KILLS = 60, 6, 3


@pytest_asyncio.fixture
async def own_server() -> AsyncIterator[PostgresServer]:
    """A Postgres of the test's own, durable, to be killed."""
    folder = Path(tempfile.mkdtemp(prefix="rappel-pg-"))
    server = PostgresServer(postgres_runtime.find(), folder)
    await server.start()
    await migrations.upgrade(await server.create_database("records"))
    yield server
    await server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def cut(store: PostgresStore, after: int) -> None:
    """End the connections of all others `after` as many turns of the event loop."""
    for _ in range(after):
        await asyncio.sleep(0)
    await (await store.pool()).execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


async def asked_again(callbacks: PostgresCallbacks, asked: Request, key: str) -> Added:
    """Ask as one does who was told that it cannot be stored now; each of the four connections may be a cut one."""
    for _ in range(4):
        with suppress(StoreError):
            return await callbacks.add(asked, idempotency_key=key)
    return await callbacks.add(asked, idempotency_key=key)


async def whole(store: PostgresStore) -> None:
    """Check that requests and attempts say the same."""
    rows = await (await store.pool()).fetch(
        """
        select r.request_id, r.state, r.fence, r.tries, count(a.attempt_id) as attempts, max(a.fence) as last,
               count(a.attempt_id) filter (where a.state <> 'ended') as live,
               count(a.attempt_id) filter (where a.state = 'ended') as over
        from callback_requests r left join callback_attempts a using (request_id)
        group by r.request_id
        """
    )
    for row in rows:
        assert row["live"] == (row["state"] == "dialling"), row
        assert row["attempts"] == row["fence"] == (row["last"] or 0), row
        assert row["tries"] == row["over"], row


async def test_a_connection_that_is_cut_leaves_all_or_nothing(database: str):
    """At any moment of adding, claiming, ending: what was said to be written is there, and nothing by half."""
    store, killer = PostgresStore(database), PostgresStore(database)
    callbacks = PostgresCallbacks(store)
    lease = await held(callbacks, ttl_s=120)
    dice = random.Random(7)
    said: dict[str, RequestState] = {}
    for number in range(150):
        asked, one = request(), None
        cutting = asyncio.create_task(cut(killer, dice.randrange(40)))
        with suppress(StoreError):
            await callbacks.add(asked, idempotency_key=f"key {number}", slot_limit=1)
            said[asked.request_id] = RequestState.WAITING
            one = attempt(asked)
            claimed = await callbacks.claim(one, lease)
            assert claimed is not None
            said[asked.request_id] = RequestState.DIALLING
            await callbacks.end_attempt(
                one.attempt_id, Outcome.BUSY, 17, NOW, NextStep(state=RequestState.SCHEDULED, due_at=NOW)
            )
            said[asked.request_id] = RequestState.SCHEDULED
        await cutting
        again = await asked_again(callbacks, asked, f"key {number}")
        assert again.request.request_id == asked.request_id
        order = [RequestState.WAITING, RequestState.DIALLING, RequestState.SCHEDULED]
        least = said.get(asked.request_id, RequestState.WAITING)
        assert order.index(again.request.state) >= order.index(least)
    await whole(store)
    assert len(await callbacks.find(limit=1000)) == 150
    for each in (store, killer):
        await each.close()


class Worker:
    """Claims and ends, and writes down what it was told; whatever fails, it only goes on."""

    def __init__(self, callbacks: PostgresCallbacks, dice: random.Random) -> None:
        self.callbacks = callbacks
        self.dice = dice
        self.claimed: dict[AttemptId, Attempt] = {}
        self.ended: set[AttemptId] = set()

    async def run(self, asked: list[Request], lease: Lease, stop: asyncio.Event) -> None:
        while not stop.is_set():
            one = attempt(self.dice.choice(asked))
            try:
                claimed = await self.callbacks.claim(one, lease)
                if claimed is None:
                    await asyncio.sleep(0)
                    continue
                self.claimed[claimed.attempt_id] = claimed
                await self.callbacks.progress(claimed.attempt_id, AttemptState.DIALLED, NOW)
                step = NextStep(state=RequestState.WAITING, due_at=NOW)
                if await self.callbacks.end_attempt(claimed.attempt_id, Outcome.BUSY, 17, NOW, step):
                    self.ended.add(claimed.attempt_id)
            except StoreError:
                await asyncio.sleep(0.01)


async def test_claims_outlive_postgres(own_server: PostgresServer):
    """Killed again and again: each claim that was granted is there, once for each fence, and goes on being so."""
    dsn = own_server.dsn("records")
    stores = [PostgresStore(dsn) for _ in range(WORKERS)]
    workers = [Worker(PostgresCallbacks(store), random.Random(number)) for number, store in enumerate(stores)]
    lease = await held(workers[0].callbacks, ttl_s=120)
    asked = [request() for _ in range(REQUESTS)]
    for each in asked:
        await workers[0].callbacks.add(each)
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(asked, lease, stop)) for worker in workers]
    for _ in range(KILLS):
        before = sum(len(worker.ended) for worker in workers)
        async with asyncio.timeout(30):
            while sum(len(worker.ended) for worker in workers) < before + 100:
                await asyncio.sleep(0.01)
        await kill(own_server)
        await own_server.start()
    stop.set()
    await asyncio.gather(*running)
    pool = await stores[0].pool()
    rows: list[asyncpg.Record] = await pool.fetch("select * from callback_attempts")
    there = {row["attempt_id"].hex: row for row in rows}
    for worker in workers:
        for attempt_id, claimed in worker.claimed.items():
            assert there[attempt_id]["fence"] == claimed.fence
        assert all(there[attempt_id]["state"] == "ended" for attempt_id in worker.ended)
    assert set(Counter((row["request_id"], row["fence"]) for row in rows).values()) == {1}
    await whole(stores[0])
    for store in stores:
        await store.close()
