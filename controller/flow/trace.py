"""What a flow run leaves behind: the steps it took, and how it ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

MASK = "••••"
"""Stands for secret digits; always of the same length, which would say something too."""
MAX_DIGITS = 64


class Disposition(StrEnum):
    """How a call ended, as far as its flow knows; the words of the record."""

    COMPLETED = "completed"
    TALKED = "talked"
    ABANDONED = "abandoned"
    LIMIT = "limit"
    FAILED = "failed"


class EndedBy(StrEnum):
    """Who ended a call; the words of the record."""

    CALLER = "caller"
    FLOW = "flow"
    SYSTEM = "system"


class StepRecord(msgspec.Struct, frozen=True):
    """One step that a call has left. `seq` counts from 1 within the call, over restarts; secret digits are masked."""

    seq: int
    flow: str
    step: str
    type: str
    entered_at: datetime
    left_at: datetime
    exit: str
    digits: str = ""
    detail: dict[str, Any] = {}


class Ending(msgspec.Struct, frozen=True):
    """How a run ended. `cause` is a Q.850 cause, `reason` says in words what a limit or a fault was."""

    disposition: Disposition
    by: EndedBy
    cause: int = 16
    reason: str = ""


class Fault(msgspec.Struct, frozen=True):
    """Something that went wrong in a step, for the log. `traceback` is empty unless it is a bug of ours."""

    flow: str
    step: str
    reason: str
    traceback: str = ""
