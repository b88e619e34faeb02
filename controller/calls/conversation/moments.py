"""What happens in a conversation, by the roles of those it happens to, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.acd.model import AgentAccount
from controller.calls.asks import SuperviseHow, Target
from controller.calls.conversation.standing import Leg, Why
from controller.cdr.entries import Role


class What(StrEnum):
    """One word for each kind of thing that can happen; `table.TABLE` has a line for each in each phase."""

    HOLD = "hold"
    UNHOLD = "unhold"
    TRANSFER = "transfer"
    CONSULT = "consult"
    ATTENDED = "attended"
    THREE_WAY = "three_way"
    CANCEL = "cancel"
    PARK = "park"
    UNPARK = "unpark"
    PAUSE = "pause"
    END_CALL = "end_call"
    PHONE_HOLD = "phone_hold"
    PHONE_UNHOLD = "phone_unhold"
    PHONE_TRANSFER = "phone_transfer"
    PHONE_JOIN = "phone_join"
    CUSTOMER_GONE = "customer_gone"
    LEAD_GONE = "lead_gone"
    OTHER_GONE = "other_gone"
    CALLED_GONE = "called_gone"
    ANSWERED = "answered"
    RING_OVER = "ring_over"
    PARK_OVER = "park_over"
    TALK_OVER = "talk_over"
    FAILED = "failed"


ASKED = frozenset(list(What)[: list(What).index(What.PHONE_HOLD)])
"""What somebody waits to be answered for."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, with what belongs to it."""

    what: What
    at: datetime
    leg: Leg | None = None
    cause: int = 0
    on: bool = False
    target: Target | None = None
    number: str = ""
    """What a phone asked for."""
    party: str = ""
    """The other party of a phone that joins two of its calls."""
    account: AgentAccount | None = None
    needs: dict[str, int] = field(default_factory=dict)
    note: str = ""


# --- effects: what the conversation has done, after its standing was kept -------------------------------------


@dataclass(frozen=True, slots=True)
class Find:
    """Look which devices somebody has; the answer is a `Found`."""

    why: Why | SuperviseHow
    name: str
    agent: str
    endpoint: str
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The devices of somebody, none when they cannot be reached."""

    sought: Find
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ring:
    """Call a leg at one device, into `bridge` (0: alone)."""

    leg: Leg
    device: str
    number: str
    role: Role
    ring_s: float
    bridge: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Hang a leg up."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class Refer:
    """Tell a phone how the transfer it asked for goes."""

    party: str
    state: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over a party of another call; `Adopted` says whether it is there."""

    party: str
    number: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """The party of another call, and whether it talks."""

    sought: Adopt
    up: bool


Effect = Find | Ring | Drop | Refer | Adopt
