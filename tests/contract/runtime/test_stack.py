"""The whole embedded stack on the real Asterisk and Postgres, with a small program as the controller."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from controller.runtime.asterisk import AsteriskInstall
from controller.runtime.doctor import examine
from controller.runtime.settings import StackSettings
from controller.runtime.stack import EmbeddedStack, controller_pid
from tests.rig.asterisk import release
from tests.rig.asterisk import settings as free_settings

CONTROLLER = [sys.executable, "-c", "import time; time.sleep(120)"]
LIMIT_S = 15.0


@pytest_asyncio.fixture
async def settings(asterisk_install: AsteriskInstall) -> AsyncIterator[StackSettings]:
    assert asterisk_install.fetched
    with tempfile.TemporaryDirectory(prefix="rappel-s-") as folder:
        chosen = free_settings(Path(folder))
        yield chosen
        release(chosen)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0.02)


async def test_parts_that_die_come_back_and_asterisk_outlives_the_controller(settings: StackSettings) -> None:
    stop = asyncio.Event()
    said: list[str] = []
    async with EmbeddedStack(settings, said.append) as stack:
        assert stack.asterisk is not None
        assert stack.postgres is not None
        supervised = asyncio.create_task(stack.supervise(CONTROLLER, stop))
        await until(lambda: controller_pid(settings) is not None)
        asterisk, postgres, first = stack.asterisk.pid, stack.postgres.pid, controller_pid(settings)
        assert asterisk is not None
        assert postgres is not None
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: controller_pid(settings) not in {None, first})
        assert stack.asterisk.pid == asterisk
        os.kill(asterisk, signal.SIGKILL)
        await until(lambda: stack.asterisk is not None and stack.asterisk.pid not in {None, asterisk})
        stop.set()
        await supervised
        connection = await asyncpg.connect(stack.dsn)
        await connection.close()
        asterisk = stack.asterisk.pid
    assert asterisk is not None
    with pytest.raises(ProcessLookupError):
        os.kill(asterisk, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(postgres, 0)
    assert any("Calls go on" in line for line in said)


async def test_a_killed_supervisors_asterisk_and_postgres_are_adopted(settings: StackSettings) -> None:
    killed = EmbeddedStack(settings, lambda _line: None)
    await killed.start()
    assert killed.asterisk is not None
    pid = killed.asterisk.pid
    assert killed._lock is not None
    killed._lock.close()  # what the kernel does when the supervisor is killed
    said: list[str] = []
    async with EmbeddedStack(settings, said.append) as stack:
        assert stack.asterisk is not None
        assert stack.asterisk.adopted
        assert stack.asterisk.pid == pid
    assert len([line for line in said if "still running" in line]) == 2
    await killed.asterisk.wait()


async def test_the_doctor_sees_the_running_parts(settings: StackSettings) -> None:
    before = {check.name: check for check in await examine(settings)}
    assert before["database"].verdict == "warn"
    assert not [check for check in before.values() if check.verdict == "fail"]
    async with EmbeddedStack(settings, lambda _line: None):
        during = {check.name: check for check in await examine(settings)}
    for name in ("database", "asterisk", "ari login", "ami login", "sounds fr", "sounds en", "port sip_port udp"):
        assert during[name].verdict == "ok", during[name]
    failed = [check.name for check in during.values() if check.verdict == "fail"]
    assert failed == ["controller link"]
    assert during["controller link"].advice
