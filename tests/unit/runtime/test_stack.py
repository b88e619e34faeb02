"""The supervisor, with Asterisk and Postgres standing aside and small programs as the controller."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import sys
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime.settings import StackSettings
from controller.runtime.stack import AlreadyRunning, Backoff, EmbeddedStack, controller_pid

QUICK = Backoff(first_s=0.01, longest_s=0.05, healthy_s=30, tries=4)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def settings(tmp_path: Path) -> StackSettings:
    controller, agi, web = free_ports(3)
    return StackSettings(
        state_dir=tmp_path,
        controller_port=controller,
        agi_port=agi,
        web_port=web,
        database_url="postgresql://elsewhere/rappel",
        ari_url="http://127.0.0.1:1/ari",
    )


def stack(settings: StackSettings, said: list[str] | None = None) -> EmbeddedStack:
    lines: list[str] = [] if said is None else said
    return EmbeddedStack(settings, lines.append, QUICK)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_the_embedded_parts_stand_aside(settings: StackSettings) -> None:
    async with stack(settings) as running:
        assert running.asterisk is None
        assert running.postgres is None
        assert running.dsn == "postgresql://elsewhere/rappel"


async def test_a_second_start_says_what_runs(settings: StackSettings) -> None:
    async with stack(settings):
        with pytest.raises(AlreadyRunning, match=f"pages: http://127.0.0.1:{settings.web_port}/"):
            await stack(settings).start()
    async with stack(settings):
        pass


async def test_taken_ports_are_told_before_anything_starts(settings: StackSettings) -> None:
    with socket.create_server(("127.0.0.1", settings.web_port)), pytest.raises(SetupError, match="web_port"):
        await stack(settings).start()
    async with stack(settings):
        pass


async def test_a_controller_that_leaves_by_itself_ends_the_run(settings: StackSettings) -> None:
    async with stack(settings) as running:
        assert await running.supervise(python("pass"), asyncio.Event()) == 0


async def test_a_wrong_configuration_is_not_tried_again(settings: StackSettings) -> None:
    said: list[str] = []
    async with stack(settings, said) as running:
        assert await running.supervise(python("raise SystemExit(78)"), asyncio.Event()) == 78
    assert said == []


async def test_a_controller_that_crashes_is_started_again(settings: StackSettings, tmp_path: Path) -> None:
    said: list[str] = []
    mark = tmp_path / "mark"
    code = (
        f"import os, pathlib; p = pathlib.Path({str(mark)!r})\nif not p.exists(): p.touch(); os.kill(os.getpid(), 9)"
    )
    async with stack(settings, said) as running:
        assert await running.supervise(python(code), asyncio.Event()) == 0
    assert len(said) == 1
    assert "signal 9" in said[0]


async def test_a_controller_that_always_crashes_is_given_up(settings: StackSettings) -> None:
    said: list[str] = []
    async with stack(settings, said) as running:
        with pytest.raises(SetupError, match="4 times in a row"):
            await running.supervise(python("raise SystemExit(1)"), asyncio.Event())
    assert len(said) == 3


async def test_stop_lets_the_controller_leave(settings: StackSettings, tmp_path: Path) -> None:
    code = (
        "import signal, sys, pathlib, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'left')!r}).touch(), sys.exit(0)))\n"
        f"pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "time.sleep(30)\n"
    )
    stop = asyncio.Event()
    async with stack(settings) as running:
        supervised = asyncio.create_task(running.supervise(python(code), stop))
        async with asyncio.timeout(10):
            while not (tmp_path / "up").exists():
                await asyncio.sleep(0.01)
        assert controller_pid(settings) is not None
        stop.set()
        assert await supervised == 0
    assert (tmp_path / "left").exists()
    assert controller_pid(settings) is None


async def test_a_left_over_controller_is_ended_first(settings: StackSettings) -> None:
    command = python("import time; time.sleep(60)")
    orphan = await asyncio.create_subprocess_exec(*command)
    (settings.state_dir / "controller.json").write_text(
        json.dumps({"pid": orphan.pid, "command": shlex.join(command)})
    )
    said: list[str] = []
    async with stack(settings, said):
        assert await asyncio.wait_for(orphan.wait(), 5) == -15
    assert "left over" in said[0]


async def test_another_process_with_that_number_is_left_alone(settings: StackSettings) -> None:
    other = await asyncio.create_subprocess_exec(*python("import time; time.sleep(60)"))
    (settings.state_dir / "controller.json").write_text(json.dumps({"pid": other.pid, "command": "rappel serve"}))
    async with stack(settings):
        assert other.returncode is None
    other.kill()
    await other.wait()


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.1, longest_s=1.0)
    assert [backoff.delay_s(n) for n in (1, 2, 3, 5, 40)] == [0.1, 0.2, 0.4, 1.0, 1.0]
