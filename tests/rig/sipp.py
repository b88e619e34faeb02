"""SIPp without root: runs a scenario against an Asterisk and says how it went."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller.runtime import debian, sets
from controller.runtime.asterisk import run_in
from tests.rig import freeports

_LIMIT_S = 60.0
_MEDIA_PORTS = 64
SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass(frozen=True)
class Outcome:
    """How a run of SIPp ended: `ok` when every call went as the scenario says."""

    code: int
    output: str
    errors: str
    messages: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Sipp:
    """The SIPp program."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    async def run(
        self,
        scenario: Path | str,
        target_port: int,
        *,
        number: str = "100",
        calls: int = 1,
        rate: int = 10,
        extra: Sequence[str] = (),
        folder: Path,
        limit_s: float = _LIMIT_S,
    ) -> Outcome:
        """Place `calls` calls to `number` at 127.0.0.1:`target_port`.

        `scenario` is a path, or a name in scenarios/. Files of SIPp go to `folder`. `extra` are further
        words of its command line.
        """
        path = scenario if isinstance(scenario, Path) else SCENARIOS / f"{scenario}.xml"
        media, local = freeports.block(_MEDIA_PORTS), freeports.block()
        words = [
            *self.command,
            f"127.0.0.1:{target_port}",
            *("-sf", str(path), "-s", number, "-m", str(calls), "-r", str(rate)),
            *("-i", "127.0.0.1", "-p", str(local), "-mi", "127.0.0.1"),
            *("-min_rtp_port", str(media), "-max_rtp_port", str(media + _MEDIA_PORTS - 1)),
            *("-timeout", f"{limit_s:.0f}s", "-timeout_error", "-nostdin"),
            *("-trace_err", "-error_file", str(folder / "sipp-errors.log")),
            *("-trace_msg", "-message_file", str(folder / "sipp-messages.log")),
            *extra,
        ]
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "TERM": "dumb", **self.environment},
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), limit_s + 10)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            freeports.release(media, _MEDIA_PORTS)
            freeports.release(local)
        return Outcome(
            code=process.returncode if process.returncode is not None else -1,
            output=output.decode(errors="replace"),
            errors=_text(folder / "sipp-errors.log"),
            messages=_text(folder / "sipp-messages.log"),
        )


def install() -> Sipp:
    """Return SIPp, fetched through the private apt the first time."""
    tree = debian.install(sets.SIPP)
    return Sipp(run_in(tree, "sipp", "usr/bin/sipp"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
