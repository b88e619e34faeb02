"""Runs SIPp scenarios of this folder and reads its statistics.

`run_sipp` places calls, `sipp_phone` takes them. Keys go out as telephone events: with SIPp's own `play_dtmf`
where raw sockets may be opened, else by streaming event packets (keys_stream.xml says how that differs).
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.softphone.rtp import digit_steps
from tests.rig import freeports
from tests.rig.sipp import Sipp

SCENARIOS = Path(__file__).parent
_KEY_MS = 100
_GAP_MS = 120
_STREAM_CODEC = "iLBC/8000"
"""rtp_stream knows no events; iLBC is the one codec it sends under a payload type of our choice."""
_STREAM_BYTES, _STREAM_MS = 50, 30
_PORTS_A_CALL = 2
_STEP_S = 0.05


@dataclass(frozen=True)
class SippResult:
    """How a run went. `response_ms` is the mean from INVITE to its final response; `errors` SIPp's own words."""

    code: int
    calls: int
    succeeded: int
    failed: int
    retransmissions: int
    unexpected: int
    response_ms: float
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether every call went as its scenario says."""
        return self.code == 0 and self.failed == 0 and self.succeeded == self.calls


def may_use_raw_sockets() -> bool:
    """Whether SIPp can open the raw socket that `play_dtmf` needs."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()
    except PermissionError:
        return False
    return True


async def run_sipp(
    sipp: Sipp,
    scenario: str,
    target_port: int,
    *,
    folder: Path,
    number: str = "100",
    calls: int = 1,
    rate: int = 10,
    at_once: int | None = None,
    caller: str = "0612345678",
    keys: str = "",
    before_ms: int = 500,
    extra: Sequence[str] = (),
    limit_s: float = 60.0,
) -> SippResult:
    """Place `calls` calls to `number` at 127.0.0.1:`target_port`, `rate` a second, at most `at_once` at a time.

    `scenario` names a file here: `listen`, `keys`, `info` (one key), `hangup`, `cancel`, `refused`. `keys` are
    pressed `before_ms` after the answer; for `hangup` and `cancel` `before_ms` is when. Files go to `folder`.
    """
    path = SCENARIOS / f"{scenario}.xml"
    variables = {"caller": caller}
    if "before" in path.read_text(encoding="utf-8"):
        variables["before"] = str(before_ms)
    if scenario == "keys" and not may_use_raw_sockets():
        path = with_key_files(folder, keys)
    elif keys:
        variables["keys"] = keys
    with _ports(at_once or calls) as ports:
        words = _words(sipp, path, folder, ports, limit_s, variables)
        words[len(sipp.command) : len(sipp.command)] = [f"127.0.0.1:{target_port}", "-s", number]
        words += ["-m", str(calls), "-r", str(rate), "-l", str(at_once or calls), *extra]
        process = await _start(sipp, words, folder)
        return await _finish(process, folder, limit_s)


class SippPhone:
    """SIPp taking calls on `port`; `result` is there once the context is left."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.result: SippResult | None = None


@contextlib.asynccontextmanager
async def sipp_phone(
    sipp: Sipp, scenario: str, *, folder: Path, calls: int = 1, before_ms: int = 200, limit_s: float = 60.0
) -> AsyncIterator[SippPhone]:
    """Run a scenario that is called (`answer`, `busy`, `decline`) until `calls` calls are over.

    Leaving the context waits for them, at most `limit_s`.
    """
    path = SCENARIOS / f"{scenario}.xml"
    variables = {"before": str(before_ms)} if scenario == "answer" else {}
    with _ports(calls) as ports:
        phone = SippPhone(ports.sip)
        words = _words(sipp, path, folder, ports, limit_s, variables)
        process = await _start(sipp, [*words, "-m", str(calls), "-rtp_echo"], folder)
        try:
            async with asyncio.timeout(limit_s):
                while not _listens(phone.port) and process.returncode is None:
                    await asyncio.sleep(_STEP_S)
            yield phone
        except BaseException:
            await _kill(process)
            raise
        phone.result = await _finish(process, folder, limit_s)


@dataclass(frozen=True)
class _Ports:
    sip: int
    media: int
    media_end: int


@contextlib.contextmanager
def _ports(calls: int) -> Iterator[_Ports]:
    """Reserve the ports of one run."""
    size = max(32, 2 * _PORTS_A_CALL * min(calls, 100))
    sip, media = freeports.block(), freeports.block(size)
    try:
        yield _Ports(sip, media, media + size - 1)
    finally:
        freeports.release(sip)
        freeports.release(media, size)


def _listens(port: int) -> bool:
    """Whether somebody has UDP `port`; told without binding it, which would be in SIPp's way."""
    return f":{port:04X} " in Path("/proc/net/udp").read_text(encoding="ascii")


def _words(
    sipp: Sipp, path: Path, folder: Path, ports: _Ports, limit_s: float, variables: Mapping[str, str]
) -> list[str]:
    words = [
        *sipp.command,
        *("-sf", str(path), "-i", "127.0.0.1", "-p", str(ports.sip), "-mi", "127.0.0.1"),
        *("-min_rtp_port", str(ports.media), "-max_rtp_port", str(ports.media_end)),
        *("-timeout", f"{limit_s:.0f}s", "-timeout_error", "-nostdin"),
        *("-trace_err", "-error_file", str(folder / "errors.log")),
        *("-trace_stat", "-stf", str(folder / "statistics.csv"), "-fd", "3600"),
    ]
    for name, value in variables.items():
        words += ["-set", name, value]
    return words


async def _start(sipp: Sipp, words: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "TERM": "dumb", **sipp.environment},
    )


async def _finish(process: asyncio.subprocess.Process, folder: Path, limit_s: float) -> SippResult:
    try:
        output, _ = await asyncio.wait_for(process.communicate(), limit_s + 10)
    finally:
        await _kill(process)
    return read_statistics(folder, process.returncode or 0, output.decode(errors="replace"))


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def read_statistics(folder: Path, code: int, output: str) -> SippResult:
    """Return the last line of SIPp's statistics file in `folder` as a result."""
    row: dict[str, str] = {}
    statistics = folder / "statistics.csv"
    if statistics.exists():
        with statistics.open(encoding="utf-8", newline="") as lines:
            for line in csv.DictReader(lines, delimiter=";"):
                row = line
    errors = folder / "errors.log"

    def count(name: str) -> int:
        return int(row.get(name) or 0)

    return SippResult(
        code=code,
        calls=count("TotalCallCreated"),
        succeeded=count("SuccessfulCall(C)"),
        failed=count("FailedCall(C)"),
        retransmissions=count("Retransmissions(C)"),
        unexpected=count("FailedUnexpectedMessage(C)"),
        response_ms=_milliseconds(row.get("ResponseTimeinvite(C)") or ""),
        output=output,
        errors=errors.read_text(encoding="utf-8", errors="replace") if errors.exists() else "",
    )


def _milliseconds(text: str) -> float:
    """Read SIPp's `00:00:00:002000` (hours, minutes, seconds, microseconds)."""
    parts = text.split(":")
    if len(parts) != 4:
        return 0.0
    hours, minutes, seconds, micros = (int(part) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000


def with_key_files(folder: Path, keys: str) -> Path:
    """Write a file of event packets for each key, and the scenario that streams them; return the scenario."""
    actions = []
    for key in keys:
        file = folder / f"key-{ord(key)}.rtp"
        events = [event for event, _ in digit_steps(key, _KEY_MS)][:-2]  # the end once: see the scenario
        file.write_bytes(b"".join(event.encode().ljust(_STREAM_BYTES, b"\0") for event in events))
        actions.append(
            f'  <nop><action><exec rtp_stream="{file},1,101,{_STREAM_CODEC}"/></action></nop>\n'
            f'  <pause milliseconds="{len(events) * _STREAM_MS + _GAP_MS}"/>\n'
        )
    template = (SCENARIOS / "keys_stream.xml").read_text(encoding="utf-8")
    scenario = folder / "keys_stream.xml"
    scenario.write_text(template.replace("@KEYS@", "".join(actions)), encoding="utf-8")
    return scenario
