"""A controller that dies by its own hand: before, in the middle of, and after each command of the call-backs.

Those of call-backs that ring the agent first have names that begin with `agent_`, also where they share the work.

Run as a module it is `python -m controller`, but the store of the call-backs and what dials kill the process
(SIGKILL) now and then: at each point a few times for certain, and seldom ever after. The ledger, a file that outlives
the processes, counts where it has happened.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from controller.ari.originate import AriOriginator
from controller.callback.model import First
from controller.calls.callback.agentfirst import FirstAgent
from controller.calls.callback.pursuit import Pursuit
from controller.calls.queueing.offering import Offering
from controller.cli import main
from controller.postgres.callbacks import PostgresCallbacks

LEDGER, RATE, EAGER = "CHAOS_LEDGER", "CHAOS_RATE", "CHAOS_EAGER"
COMMANDS: dict[type[Any], tuple[str, ...]] = {
    PostgresCallbacks: ("claim", "progress", "end_attempt", "add", "lease", "due"),
    AriOriginator: ("dial", "look"),
}
"""What is crashed."""
AGENT_FIRST: dict[type[Any], dict[str, str]] = {
    FirstAgent: {
        "call": "agent_call",  # the agent's telephones ring
        "_answered": "agent_preview",  # one was picked up: the others are let go, the agent hears whom it is about
        "_pressed": "agent_accept",
        "ring": "agent_waits",  # and hears ringing
        "let_go": "agent_let_go",
        "take_up": "agent_taken_up",  # by the successor of one that has just died
    },
    Pursuit: {"_dial": "agent_dial", "_agent_gone": "agent_gone"},  # the customer; the agent has hung up
    Offering: {"join": "agent_adopt"},  # the customer's call takes the waiting agent over
}
"""What is crashed of the agent-first way: name of the method, and of the point."""
WHEN = ("before", "during", "after")
_IN_FLIGHT_S = 0.004
_IN_FLIGHT_AGENT_S = 0.012
"""What concerns an agent's telephones is several requests to Asterisk."""
_SURE_P = 0.08


class Crashes:
    """Decides where to die."""

    def __init__(self, ledger: Path, rate: float, eager: int) -> None:
        self._ledger = ledger
        self._rate = rate
        self._eager = eager
        self._counts = Counter(ledger.read_text().split()) if ledger.exists() else Counter()

    def perhaps(self, point: str) -> bool:
        """Decide whether to die at `point`, and write it down. Nobody dies before there is a ledger."""
        if not self._ledger.exists():
            return False
        probability = _SURE_P if self._counts[point] < self._eager else self._rate
        if random.random() >= probability:
            return False
        with self._ledger.open("a") as file:
            file.write(f"{point}\n")
        return True

    @staticmethod
    def die() -> None:
        """As if the power had gone."""
        os.kill(os.getpid(), signal.SIGKILL)

    def around(
        self,
        kind: type[Any],
        name: str,
        point: str,
        in_flight_s: float = _IN_FLIGHT_S,
        wanted: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        """Let `kind.name` die around its work, at `point`, if it is `wanted` of the object."""
        work = getattr(kind, name)

        @functools.wraps(work)
        async def crashing(*args: Any, **kwargs: Any) -> Any:
            if not wanted(args[0]):
                return await work(*args, **kwargs)
            if self.perhaps(f"{point}.before"):
                self.die()
            if self.perhaps(f"{point}.during"):
                asyncio.get_running_loop().call_later(random.uniform(0, in_flight_s), self.die)
            result = await work(*args, **kwargs)
            if self.perhaps(f"{point}.after"):
                self.die()
            return result

        setattr(kind, name, crashing)


def _agent_first(of: Any) -> bool:
    return not isinstance(of, Pursuit) or of.flight.plan_first is First.AGENT


def prepare() -> None:
    """Make the commands of `controller.app` crash as the environment says."""
    crashes = Crashes(Path(os.environ[LEDGER]), float(os.environ[RATE]), int(os.environ[EAGER]))
    for kind, names in COMMANDS.items():
        for name in names:
            crashes.around(kind, name, name)
    for kind, points in AGENT_FIRST.items():
        for name, point in points.items():
            crashes.around(kind, name, point, _IN_FLIGHT_AGENT_S, _agent_first)


if __name__ == "__main__":
    prepare()
    main()
