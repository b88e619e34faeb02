"""A clock that stands still until somebody advances it."""

from __future__ import annotations

from datetime import datetime, timedelta


class VirtualClock:
    """`controller.ports.Clock` of a simulated call; begins at `start` (aware), monotonic from 0."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """Return the simulated time of day."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Return the simulated seconds since the call began."""
        return self._elapsed_s

    def advance_to(self, at: float) -> None:
        """Let time pass until `at` (monotonic seconds); a moment that is over changes nothing."""
        self._elapsed_s = max(self._elapsed_s, at)
