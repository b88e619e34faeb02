"""What the queues and conversations of a call need of the telephone system; the ARI adapter implements it.

A *party* is a channel: the caller's own (`Switchboard.caller`) or a leg that was called for this call. Parties,
bridges, sounds and recordings have ids of ours, derived from the call (`leg_id`, `bridge_id`, …), so that what an
earlier controller left is found again and nothing is dialled twice.

Everything that happens to a call comes out of one stream, `next`, in order: keys, answers, ends, and what agents,
supervisors and the distribution ask of the call (`Ask`). One task reads it and decides.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.acd.model import Refused
from controller.cdr.entries import Role
from controller.flow.commands import MediaId

# --- what happens -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pressed:
    """A party pressed a key."""

    party: str
    digit: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """The device of a leg rings."""

    party: str


@dataclass(frozen=True, slots=True)
class PickedUp:
    """A leg was answered."""

    party: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gone:
    """A party's channel has ended, or never came to be. `cause` is Q.850, 0 when unknown.

    `by_far_end`: the person there hung up, refused or was not reached; else it was us.
    """

    party: str
    cause: int
    at: datetime
    by_far_end: bool = True


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """A sound played to its end or was stopped; `failure` says why it could not be played."""

    sound: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording was finished. `duration_s` is its length; `failure` says why there is none."""

    recording: str
    duration_s: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A party's device put us on hold (re-INVITE), or took us back."""

    party: str
    on: bool


@dataclass(frozen=True, slots=True)
class Referred:
    """A party's device asked for a transfer (REFER). Answer with `Switchboard.refer_progress`.

    `target` is the number asked for; `with_party`, when the device joins two of its calls (attended, Replaces), whom
    it talks with in the other one, else "". That one is `adopt`ed.
    """

    party: str
    target: str
    with_party: str = ""


class Ask:
    """Something asked of a call by an agent, a supervisor or the distribution; subclasses say what.

    The task of the call answers with `done` or `refuse`; who asked awaits `answer` with a timeout.
    """

    def __init__(self) -> None:
        self._answer: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()

    def done(self) -> None:
        """It was done."""
        if not self._answer.done():
            self._answer.set_result(None)

    def refuse(self, refused: Refused) -> None:
        """It was not done, and why."""
        if not self._answer.done():
            self._answer.set_result(refused)

    async def answer(self, timeout_s: float = 5.0) -> Refused | None:
        """Return None once it is done, else why not; `Refused('timeout', …)` after `timeout_s`."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._answer), timeout_s)
        except TimeoutError:
            return Refused("timeout", "the call did not answer in time", "look whether it still runs, then ask again")


Happening = Pressed | Ringing | PickedUp | Gone | SoundEnded | RecordingEnded | Held | Referred | Ask


# --- what is asked of the telephone system ------------------------------------------------------------------


class PartyState(StrEnum):
    """Where a party's channel is."""

    ABSENT = "absent"
    CALLING = "calling"  # created, dialling or ringing
    UP = "up"


class Listening(StrEnum):
    """What a supervisor does in a conversation. Barging is being a member of its bridge."""

    LISTEN = "listen"  # hears both
    WHISPER = "whisper"  # hears both, is heard by the agent alone


@dataclass(frozen=True, slots=True)
class LegPlan:
    """A leg to call. `device` is one address of `contacts`, or an endpoint (`PJSIP/2001`).

    With `bridge` the order is create → add to the bridge → dial, so that nothing of the first words is clipped;
    without (accept key, whisper) the leg is dialled alone and joined later.
    """

    party: str
    device: str
    number: str
    """For the record: the extension or number called."""
    role: Role
    ring_s: float
    caller_number: str = ""
    """What the called phone shows."""
    caller_name: str = ""
    bridge: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """SIP headers for the phone: `X-Rappel-Call`, `X-Rappel-Queue` (UTF-8; what cannot be seen is replaced)."""


class Switchboard(Protocol):
    """The telephone system as one call's queue and conversation use it.

    Methods return when Asterisk has taken the request, not when its effect is heard. Each raises `TelephonyError`
    (`AsteriskUnreachable`, `ChannelGone`, `AsteriskRefused`); what becomes of parties is told by `next` alone.
    Everything may be asked again: creating what is there, or ending what is gone, is not an error.
    """

    @property
    def caller(self) -> str:
        """The caller's party."""

    def now(self) -> float:
        """Return the time of `next`'s clock, in seconds."""

    async def ready(self, timeout_s: float) -> None:
        """Return once Asterisk can be asked (again); raise `AsteriskUnreachable` after `timeout_s`."""

    def leg_id(self, number: int) -> str:
        """Return the party id of the call's `number`-th leg (1…)."""

    def bridge_id(self, number: int) -> str:
        """Return the id of the call's `number`-th bridge (1…)."""

    def recording_id(self, number: int) -> str:
        """Return the id of the call's `number`-th recording (1…)."""

    async def next(self, until: float | None = None) -> Happening | None:
        """Return what happens next, or None at `until`. The caller's end is a `Gone` and then again for ever."""

    def deliver(self, ask: Ask) -> bool:
        """Put `ask` into the stream; False when the call has ended or its inbox is full."""

    async def state_of(self, party: str) -> PartyState:
        """Look how a party is: after a restart. A live leg of ours is owned from then on."""

    async def adopt(self, party: str, number: str, role: Role) -> PartyState:
        """Take over a party of another call, which counts it as gone; `number` and `role` are for the record."""

    async def members(self, bridge: str) -> frozenset[str] | None:
        """Return the parties in a bridge, None when there is no such bridge."""

    async def contacts(self, endpoint: str, *, fresh: bool = False) -> tuple[str, ...]:
        """Return what to dial to ring each registered device of `endpoint`; none when it is not reachable.

        What is known of it is some milliseconds old at most; `fresh`: Asterisk is asked in any case.
        """

    async def call(self, plan: LegPlan) -> None:
        """Call a leg; a leg that cannot be called is `Gone`."""

    async def drop(self, party: str, cause: int = 16) -> None:
        """Hang a party up; `Gone` follows."""

    async def bridge(self, bridge: str) -> None:
        """Create a mixing bridge."""

    async def join(self, bridge: str, *parties: str) -> None:
        """Move parties into a bridge, out of any other."""

    async def part(self, bridge: str, *parties: str) -> None:
        """Take parties out of a bridge."""

    async def close(self, bridge: str) -> None:
        """End a bridge; its parties stay."""

    async def play(self, target: str, media: tuple[MediaId, ...]) -> str:
        """Play to a party or, heard by all its members, to a bridge; return the sound's id. `SoundEnded` follows."""

    async def stop_sound(self, sound: str) -> None:
        """End a sound early."""

    async def music(self, party: str, on: bool, music_class: str = "default") -> None:
        """Start or stop music on hold for a party that is not in a bridge, or in a holding one."""

    async def ring(self, on: bool, party: str = "") -> None:
        """Start or stop the ringing tone for the caller, or for another party."""

    async def mute(self, party: str, on: bool) -> None:
        """Silence what a party says, or let it be heard again."""

    async def press(self, party: str, digits: str) -> None:
        """Send keys to a party."""

    async def record(
        self, recording: str, target: str, *, max_s: float = 0.0, end_key: str = "", beep: bool = False
    ) -> None:
        """Record a party, or a bridge with all its members. `RecordingEnded` follows; `max_s` 0: no limit."""

    async def pause_recording(self, recording: str, on: bool) -> None:
        """Leave out what is said, until it is turned off again."""

    async def end_recording(self, recording: str) -> None:
        """Finish a recording and keep it."""

    async def listen(self, snoop: str, spied: str, how: Listening) -> None:
        """Open a party `snoop` that hears `spied` and its peer; with `WHISPER` `spied` alone hears it."""

    async def refer_progress(self, party: str, state: str) -> None:
        """Tell the device that asked for a transfer: channel_progress, channel_answered, unavailable or denied."""
