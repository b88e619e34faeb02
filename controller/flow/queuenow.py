"""How a queue is at this moment, as conditions of a flow may read it: `queues.support.waiting > 5`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from controller.flow.expressions import ValueType

ROOT = "queues"
_FIELDS = {
    "waiting": ValueType.INT,
    "free_agents": ValueType.INT,
    "estimate_s": ValueType.NUMBER,
    "open": ValueType.BOOL,
}


class QueueNow(msgspec.Struct, frozen=True):
    """One queue at one moment. `estimate_s` is what somebody who enters now would be told; None: cannot be said."""

    waiting: int = 0
    free_agents: int = 0
    estimate_s: float | None = None
    open: bool = True


QueuesNow = Mapping[str, QueueNow]
"""By name. A mapping of the driver's may look at the moment it is asked; a queue it does not know has no values."""
NO_QUEUES: QueuesNow = MappingProxyType({})


def names_of(queues: Iterable[str]) -> dict[str, ValueType]:
    """Return what expressions may read of `queues`."""
    return {f"{ROOT}.{queue}.{field}": kind for queue in queues for field, kind in _FIELDS.items()}


def value_of(name: str, queues: QueuesNow) -> Any:
    """Return the value of `queues.<queue>.<field>`, None when there is none."""
    _, queue, field = name.split(".")
    now = queues.get(queue)
    return None if now is None else getattr(now, field)
