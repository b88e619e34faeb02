"""One contender's turn, and the turns of all, interleaved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.contenders import Contender, make
from bench.load import BEFORE_MS, Load
from bench.probe import Delays, Script, measure
from bench.stand import DONE_S, Stand
from controller.errors import SetupError

SHORTEST_MS = BEFORE_MS + 1000 * DONE_S
_WARM_UP_CALLS, _WARM_UP_RATE = 20, 10


@dataclass(frozen=True)
class Plan:
    """How long and how hard: rounds, the steady part (calls a second, seconds, probe's lines), the ramp's steps."""

    rounds: int = 3
    steady_rate: int = 30
    steady_s: float = 15.0
    lines: int = 6
    step_s: float = 3.0
    ramp: bool = True
    busy_rate: int = 200
    """CPU a call is taken at this rate too, of those who can serve it: caches are warm then, at 30 they are not."""
    busy_s: float = 5.0


@dataclass
class Turn:
    """What one turn of one contender gave. CPU in ms a call; `highest` in calls a second (None: not looked for)."""

    contender: str
    load: float
    delays: Delays
    calls: int
    asterisk_cpu_ms: float
    controller_cpu_ms: float
    postgres_cpu_ms: float
    controller_mib: float
    asterisk_mib: float
    highest: int | None = None
    limit: str = ""
    fault: str = ""
    busy_cpu_ms: float | None = None
    """At `Plan.busy_rate`; None: not reached."""


@dataclass
class Results:
    """All turns, and why a contender has none."""

    turns: dict[str, list[Turn]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


async def measure_all(stand: Stand, names: Sequence[str], plan: Plan, tell: Callable[[str], None]) -> Results:
    """Measure `names` in turns, `plan.rounds` times; a contender that cannot run is left out from then on."""
    results = Results()
    contenders: dict[str, Contender] = {}
    for name in names:
        try:
            contenders[name] = await asyncio.to_thread(make, name, stand)
        except SetupError as error:
            results.failures[name] = str(error)
            tell(f"{name}: {error}")
    load = Load(stand.sipp, stand.sip_port, stand.folder, SHORTEST_MS)
    for number in range(plan.rounds):
        for name, contender in list(contenders.items()):
            start = _start_rate(results.turns.get(name, []))
            try:
                turn = await _turn(stand, contender, load, plan, start)
            except SetupError as error:
                results.failures[name] = str(error)
                del contenders[name]
                tell(f"{name}: {error}")
                continue
            results.turns.setdefault(name, []).append(turn)
            tell(f"round {number + 1}: {_line(contender, turn)}")
    return results


async def _turn(stand: Stand, contender: Contender, load: Load, plan: Plan, start_rate: int) -> Turn:
    await contender.start()
    try:
        warm_up = await load.run(contender.number, _WARM_UP_RATE, _WARM_UP_CALLS / _WARM_UP_RATE)
        await stand.settle()
        if not warm_up.succeeded:
            words = contender.program.last_words() if contender.program else ""
            raise SetupError(f"no call of the warm-up succeeded ({warm_up.why}): {words}")
        turn = await _steady(stand, contender, load, plan)
        if plan.ramp:
            turn.highest, turn.limit = await load.highest_rate(
                contender.number, plan.step_s, stand.settle, start_rate
            )
            if contender.program and turn.highest and turn.highest > plan.busy_rate:
                turn.busy_cpu_ms = await _busy(stand, contender.number, contender.program.pid, load, plan)
        return turn
    finally:
        await contender.stop()
        await stand.settle()


async def _steady(stand: Stand, contender: Contender, load: Load, plan: Plan) -> Turn:
    """Run SIPp and the probe together; every call is the same, so that CPU divides by all of them."""
    pid = contender.program.pid if contender.program else 0
    script = Script(contender.number, stand.sip_port, _alaw(stand), BEFORE_MS)

    def used() -> tuple[float, float, float]:
        return (
            processes.cpu_ms(stand.asterisk_pid),
            processes.cpu_ms(pid) if pid else 0.0,
            processes.tree_cpu_ms(stand.postgres_pid),
        )

    before = used()
    crowd, delays = await asyncio.gather(
        load.run(contender.number, plan.steady_rate, plan.steady_s), measure(script, plan.lines, plan.steady_s)
    )
    await stand.settle()
    asterisk, controller, postgres = (after - was for after, was in zip(used(), before, strict=True))
    calls = max(1, crowd.calls + delays.calls)
    return Turn(
        contender=contender.name,
        load=processes.load_average(),
        delays=delays,
        calls=calls,
        asterisk_cpu_ms=asterisk / calls,
        controller_cpu_ms=controller / calls,
        postgres_cpu_ms=postgres / calls,
        controller_mib=processes.resident_mib(pid) if pid else 0.0,
        asterisk_mib=processes.resident_mib(stand.asterisk_pid),
        fault=crowd.why,
    )


async def _busy(stand: Stand, number: str, pid: int, load: Load, plan: Plan) -> float | None:
    """Return the controller's CPU in ms a call at the busy rate; None when a call failed, which makes it cheaper."""
    await stand.settle()
    before = processes.cpu_ms(pid)
    crowd = await load.run(number, plan.busy_rate, plan.busy_s)
    await stand.settle()
    return None if crowd.why else (processes.cpu_ms(pid) - before) / max(1, crowd.calls)


def _alaw(stand: Stand) -> Path:
    return Path(f"{stand.done}.alaw")


def _start_rate(turns: Sequence[Turn]) -> int:
    """Begin the ramp near the last round's result, which saves half of it."""
    found = [turn.highest for turn in turns if turn.highest]
    return max(20, round(found[-1] * 0.8)) if found else 50


def _line(contender: Contender, turn: Turn) -> str:
    prompt = sorted(turn.delays.prompt_ms)
    middle = f"{prompt[len(prompt) // 2]:.2f} ms" if prompt else "never"
    highest = "" if turn.highest is None else f", {turn.highest} calls/s ({turn.limit})"
    busy = "" if turn.busy_cpu_ms is None else f" (busy: {turn.busy_cpu_ms:.2f})"
    fault = f", steady: {turn.fault}" if turn.fault else ""
    return (
        f"{contender.title}: digit to prompt {middle}, controller {turn.controller_cpu_ms:.2f}{busy} ms a call"
        f"{highest},"
        f" {turn.delays.failed} of {turn.delays.calls} probes failed{fault}, load {turn.load:.1f}"
    )
