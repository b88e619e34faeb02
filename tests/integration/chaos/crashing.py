"""A controller that dies by its own hand: before, in the middle of, and after each command of the call-backs.

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
from pathlib import Path
from typing import Any

from controller.ari.originate import AriOriginator
from controller.cli import main
from controller.postgres.callbacks import PostgresCallbacks

LEDGER, RATE, EAGER = "CHAOS_LEDGER", "CHAOS_RATE", "CHAOS_EAGER"
COMMANDS: dict[type[Any], tuple[str, ...]] = {
    PostgresCallbacks: ("claim", "progress", "end_attempt", "add", "lease", "due"),
    AriOriginator: ("dial", "look"),
}
"""What is crashed."""
WHEN = ("before", "during", "after")
_IN_FLIGHT_S = 0.004
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

    def around(self, kind: type[Any], name: str) -> None:
        """Let `kind.name` die around its work."""
        work = getattr(kind, name)

        @functools.wraps(work)
        async def crashing(*args: Any, **kwargs: Any) -> Any:
            if self.perhaps(f"{name}.before"):
                self.die()
            if self.perhaps(f"{name}.during"):
                asyncio.get_running_loop().call_later(random.uniform(0, _IN_FLIGHT_S), self.die)
            result = await work(*args, **kwargs)
            if self.perhaps(f"{name}.after"):
                self.die()
            return result

        setattr(kind, name, crashing)


def prepare() -> None:
    """Make the commands of `controller.app` crash as the environment says."""
    crashes = Crashes(Path(os.environ[LEDGER]), float(os.environ[RATE]), int(os.environ[EAGER]))
    for kind, names in COMMANDS.items():
        for name in names:
            crashes.around(kind, name)


if __name__ == "__main__":
    prepare()
    main()
