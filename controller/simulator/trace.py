"""What happened in a simulated call, line by line: stable text, to be read and to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from controller.flow.findings import clipped, printable
from controller.flow.trace import MASK

_MAX_TEXT = 300


class TraceLine(msgspec.Struct, frozen=True):
    """One event, `at_s` seconds after the call began. `kind` is a word that never changes; `text` says the rest."""

    at_s: float
    kind: str
    text: str

    def __str__(self) -> str:
        minutes, seconds = divmod(self.at_s, 60)
        return f"{int(minutes):02}:{seconds:05.2f}  {self.kind:<9}{printable(clipped(self.text, _MAX_TEXT))}".rstrip()


def shown(value: Any, *, secret: bool = False) -> str:
    """Return `value` as JSON, or a mask."""
    if secret:
        return MASK
    return msgspec.json.encode(value, order="sorted").decode()


def detail(values: Mapping[str, Any]) -> str:
    """Return a step's notes as `(key: value, …)`, or nothing."""
    if not values:
        return ""
    return f" ({', '.join(f'{key}: {shown(value)}' for key, value in sorted(values.items()))})"
