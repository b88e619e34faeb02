"""`python -m bench`: measures, prints the table, writes everything to bench/results/."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from bench import callbacks, commandline, connect, processes, redial, report
from bench.commandline import tell
from bench.contenders import NAMES
from bench.rounds import Plan, measure_all
from bench.soak import soak
from bench.stand import stand
from controller.errors import RappelError

_QUICK = Plan(rounds=1, steady_s=6, step_s=2)
_NO_LOAD = 1.0
_CONNECT = "connect"
_CONNECT_QUICK_S = 20.0
_CALLBACKS = "callbacks"
_CALLBACKS_QUICK = callbacks.Plan(open=20_000, claims=1_000, looks=10)
_REDIAL = "redial"
_REDIAL_QUICK = redial.Plan(open=20_000, seconds=15.0)


def _arguments() -> argparse.Namespace:
    parser = commandline.parser("bench", __doc__)
    everything = (*NAMES, _CONNECT, _CALLBACKS, _REDIAL)
    parser.add_argument("--only", default=",".join(everything), help=f"some of {', '.join(everything)}, with commas")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="rounds of all contenders in turns (default 3)")
    parser.add_argument("--no-ramp", action="store_true", help="do not look for the highest rate")
    parser.add_argument("--steady", type=float, metavar="SECONDS", help="length of the steady part")
    parser.add_argument("--rate", type=int, help="calls a second of the steady part (default 30) or of the soak (60)")
    parser.add_argument(
        "--soak", type=int, nargs="?", const=10_000, metavar="CALLS", help="soak Rappel on ARI instead"
    )
    parser.add_argument("--rtp-ports", type=int, default=2400, help="RTP ports of the bench's Asterisk, two a call")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> Plan:
    base = _QUICK if arguments.quick else Plan()
    return Plan(
        rounds=arguments.rounds or base.rounds,
        steady_rate=arguments.rate or base.steady_rate,
        steady_s=arguments.steady or base.steady_s,
        lines=base.lines,
        step_s=base.step_s,
        ramp=not arguments.no_ramp,
    )


async def _main(arguments: argparse.Namespace) -> int:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):  # everything that was started is ended on the way out
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    load = processes.load_average()
    if load > _NO_LOAD:
        tell(f"This machine is busy (load {load:.1f}): the figures will be worse than they could be.")
    names = arguments.only.split(",")
    contenders = [name for name in names if name not in {_CONNECT, _CALLBACKS, _REDIAL}]
    code = await _calls(arguments, contenders, load) if contenders or arguments.soak else 0
    if _CONNECT in names and not arguments.soak:
        seconds = _CONNECT_QUICK_S if arguments.quick else connect.Plan.seconds
        for music in (False, True):
            tell("those who wait hear " + ("music" if music else "nothing"))
            await connect.run(connect.Plan(seconds=seconds, music=music), 1, arguments.results, tell)
    if _CALLBACKS in names and not arguments.soak:
        await callbacks.run(_CALLBACKS_QUICK if arguments.quick else callbacks.Plan(), arguments.results, tell)
    if _REDIAL in names and not arguments.soak:
        await redial.run(_REDIAL_QUICK if arguments.quick else redial.Plan(), arguments.results, tell)
    return code


async def _calls(arguments: argparse.Namespace, contenders: list[str], load: float) -> int:
    """Measure one call, served by each contender; return the exit code."""
    async with stand(arguments.rtp_ports) as ready:
        if arguments.soak:
            soaked = await soak(ready, arguments.soak, arguments.rate or 60, tell)
            path = report.write(arguments.results, None, None, soaked, load=load)
            problems = soaked.problems()
            print("\n".join(problems) if problems else f"{soaked.samples[-1].calls} calls: flat, nothing left behind")
            print(path)
            return 1 if problems else 0
        plan = _plan(arguments)
        results = await measure_all(ready, contenders, plan, tell)
    path = report.write(arguments.results, plan, results, load=load)
    found = report.machine()
    print(f"{found['cpu']}, {found['cores']} cores, load {load:.1f} at the start\n")
    print(report.table(results))
    print("\n" + "\n".join(report.goals(results)))
    print(path)
    return 0


try:
    sys.exit(asyncio.run(_main(_arguments())))
except RappelError as error:
    tell(f"bench: {error}")
    sys.exit(1)
except asyncio.CancelledError:
    sys.exit(130)
