"""How a conversation stands: all that must survive the controller, as plain data.

It is kept in `VisitProgress.detail` before anything is done about it, so that a successor knows of every leg that may
have been called and of everything that was begun.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.calls.asks import SuperviseHow
from controller.flow.commands import VisitProgress
from controller.switchboard import Switchboard

DETAIL = "conversation"
"""The key in `VisitProgress.detail`."""


class Phase(StrEnum):
    """What a conversation is doing. The customer hears music in all but `TALKING` and `THREE_WAY`."""

    TALKING = "talking"
    HELD = "held"
    CALLING = "calling"  # the agent waits for somebody to consult
    CONSULTING = "consulting"  # agent and consulted talk
    THREE_WAY = "three_way"  # all three talk
    REFERRING = "referring"  # the phone's own transfer: the agent stays until somebody has answered
    TRANSFERRING = "transferring"  # the agent has left, somebody's phone rings for the customer
    PARKED = "parked"  # nobody is there
    RETRIEVING = "retrieving"  # parked; somebody's phone rings to take the customer up
    OVER = "over"


class Leg(msgspec.Struct, frozen=True):
    """A party by its number within the call. 0: a leg of another call that has joined this one."""

    number: int
    party: str


class Person(msgspec.Struct, frozen=True):
    """Whom the customer talks with, or who is consulted. `agent` is "" behind an extension that is no agent's."""

    leg: Leg
    agent: str = ""
    name: str = ""
    """Of the target, for records and boards: an agent's id, or an extension."""
    talk: int = 0
    """The number of this agent's talk with the customer, 0 as long as there is none."""


class Why(StrEnum):
    """Why somebody's phone rings."""

    CONSULT = "consult"
    REFER = "refer"
    TRANSFER = "transfer"
    RECALL = "recall"  # nobody took up the parked customer: the agent who parked is rung
    UNPARK = "unpark"


class Called(msgspec.Struct, frozen=True):
    """Somebody whose phones ring, as long as one may still be answered. `reserved`: an agent whom we engaged."""

    why: Why
    agent: str
    name: str
    legs: tuple[Leg, ...]
    until: datetime
    reserved: bool = False


class Watcher(msgspec.Struct, frozen=True):
    """A supervisor. `snoop` is the ear, which is not there when barging; `bridge` where supervisor and ear meet."""

    agent: str
    how: SuperviseHow
    legs: tuple[Leg, ...]
    until: datetime
    """When the ringing ends."""
    up: bool = False
    snoop: Leg | None = None
    peers: tuple[str, ...] = ()
    """Whom the agent talks with on this ear."""
    bridge: int = 0


class Recording(msgspec.Struct, frozen=True):
    """The talk's recording. `paused`: somebody asked for it; a customer on hold is left out anyway."""

    number: int
    bridge: int
    began_at: datetime
    agent: str
    paused: bool = False


class How(StrEnum):
    """How a conversation came to its end."""

    CUSTOMER_GONE = "customer_gone"
    AGENT_GONE = "agent_gone"  # the customer is there: the flow goes on
    MOVED = "moved"  # the customer is to wait in `queue`


class Ending(msgspec.Struct, frozen=True):
    """What `Parted` says besides the sums."""

    how: How
    queue: str = ""
    needs: dict[str, int] = {}
    excluded: str = ""
    note: str = ""
    from_agent: str = ""
    first: bool = False
    cause: int = 16


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. `leg`, `bridge` and `recorded` are the numbers used last; times are aware UTC."""

    phase: Phase = Phase.TALKING
    leg: int
    bridge: int
    recorded: int = 0
    talk: int = 0
    """Number of the last talk that began."""
    seq: int = 0
    """Number of the last event of a talk."""
    talk_bridge: int
    first_bridge: int
    """The bridge the conversation began in; later ones have higher numbers."""
    consult_bridge: int = 0
    """The agent's other bridge, of a consultation; 0: none."""
    lead: Person | None = None
    """Whom the customer talks with; None when parked or being transferred."""
    other: Person | None = None
    """Who is consulted, or the third party."""
    called: Called | None = None
    watchers: tuple[Watcher, ...] = ()
    leaving: tuple[Leg, ...] = ()
    """Legs that were told to go and are perhaps still there."""
    recording: Recording | None = None
    finished: tuple[Recording, ...] = ()
    """Recordings of talks that are over, as long as the keeper has perhaps not been told."""
    desk_hold: bool = False
    phone_hold: bool = False
    """The agent's own phone holds us."""
    away_since: datetime | None = None
    """Since when the customer of this talk hears music."""
    away_s: float = 0.0
    """Time on hold in this talk, `away_since` not counted yet."""
    held_s: float = 0.0
    """Time on hold in earlier talks."""
    talking_since: datetime | None = None
    talked_s: float = 0.0
    """Length of earlier talks."""
    ends_at: datetime | None = None
    """When this talk has lasted too long."""
    slot: int = 0
    parked_by: str = ""
    parked_until: datetime | None = None
    last_agent: str = ""
    queue: str = ""
    ending: Ending | None = None

    def legs(self) -> tuple[Leg, ...]:
        """Return every leg that may be alive, the customer's aside."""
        people = [person.leg for person in (self.lead, self.other) if person is not None]
        called = self.called.legs if self.called else ()
        watching = [leg for each in self.watchers for leg in (*each.legs, *((each.snoop,) if each.snoop else ()))]
        return (*people, *called, *watching, *self.leaving)

    def ringing(self) -> tuple[Leg, ...]:
        """Return the legs that wait for an answer."""
        called = self.called.legs if self.called else ()
        return (*called, *(leg for each in self.watchers if not each.up for leg in each.legs))

    def bridges(self) -> frozenset[int]:
        """Return the bridges in use."""
        if self.phase is Phase.OVER:
            return frozenset()
        used = {self.talk_bridge, self.consult_bridge, *(each.bridge for each in self.watchers)}
        return frozenset(used - {0})


def load(progress: VisitProgress) -> Standing | None:
    """Return the standing kept in `progress`; None when no conversation was begun with it, or another one was."""
    kept: Any = progress.detail.get(DETAIL)
    if not isinstance(kept, dict) or "talk_bridge" not in kept:
        return None
    return msgspec.convert(kept, Standing)


def begun(progress: VisitProgress, queue: str, agent: str, leg: str, bridge: str, board: Switchboard) -> Standing:
    """Return how a conversation stands at its beginning: `agent` on `leg` shares `bridge` with the customer.

    The talks of a call, and what happens in them, are numbered on from its earlier conversations.
    """
    earlier: Any = progress.detail.get(DETAIL)
    last: dict[str, Any] = earlier if isinstance(earlier, dict) else {}
    number = next(number for number in range(progress.bridge, 0, -1) if board.bridge_id(number) == bridge)
    lead = next(
        (Leg(number, leg) for number in range(progress.leg, 0, -1) if board.leg_id(number) == leg), Leg(0, leg)
    )
    return Standing(
        leg=progress.leg,
        bridge=progress.bridge,
        recorded=progress.recording,
        talk=int(last.get("talk", 0)),
        seq=int(last.get("seq", 0)),
        talk_bridge=number,
        first_bridge=number,
        lead=Person(lead, agent, agent),
        leaving=tuple(Leg(each, board.leg_id(each)) for each in progress.legs if each != lead.number),
        queue=queue,
    )


def save(standing: Standing, progress: VisitProgress) -> VisitProgress:
    """Return `progress` with `standing` in it."""
    return msgspec.structs.replace(
        progress,
        leg=standing.leg,
        bridge=standing.bridge,
        recording=standing.recorded,
        phase=standing.phase.value,
        agent=standing.lead.agent if standing.lead else "",
        legs=tuple(dict.fromkeys(leg.number for leg in standing.legs() if leg.number)),
        detail={**progress.detail, DETAIL: msgspec.to_builtins(standing)},
    )
