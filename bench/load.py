"""SIPp as the crowd of callers: a steady rate, and the highest rate without failure."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import math
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.sipp.runner import SCENARIOS, may_use_raw_sockets, with_key_files
from tests.rig import freeports
from tests.rig.sipp import Sipp

BEFORE_MS = 100
_MEDIA_PORTS = 16
_CALL_LIMIT_S = 6.0
_KEPT_RATE = 0.95
_LOWEST_RATE = 10
_HIGHEST_RATE = 1600
_FINE = 1.1
_FIRST_LOOK_S = 0.9
_STREAM_PORTS_A_CALL = 2


@dataclass(frozen=True)
class Crowd:
    """How a run of SIPp went. `rate` is what was reached, calls a second; `length_ms` the mean length of a call."""

    asked: float
    rate: float
    calls: int
    succeeded: int
    length_ms: float
    why: str

    @property
    def ok(self) -> bool:
        """Whether the rate was kept and every call went as the scenario says."""
        return not self.why


class Load:
    """Places calls with SIPp at one Asterisk."""

    def __init__(self, sipp: Sipp, port: int, folder: Path, shortest_ms: float) -> None:
        self._sipp = sipp
        self._port = port
        self._folder = folder
        self._shortest_ms = shortest_ms
        self._runs = 0
        self._raw = may_use_raw_sockets()

    async def run(self, number: str, rate: int, duration_s: float) -> Crowd:
        """Call `number` at `rate` calls a second for `duration_s`."""
        self._runs += 1
        folder = self._folder / f"sipp-{self._runs}"
        folder.mkdir(parents=True)
        calls = max(1, round(rate * duration_s))
        scenario = SCENARIOS / "keys.xml" if self._raw else with_key_files(folder, "1")
        # Raw sockets need no port of their own a call; streams bind two for as long as the call lasts.
        size = _MEDIA_PORTS if self._raw else max(_MEDIA_PORTS, 2 * _STREAM_PORTS_A_CALL * rate)
        media, local = freeports.block(size), freeports.block()
        limit_s = duration_s + _CALL_LIMIT_S
        words = [
            *self._sipp.command,
            *(f"127.0.0.1:{self._port}", "-s", number, "-sf", str(scenario)),
            *("-i", "127.0.0.1", "-p", str(local), "-mi", "127.0.0.1"),
            *("-min_rtp_port", str(media), "-max_rtp_port", str(media + size - 1)),
            *("-m", str(calls), "-r", str(rate), "-l", str(calls)),
            *("-timeout", f"{limit_s:.0f}s", "-timeout_error", "-nostdin"),
            *("-trace_stat", "-stf", str(folder / "statistics.csv"), "-fd", "1"),
            *("-set", "caller", "0612345678", "-set", "before", str(BEFORE_MS)),
            *(("-set", "keys", "1") if self._raw else ()),
        ]
        try:
            code = await _run(words, folder, limit_s, self._sipp)
            return self._judge(folder, rate, calls, code)
        finally:
            freeports.release(media, size)
            freeports.release(local)
            shutil.rmtree(folder, ignore_errors=True)

    def _judge(self, folder: Path, asked: int, calls: int, code: int) -> Crowd:
        rows = _rows(folder / "statistics.csv")
        row = rows[-1] if rows else {}
        created, succeeded = int(row.get("TotalCallCreated") or 0), int(row.get("SuccessfulCall(C)") or 0)
        length_ms = _milliseconds(row.get("CallLength(C)") or "")
        rate = _reached(rows)
        if succeeded < calls or code != 0:
            why = f"{calls - succeeded} of {calls} calls failed"
        elif rate < _KEPT_RATE * asked:
            why = f"{rate:.0f} of {asked} calls a second were reached"
        elif length_ms < self._shortest_ms:
            why = f"calls lasted {length_ms:.0f} ms: the prompts were not played"
        else:
            why = ""
        return Crowd(asked, rate, created, succeeded, length_ms, why)

    async def highest_rate(
        self, number: str, duration_s: float, settle: Callable[[], Awaitable[None]], start: int = 50
    ) -> tuple[int, str]:
        """Return the highest rate without failure, to a tenth, and what went wrong above it.

        `settle` waits until Asterisk has no calls left. Doubles from `start` (or halves) until the limit lies
        between two rates, then narrows it down.
        """
        good, bad, why = 0, 0, ""
        rate = start
        while _LOWEST_RATE <= rate <= _HIGHEST_RATE:  # bounded: each step narrows the range
            crowd = await self.run(number, rate, duration_s)
            await settle()
            if crowd.ok:
                good = rate
            else:
                bad, why = rate, crowd.why
            if good and bad and bad / good <= _FINE:
                break
            rate = _next_rate(good, bad)
            if rate in {good, bad}:
                break
        return good, why


def _next_rate(good: int, bad: int) -> int:
    if not bad:
        return good * 2
    if not good:
        return bad // 2
    return round(math.sqrt(good * bad))


async def _run(words: list[str], folder: Path, limit_s: float, sipp: Sipp) -> int:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "TERM": "dumb", **sipp.environment},
    )
    try:
        await asyncio.wait_for(process.wait(), limit_s + 10)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode if process.returncode is not None else -1


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))


def _reached(rows: Sequence[Mapping[str, str]]) -> float:
    """Return how many calls a second SIPp began: the best of its seconds' totals, before it waited for the last."""
    rates = [0.0]
    for row in rows[1:]:
        elapsed_s = _seconds(row) - _seconds(rows[0])
        if elapsed_s >= _FIRST_LOOK_S:
            rates.append(int(row["TotalCallCreated"]) / elapsed_s)
    return max(rates)


def _seconds(row: Mapping[str, str]) -> float:
    """Read when a row was written: `2026-11-23<tab>13:14:13.325977<tab>1795439653.325977`."""
    return float(row["CurrentTime"].rpartition("\t")[2])


def _milliseconds(text: str) -> float:
    """Read SIPp's `00:00:00:002000` (hours, minutes, seconds, microseconds)."""
    parts = text.split(":")
    if len(parts) != 4:  # noqa: PLR2004 - its four parts
        return 0.0
    hours, minutes, seconds, micros = (int(part) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000
