"""The state of a flow run: plain data, saved at every wait.

It holds secret entries while the call needs them: what stores it must keep it as secret as they are.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.flow.commands import Answer, Command
from controller.flow.trace import Ending


class CallFacts(msgspec.Struct, frozen=True):
    """What is known of a call when it arrives. `caller` is "" when withheld; `country` is found from it if ""."""

    called: str = ""
    caller: str = ""
    caller_name: str = ""
    country: str = ""
    language: str = ""


class Phase(StrEnum):
    """Where a run is."""

    STEPS = "steps"
    APOLOGY = "apology"  # the apology is being played
    GONE = "gone"  # the caller has left, on_hangup runs
    ENDED = "ended"


class Frame(msgspec.Struct):
    """A flow that the call is in; the innermost one comes last."""

    flow: str
    step: str
    entered_at: datetime
    variables: dict[str, Any] = {}
    secrets: set[str] = set()
    local: dict[str, Any] = {}
    digits: str = ""
    detail: dict[str, Any] = {}
    in_hangup: bool = False

    def __repr__(self) -> str:
        return f"Frame(flow={self.flow!r}, step={self.step!r})"


class State(msgspec.Struct):
    """Everything a run is, beside its release."""

    release: str
    flow: str
    call: CallFacts
    language: str
    began_at: datetime
    frames: list[Frame] = []
    phase: Phase = Phase.STEPS
    pending: Command = Answer()
    deferred: Command | None = None
    """The command that waits for the call to be answered."""
    answered: bool = False
    dials: int = 0
    entered: int = 0
    """Steps entered, for the limit."""
    seq: int = 0
    """Steps left, for the record."""
    talked_s: float = 0.0
    talked: bool = False
    failures: int = 0
    recover: bool = False
    """After the apology, go on with on_failure."""
    ending: Ending | None = None

    def __repr__(self) -> str:
        return f"State(release={self.release!r}, phase={self.phase!r}, frames={self.frames!r})"


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(State).decode
