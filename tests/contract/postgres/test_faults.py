"""Records outlive Postgres, the controller, and both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from controller.journal import Journal
from controller.postgres import migrations
from controller.postgres.store import PostgresStore
from controller.runtime import postgres as postgres_runtime
from controller.runtime.postgres import PostgresServer
from tests.unit.cdr.histories import history

ENTRIES_A_CALL = len(history())
ROOT = Path(__file__).parents[3]


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


async def kill(server: PostgresServer) -> None:
    """Kill Postgres at once, as losing power would, without a word to its clients."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await server._ended(10)


async def counts(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        names = ("calls", "legs", "call_steps", "live_calls", "cdr")
        return {name: await connection.fetchval(f"select count(*) from {name}") for name in names}
    finally:
        await connection.close(timeout=5)


def whole(calls: int) -> dict[str, int]:
    """What `counts` says of `calls` whole calls, each stored once."""
    return {"calls": calls, "legs": 2 * calls, "call_steps": 4 * calls, "live_calls": 0, "cdr": calls}


async def drained(journal: Journal, limit_s: float = 60) -> None:
    async with asyncio.timeout(limit_s):
        await journal._until_drained()


async def test_postgres_killed_and_started_during_a_stream(own_server: PostgresServer, tmp_path: Path):
    calls = 20_000 // ENTRIES_A_CALL
    dsn = own_server.dsn("records")
    store = PostgresStore(dsn)
    journal = Journal(tmp_path, store, segment_bytes=1024 * 1024)
    await journal.start()

    async def stream() -> None:
        for number in range(calls):
            for entry in history(number):
                journal.record(entry)
            await asyncio.sleep(0.002)

    async def faults() -> None:
        for _ in range(3):
            await asyncio.sleep(0.2)
            await kill(own_server)
            await asyncio.sleep(0.3)
            await own_server.start()

    async with asyncio.TaskGroup() as group:
        group.create_task(stream())
        group.create_task(faults())
    await drained(journal)
    assert (journal.dropped, journal.rejected, journal.recorded) == (0, 0, calls * ENTRIES_A_CALL)
    await journal.stop()
    await store.close()
    assert await counts(dsn) == whole(calls)


@pytest.mark.parametrize("database_away", [False, True])
async def test_controller_killed_in_the_middle(database: str, tmp_path: Path, database_away: bool):
    """Killed at any moment, with Postgres there or not: everything it had recorded is stored once."""
    script = Path(__file__).with_name("recording_controller.py")
    address = f"postgresql://nobody@/x?host={tmp_path}" if database_away else database
    recorded = 0
    for _ in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), str(tmp_path / "j"), address, str(recorded), "5000",
            stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        stop_at = recorded + 150
        async with asyncio.timeout(30):
            async for line in process.stdout:
                if line.strip().isdigit():
                    recorded = int(line) + 1
                if recorded >= stop_at:
                    break
            process.kill()
            rest = await process.stdout.read()
            await process.wait()
        recorded += sum(line.isdigit() for line in rest.splitlines())
    assert recorded >= 600
    store = PostgresStore(database)
    journal = Journal(tmp_path / "j", store)
    await journal.start()
    for entry in history(recorded):  # the call it was killed in, if it had begun: the rest of it
        journal.record(entry)
    await drained(journal)
    assert journal.rejected == 0
    await journal.stop()
    await store.close()
    assert await counts(database) == whole(recorded + 1)


async def test_a_running_call_is_found_again_without_postgres(own_server: PostgresServer, tmp_path: Path):
    store = PostgresStore(own_server.dsn("records"))
    journal = Journal(tmp_path, store)
    await journal.start()
    running = history(1)[:9]
    journal.record(*history(0), *running)
    await drained(journal)
    await journal.stop()
    await kill(own_server)
    journal = Journal(tmp_path, store)
    started = time.monotonic()
    await journal.start()
    assert await journal.live_states() == [running[-1]]
    assert time.monotonic() - started < 2
    await journal.stop(0.5)
    await store.close()
    await own_server.start()


def family(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


async def test_a_frozen_postgres_delays_nobody(own_server: PostgresServer, tmp_path: Path):
    store = PostgresStore(own_server.dsn("records"))
    journal = Journal(tmp_path, store)
    await journal.start()
    running = history(1)[:9]
    journal.record(*running)
    await drained(journal)
    assert own_server.pid is not None
    frozen = family(own_server.pid)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert await journal.live_states(0.3) == [running[-1]]
        journal.record(*history(1)[9:])
        assert await journal.live_states(0.3) == []
        await journal.stop(0.3)
        assert time.monotonic() - started < 3
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    await journal.stop()
    await store.close()
    assert await counts(own_server.dsn("records")) == whole(1)


async def test_another_node_finds_the_calls_of_a_dead_one(database: str, tmp_path: Path):
    store = PostgresStore(database)
    journal = Journal(tmp_path / "dead", store)
    await journal.start()
    running = history(1)[:9]
    journal.record(*running)
    await drained(journal)
    await journal.stop()
    journal = Journal(tmp_path / "other", store)
    await journal.start()
    assert await journal.live_states() == [running[-1]]
    journal.record(*history(1)[9:])
    await drained(journal)
    assert await journal.live_states() == []
    await journal.stop()
    await store.close()


async def test_memory_stays_flat_while_postgres_is_away(tmp_path: Path):
    store = PostgresStore(f"postgresql://nobody@/x?host={tmp_path}")
    journal = Journal(tmp_path / "j", store)
    await journal.start()
    entries = history(0)
    journal.record(*entries)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4000):
        journal.record(*entries)
    assert journal.size_bytes > 10_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB
    await journal.stop(0.1)
    await store.close()
