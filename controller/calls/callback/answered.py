"""What the call of a customer whom we called begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.flow.commands import CallbackNote
from controller.flow.runstate import Place


@dataclass(frozen=True, slots=True)
class Answered:
    """A customer whom we called has answered. `places` keep the one that they had in the queue's line."""

    flow: str
    language: str
    note: CallbackNote
    places: Mapping[str, Place]
    machine: bool = False
    """It was a machine, as far as Asterisk can tell."""


class Attempts(Protocol):
    """Knows the customers whom we called."""

    async def answered(self, call_id: str) -> Answered | None:
        """Return for what the customer of this call was called; None when nobody knows (any more)."""

    def over(self, call_id: str, *, talked: bool) -> None:
        """Such a call has ended; `talked`: with a person."""
