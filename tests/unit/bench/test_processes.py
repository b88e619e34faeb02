"""Figures of processes from /proc, and the life of a measured program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.processes import Program
from controller.errors import SetupError


def test_what_this_process_uses():
    assert processes.cpu_ms(os.getpid()) > 0
    assert processes.resident_mib(os.getpid()) > 10
    assert processes.open_files(os.getpid()) >= 3
    assert processes.threads(os.getpid()) >= 1
    assert processes.tree_cpu_ms(os.getpid()) >= processes.cpu_ms(os.getpid())


async def test_a_program_is_started_when_it_says_so(tmp_path: Path):
    program = Program(
        [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"], tmp_path / "l"
    )
    await program.start()
    assert program.pid in processes.children(os.getpid())
    await program.stop()
    with pytest.raises(SetupError, match="has ended"):
        _ = program.pid


async def test_a_program_that_ends_says_why(tmp_path: Path):
    program = Program([sys.executable, "-c", "raise SystemExit('no such library')"], tmp_path / "l")
    with pytest.raises(SetupError, match="no such library"):
        await program.start()
    await program.stop()
