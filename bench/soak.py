"""Ten thousand calls through Rappel on ARI: memory stays flat, and nothing is left behind."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from bench import processes
from bench.contenders import Contender, make
from bench.load import Load
from bench.rounds import SHORTEST_MS
from bench.stand import Stand
from controller.errors import SetupError

_BATCH_S = 10.0
_FLAT_MIB = 4.0
_LOOKS, _LOOK_S = 50, 0.1
_METRICS = ("rappel_calls_running", "rappel_journal_pending", "rappel_tasks", "rappel_ari_ids")


@dataclass(frozen=True)
class Sample:
    """What was there after `calls` calls, with no call in progress."""

    calls: int
    controller_mib: float
    asterisk_mib: float
    files: int
    asterisk_files: int
    threads: int
    asterisk_threads: int
    channels: int
    bridges: int
    metrics: dict[str, float]


@dataclass
class Soak:
    """The whole soak."""

    rate: int
    failed: int = 0
    samples: list[Sample] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return what is not as it should be: the state after the warm-up is compared with the end."""
        if len(self.samples) < 2:  # noqa: PLR2004 - begin and end
            return ["too few calls to compare"]
        found = [f"{self.failed} calls failed"] if self.failed else []
        first, last = self.samples[0], self.samples[-1]
        # The level of the last third against that of the middle: what grows with calls goes on growing.
        third = max(1, len(self.samples) // 3)
        for name, what in (("controller_mib", "controller"), ("asterisk_mib", "Asterisk")):
            values = [getattr(sample, name) for sample in self.samples]
            grown = statistics.median(values[-third:]) - statistics.median(values[third : 2 * third] or values[:1])
            if grown > _FLAT_MIB:
                found.append(f"the memory of {what} still grows: {grown:.1f} MiB in the last part")
        found += [
            f"{name}: {getattr(first, name)} at first, {getattr(last, name)} at the end"
            for name in ("files", "asterisk_files", "threads")
            if getattr(last, name) > getattr(first, name)
        ]
        found += [f"{last.channels} channels left"] if last.channels else []
        found += [f"{last.bridges} bridges left"] if last.bridges else []
        found += [
            f"{name}: {first.metrics.get(name, 0):.0f} at first, {value:.0f} at the end"
            for name, value in last.metrics.items()
            if value > first.metrics.get(name, 0)
        ]
        return found


async def soak(stand: Stand, calls: int, rate: int, tell: Callable[[str], None]) -> Soak:
    """Place `calls` calls at `rate` a second in batches; look after each batch, when all are over."""
    contender = make("rappel-ari", stand)
    load = Load(stand.sipp, stand.sip_port, stand.folder, SHORTEST_MS)
    result = Soak(rate)
    await contender.start()
    try:
        done = 0
        while done < calls:
            crowd = await load.run(contender.number, rate, min(_BATCH_S, (calls - done) / rate))
            if not crowd.calls:
                raise SetupError(f"SIPp placed no call: {crowd.why}")
            await stand.settle()
            done += crowd.calls
            result.failed += crowd.calls - crowd.succeeded
            sample = await _look(stand, contender, done)
            result.samples.append(sample)
            tell(
                f"{done} calls: controller {sample.controller_mib:.1f} MiB, {sample.files} files;"
                f" Asterisk {sample.asterisk_mib:.1f} MiB, {sample.channels} channels;"
                f" {', '.join(f'{name} {value:.0f}' for name, value in sample.metrics.items())}"
            )
    finally:
        await contender.stop()
    return result


async def _look(stand: Stand, contender: Contender, calls: int) -> Sample:
    pid = contender.program.pid if contender.program else 0
    login = aiohttp.BasicAuth(stand.config.asterisk.ari_user, stand.config.asterisk.ari_password)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        async with session.get(f"{stand.config.asterisk.ari_url}/ari/bridges", auth=login) as reply:
            bridges = len(await reply.json())
        metrics = await _at_rest(session, f"http://127.0.0.1:{contender.web_port}/metrics")
    return Sample(
        calls=calls,
        controller_mib=processes.resident_mib(pid),
        asterisk_mib=processes.resident_mib(stand.asterisk_pid),
        files=processes.open_files(pid),
        asterisk_files=processes.open_files(stand.asterisk_pid),
        threads=processes.threads(pid),
        asterisk_threads=processes.threads(stand.asterisk_pid),
        channels=await stand.channels(),
        bridges=bridges,
        metrics=metrics,
    )


async def _at_rest(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Return the metrics once the journal has nothing left to bring to Postgres, or after a while as they are."""
    for _ in range(_LOOKS):
        async with session.get(url) as reply:
            metrics = _metrics(await reply.text())
        if not metrics.get("rappel_journal_pending"):
            break
        await asyncio.sleep(_LOOK_S)
    return metrics


def _metrics(text: str) -> dict[str, float]:
    """Return those values of the controller's metrics that must come back to where they were."""
    rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in rows if name in _METRICS}
