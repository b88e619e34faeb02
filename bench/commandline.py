"""What the commands of the single benches share: the folder of the results, how they tell, how they fail."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from controller.errors import RappelError

RESULTS = Path(__file__).parent / "results"


def tell(text: str) -> None:
    """Say how it goes, beside the figures."""
    print(text, file=sys.stderr, flush=True)


def parser(module: str, about: str | None) -> argparse.ArgumentParser:
    """Return the parser of `python -m <module>` with what every bench has; `about` is the module's docstring."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    made.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON file")
    return made


def run(work: Coroutine[Any, Any, None]) -> int:
    """Measure; return the exit code: 1 when a part of Rappel could not do its work, which is told."""
    try:
        asyncio.run(work)
    except RappelError as error:
        tell(f"bench: {error}")
        return 1
    return 0
