"""Medians of the rounds, ratios to the native dialplan, as a table and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.rounds import Plan, Results, Turn

TITLES = {
    "native": "native dialplan",
    "rappel-ari": "Rappel on ARI",
    "rappel-agi": "Rappel on FastAGI",
    "bare-ari": "bare ARI loop",
    "asyncari": "asyncari",
    "ari-client": "Node's ari-client",
    "panoramisk": "panoramisk FastAGI",
}
NO_PEERS = ("native", "rappel", "bare")
"""How the names begin of what nobody would put in Rappel's place."""
GOAL_DELAY_RATIO, GOAL_CPU_MS, GOAL_RATE_RATIO = 2.0, 1.5, 0.7


@dataclass(frozen=True)
class Figures:
    """One contender's figures over all rounds: medians of the rounds, percentiles of all calls together."""

    prompt_p50_ms: float
    prompt_p99_ms: float
    answer_p50_ms: float
    answer_p99_ms: float
    controller_cpu_ms: float
    busy_cpu_ms: float | None
    asterisk_cpu_ms: float
    postgres_cpu_ms: float
    controller_mib: float
    asterisk_mib: float
    highest: float | None
    probes: int
    failed_probes: int


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` (0-1) of the values do not exceed; NaN for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1))]


def figures(turns: Sequence[Turn]) -> Figures:
    """Return the figures of one contender's turns (one or more)."""
    prompt = [value for turn in turns for value in turn.delays.prompt_ms]
    answer = [value for turn in turns for value in turn.delays.answer_ms]
    highest = [turn.highest for turn in turns if turn.highest is not None]
    busy = [turn.busy_cpu_ms for turn in turns if turn.busy_cpu_ms is not None]

    def median(name: str) -> float:
        return float(statistics.median(getattr(turn, name) for turn in turns))

    return Figures(
        prompt_p50_ms=percentile(prompt, 0.5),
        prompt_p99_ms=percentile(prompt, 0.99),
        answer_p50_ms=percentile(answer, 0.5),
        answer_p99_ms=percentile(answer, 0.99),
        controller_cpu_ms=median("controller_cpu_ms"),
        busy_cpu_ms=statistics.median(busy) if busy else None,
        asterisk_cpu_ms=median("asterisk_cpu_ms"),
        postgres_cpu_ms=median("postgres_cpu_ms"),
        controller_mib=median("controller_mib"),
        asterisk_mib=median("asterisk_mib"),
        highest=statistics.median(highest) if highest else None,
        probes=sum(turn.delays.calls for turn in turns),
        failed_probes=sum(turn.delays.failed for turn in turns),
    )


_HEAD = (
    "| controller | calls/s | of native | digit→prompt p50 / p99, ms | of native | INVITE→200 p50 / p99, ms"
    " | CPU a call, ms: controller at 30/s, at 200/s | Asterisk | Postgres | MiB |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def table(results: Results) -> str:
    """Return the results as a Markdown table, with the reason for each contender that is missing."""
    found = {name: figures(turns) for name, turns in results.turns.items()}
    native = found.get("native")
    lines = [_HEAD]
    for name, each in found.items():
        lines.append(_row(TITLES[name], each, native))
    lines += [f"\n{TITLES.get(name, name)}: not measured. {why}" for name, why in results.failures.items()]
    lines += [
        f"\n{TITLES[name]}: {each.failed_probes} of {each.probes} measuring calls failed."
        for name, each in found.items()
        if each.failed_probes
    ]
    return "\n".join(lines)


def _row(title: str, each: Figures, native: Figures | None) -> str:
    rate = _ratio(each.highest, native.highest) if native else ""
    delay = _ratio(each.prompt_p50_ms, native.prompt_p50_ms) if native else ""
    cells = (
        title,
        "" if each.highest is None else f"{each.highest:.0f}",
        rate,
        f"{each.prompt_p50_ms:.2f} / {each.prompt_p99_ms:.2f}",
        delay,
        f"{each.answer_p50_ms:.2f} / {each.answer_p99_ms:.2f}",
        f"{each.controller_cpu_ms:.2f}" + (f" / {each.busy_cpu_ms:.2f}" if each.busy_cpu_ms is not None else ""),
        f"{each.asterisk_cpu_ms:.2f}",
        f"{each.postgres_cpu_ms:.2f}",
        f"{each.controller_mib:.0f}" if each.controller_mib else "",
    )
    return f"| {' | '.join(cells)} |"


def _ratio(value: float | None, base: float | None) -> str:
    return f"{value / base:.2f}" if value and base else ""


def goals(results: Results) -> list[str]:
    """Return a line for each goal of Rappel on ARI: whether it is met, and by what."""
    found = {name: figures(turns) for name, turns in results.turns.items()}
    ours, native = found.get("rappel-ari"), found.get("native")
    if ours is None or native is None:
        return []
    peers = {name: each.prompt_p50_ms for name, each in found.items() if not name.startswith(NO_PEERS)}
    delay = ours.prompt_p50_ms / native.prompt_p50_ms
    lines = [
        _goal(delay <= GOAL_DELAY_RATIO, f"digit to prompt p50 {delay:.2f} times native (goal {GOAL_DELAY_RATIO:g})"),
        _goal(
            ours.controller_cpu_ms < GOAL_CPU_MS, f"controller {ours.controller_cpu_ms:.2f} ms (goal {GOAL_CPU_MS})"
        ),
    ]
    if ours.busy_cpu_ms is not None:
        busy = ours.busy_cpu_ms
        lines.append(
            _goal(busy < GOAL_CPU_MS, f"controller {busy:.2f} ms at 200 calls a second (goal {GOAL_CPU_MS})")
        )
    if peers:
        best = min(peers, key=lambda name: peers[name])
        faster = ours.prompt_p50_ms < peers[best]
        lines.append(_goal(faster, f"digit to prompt below every peer's (best: {TITLES[best]} {peers[best]:.2f} ms)"))
    if ours.highest and native.highest:
        rate = ours.highest / native.highest
        lines.append(_goal(rate >= GOAL_RATE_RATIO, f"calls a second {rate:.2f} of native (goal {GOAL_RATE_RATIO})"))
    return lines


def _goal(met: bool, text: str) -> str:
    return f"{'met   ' if met else 'MISSED'}  {text}"


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
    model, cores = "", 0
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            model, cores = line.partition(":")[2].strip(), cores + 1
    return {"cpu": model, "cores": cores, "python": platform.python_version(), "kernel": platform.release()}


def write(folder: Path, plan: Plan | None, results: Results | None, soak: Any = None, **more: Any) -> Path:
    """Write everything that was measured to a new JSON file in `folder` and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json")
    content: dict[str, Any] = {"machine": machine(), **more}
    if plan is not None and results is not None:
        content |= {
            "plan": asdict(plan),
            "figures": {name: asdict(figures(turns)) for name, turns in results.turns.items()},
            "turns": {name: [asdict(turn) for turn in turns] for name, turns in results.turns.items()},
            "failures": results.failures,
        }
    if soak is not None:
        content["soak"] = asdict(soak)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path
