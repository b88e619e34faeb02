"""Whom a conversation can reach: agents, extensions of the centre, queues."""

from __future__ import annotations

from typing import Protocol

from controller.calls.asks import Target


class Numbers(Protocol):
    """The centre's numbers as its agents dial them. No method waits, none raises."""

    def endpoint(self, extension: str) -> str:
        """Return the SIP endpoint (`2001`) behind an extension of the centre; "" when there is none."""

    def target(self, number: str) -> Target | None:
        """Return what a number that an agent's phone asked for stands for; None when it may not be reached."""
