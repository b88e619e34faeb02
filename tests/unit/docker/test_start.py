"""What Asterisk's start script does when Asterisk dies, and when it is asked to stop; Asterisk is a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START = Path(__file__).parents[3] / "docker/asterisk/start"
# Notes how it was called; as a server it runs until its end is told, as a console it answers from files.
STAND_IN = """#!/bin/sh
echo "$*" >>"$HERE/said"
case "$*" in
-f) echo $$ >"$HERE/pid"; while [ ! -e "$HERE/end" ]; do sleep 0.02; done; exit "$(cat "$HERE/end")" ;;
*count*) cat "$HERE/channels" ;;
*'stop now'*) echo 0 >"$HERE/end" ;;
esac
"""
LIMIT_S = 10.0


@pytest.fixture
def here(tmp_path: Path) -> Path:
    program = tmp_path / "asterisk"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    (tmp_path / "said").touch()
    return tmp_path


@pytest.fixture
def start(here: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "HERE": str(here), "PATH": f"{here}:{os.environ['PATH']}", "DRAIN_S": "3"}
    running = subprocess.Popen(["sh", str(START)], env=environment, stderr=subprocess.PIPE, text=True)
    yield running
    (here / "end").write_text("0")
    running.kill()
    running.communicate(timeout=LIMIT_S)


def until_said(here: Path, what: str, times: int = 1) -> None:
    """Wait until Asterisk has been called with `what` so often."""
    deadline = time.monotonic() + LIMIT_S
    while (here / "said").read_text().splitlines().count(what) < times:
        assert time.monotonic() < deadline, (here / "said").read_text()
        time.sleep(0.01)


def until_running(here: Path, before: str = "") -> str:
    """Wait for a server that is another one than `before`; return its process id."""
    deadline = time.monotonic() + LIMIT_S
    while not (here / "pid").exists() or (pid := (here / "pid").read_text()) in {"", before}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return pid


def test_an_asterisk_that_is_killed_is_started_again(here: Path, start: subprocess.Popen[str]) -> None:
    first = until_running(here)
    os.kill(int(first), signal.SIGKILL)
    until_running(here, first)
    assert start.poll() is None


def test_one_that_cannot_live_is_left_to_docker_with_its_exit_code(here: Path, start: subprocess.Popen[str]) -> None:
    (here / "end").write_text("3")
    _, told = start.communicate(timeout=LIMIT_S)
    assert start.returncode == 3
    assert "5 times in a row, with code 3" in told
    assert (here / "said").read_text().splitlines() == ["-f"] * 5


def test_asked_to_stop_it_takes_no_new_calls_and_waits_for_those_that_are_up(
    here: Path, start: subprocess.Popen[str]
) -> None:
    (here / "channels").write_text("10 active channels\n5 active calls\n")
    until_running(here)
    start.terminate()
    until_said(here, "-rx core show channels count", 2)
    said = (here / "said").read_text().splitlines()
    assert said[1] == "-rx dialplan set global DRAINING 1"
    assert "-rx core stop now" not in said
    (here / "channels").write_text("0 active channels\n0 active calls\n")
    assert start.wait(LIMIT_S) == 0
    assert (here / "said").read_text().splitlines().count("-rx core stop now") == 1


def test_calls_that_do_not_end_are_ended_when_their_time_is_over(here: Path, start: subprocess.Popen[str]) -> None:
    (here / "channels").write_text("2 active channels\n1 active call\n")
    until_running(here)
    start.terminate()
    _, told = start.communicate(timeout=LIMIT_S)
    assert start.returncode == 0
    assert "still calls up" in told
