"""Reads what a process has used from /proc, and runs the controllers that are measured."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from controller.errors import SetupError

_TICKS = os.sysconf("SC_CLK_TCK")
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.05
_TAIL = 600


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and of its children that ended, in milliseconds (steps of 10)."""
    fields = _stat(pid)
    return sum(int(fields[index]) for index in (11, 12, 13, 14)) * 1000 / _TICKS


def tree_cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and of its present children."""
    return cpu_ms(pid) + sum(cpu_ms(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """Return the processes that `pid` started and that still run."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def resident_mib(pid: int) -> float:
    """Return the resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def open_files(pid: int) -> int:
    """Return how many file descriptors a process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def load_average() -> float:
    """Return the load of the last minute."""
    return os.getloadavg()[0]


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return text.rpartition(")")[2].split()


class Program:
    """A controller in a process of its own; its output goes to `log`."""

    def __init__(self, words: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._words = words
        self._log = log
        self._environ = environ or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raises `SetupError` when it does not run."""
        if self._process is None or self._process.returncode is not None:
            raise SetupError(f"{self._words[0]} has ended: {self.last_words()}")
        return self._process.pid

    async def start(self, is_ready: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Start it and wait until it serves: `is_ready` says so, else a line `ready` in its output."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAPPEL_")}
        begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=kept | {**self._environ}
            )

        async def printed() -> bool:
            return b"ready" in self._log.read_bytes()[begin:].splitlines()

        look = is_ready or printed
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                while not await look():
                    _ = self.pid
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop()
            raise SetupError(f"not ready within {_START_LIMIT_S:.0f} s: {self.last_words()}") from None

    async def stop(self) -> None:
        """End it."""
        if self._process is None or self._process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _STOP_LIMIT_S)
                return

    def last_words(self) -> str:
        """Return the end of its output."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return " ".join(text[-_TAIL:].split())
