"""What the set-up says on standard error while it works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[str], None]
"""Takes one line for the person who waits."""

MEGABYTE = 1_000_000


def to_stderr(line: str) -> None:
    """Print `line` at once."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the program's progress output


def silent(_line: str) -> None:
    """Say nothing: for tests and for callers that report in their own way."""


class ByteMeter:
    """Shows how far a download is: one moving line on a terminal, a line a quarter elsewhere."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = max(total, 1)
        self._stream = stream if stream is not None else sys.stderr
        self._moving = self._stream.isatty()
        self._quarter = 0

    def show(self, done: int) -> None:
        """Report `done` bytes; more than the total counts as the total."""
        done = min(done, self._total)
        if self._moving:
            self._write(f"\r  {self._text(done)}")
            return
        quarter = 4 * done // self._total
        if quarter > self._quarter:
            self._quarter = quarter
            self._write(f"  {self._text(done)}\n")

    def close(self) -> None:
        """End the moving line."""
        if self._moving:
            self._write("\n")

    def _text(self, done: int) -> str:
        return f"{self._label}: {done / MEGABYTE:.0f} of {self._total / MEGABYTE:.0f} MB"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
