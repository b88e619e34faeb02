"""The state of a flow run: plain data, saved at every wait.

In memory it holds secret entries while the call needs them. What is written down is `durable`: without them, and with
the step that asked for them, so that after a restart the caller is asked again. What is as it is by default is left
out: a call writes its state several times, and half of it is that.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.flow.commands import Answer, CallbackNote, Command, Lookup, VisitProgress
from controller.flow.trace import Ending


class CallFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a call when it arrives. `caller` is "" when withheld; `country` is found from it if "".

    `callback`: we have called, for this request; `caller` is the customer whom we called.
    """

    called: str = ""
    caller: str = ""
    caller_name: str = ""
    country: str = ""
    language: str = ""
    callback: CallbackNote | None = None


def clean(text: str, length: int = 200) -> str:
    """Return text from outside as it can be kept: cut to `length`, halves of characters replaced."""
    text = text[:length]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Phase(StrEnum):
    """Where a run is."""

    STEPS = "steps"
    APOLOGY = "apology"  # the apology is being played
    GONE = "gone"  # the caller has left, on_hangup runs
    ENDED = "ended"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in a queue that the call has left and may come back to; or that a call-back keeps for its customer.

    `priority` and `needs` hold beside those of the step that comes back to it.
    """

    entered_at: datetime
    left_at: datetime
    priority: int = 0
    needs: dict[str, int] = {}


class Frame(msgspec.Struct, omit_defaults=True):
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
    secret_step: str = ""
    """The step that first gave a variable of this frame a secret."""
    lost: set[str] = set()
    """Secret variables whose values did not survive a restart."""

    def __repr__(self) -> str:
        return f"Frame(flow={self.flow!r}, step={self.step!r})"


class State(msgspec.Struct, omit_defaults=True):
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
    visits: int = 0
    """To the queues; `visit` is how far the last one came."""
    visit: VisitProgress | None = None
    recordings: int = 0
    """By voicemail steps."""
    messaged: bool = False
    """The caller has left a message, or asked to be called back."""
    callback: CallbackNote | None = None
    """The request to be called back that the call is about: we called for it, or it was found, or asked for."""
    asks: int = 0
    """To be called back."""
    places: dict[str, Place] = {}
    """By queue."""
    entered: int = 0
    """Steps entered, for the limit."""
    seq: int = 0
    """Steps left, for the record."""
    talked_s: float = 0.0
    waited_s: float = 0.0
    talked: bool = False
    failures: int = 0
    recover: bool = False
    """After the apology, go on with on_failure."""
    ending: Ending | None = None

    def __repr__(self) -> str:
        return f"State(release={self.release!r}, phase={self.phase!r}, frames={self.frames!r})"


def durable(state: State) -> State:
    """Return `state` without secret values: in variables, and in the request that is pending."""
    frames = []
    for frame in state.frames:
        kept = {name: value for name, value in frame.variables.items() if name not in frame.secrets}
        lost = frame.lost | frame.secrets
        frames.append(msgspec.structs.replace(frame, variables=kept, secrets=set(), lost=lost))
    pending = state.pending
    if isinstance(pending, Lookup) and pending.secret:
        pending = Lookup(pending.step, "", "", secret=True)
    return msgspec.structs.replace(state, frames=frames, pending=pending)


def is_stripped(command: Command) -> bool:
    """Tell whether `command` is a request that `durable` took the secrets from."""
    return isinstance(command, Lookup) and not command.method


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(State).decode
