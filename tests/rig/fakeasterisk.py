"""An Asterisk in memory: parties, bridges, sounds and telephones, on the running loop's clock.

A test, or a `Phone` that acts by itself, picks up, hangs up and presses keys. Calls see it as a
`tests.rig.fakeswitchboard`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from controller.flow.commands import MediaId
from controller.switchboard import (
    Gone,
    Happening,
    Held,
    LegPlan,
    Listening,
    PartyState,
    PickedUp,
    Pressed,
    RecordingEnded,
    Referred,
    Ringing,
)
from tests.rig.virtualtime import VirtualClock

BUSY, NO_ANSWER, ABSENT, DECLINED, NORMAL = 17, 19, 20, 21, 16
STEP_S = 0.001
"""How long anything takes to be told."""


@dataclass
class Phone:
    """One device of an endpoint, and what it does when it rings; by default nothing until a test does it."""

    answers_after_s: float | None = None
    refuses_after_s: float | None = None
    cause: int = DECLINED
    """With which it refuses."""
    hangs_up_after_s: float | None = None
    """After it has answered."""
    presses: str = ""
    """Keys, a second apart, from a second after the answer on."""


@dataclass
class Party:
    """A channel: the caller's, a leg's or a snoop's."""

    party: str
    state: PartyState
    device: str = ""
    plan: LegPlan | None = None
    bridge: str = ""
    music: str = ""
    ringing: bool = False
    muted: bool = False
    heard: list[tuple[float, MediaId]] = field(default_factory=list)
    """What was played to it, and when."""
    keys: str = ""
    """Sent to it."""
    spies_on: str = ""
    how: Listening | None = None


@dataclass
class Sound:
    target: str
    caller: str
    timer: asyncio.TimerHandle


@dataclass
class Recording:
    target: str
    caller: str
    began: float
    left_out_s: float = 0.0
    paused_at: float | None = None
    timer: asyncio.TimerHandle | None = None


class Owner(Protocol):
    """Is told what happens to its parties."""

    def put(self, happening: Happening) -> None:
        """Take note of it."""


class FakeAsterisk:
    """All parties, bridges and phones. `media_s`: how long each piece of audio lasts; missing ones are unknown."""

    def __init__(self, *, media_s: float | Callable[[MediaId], float] = 1.0) -> None:
        self.clock = VirtualClock()
        self.parties: dict[str, Party] = {}
        self.bridges: dict[str, set[str]] = {}
        self.sounds: dict[str, Sound] = {}
        self.recordings: dict[str, Recording] = {}
        self.phones: dict[str, Phone] = {}
        self.devices: dict[str, list[str]] = {}
        self.log: list[tuple[float, str, tuple[object, ...]]] = []
        self.owners: dict[str, Owner] = {}
        self.reachable = True
        self.refuses: set[str] = set()
        """Names of operations that Asterisk refuses."""
        self._media_s = media_s
        self._count = 0

    # --- what a test sets up ----------------------------------------------------------------------------------

    def phone(self, endpoint: str, *phones: Phone) -> list[str]:
        """Register devices of an endpoint (none: nobody is there); return their addresses."""
        self.devices[endpoint] = [f"PJSIP/{endpoint}/sip:{endpoint}@device{n}" for n, _ in enumerate(phones, 1)]
        self.phones.update(zip(self.devices[endpoint], phones, strict=True))
        return self.devices[endpoint]

    # --- what people do ---------------------------------------------------------------------------------------

    def pick_up(self, party: str) -> None:
        """Answer at the phone of a leg."""
        found = self.parties.get(party)
        if found is not None and found.state is PartyState.CALLING:
            found.state = PartyState.UP
            self.tell(party, PickedUp(party, self.clock.now()))
            self._acts_when_up(found)

    def hang_up(self, party: str, cause: int = NORMAL) -> None:
        """Hang up, or refuse, at the far end."""
        self.end(party, cause, by_far_end=True)

    def press(self, party: str, digits: str) -> None:
        """Press keys."""
        for digit in digits:
            self.tell(party, Pressed(party, digit))

    def hold(self, party: str, on: bool) -> None:
        """Put us on hold at the phone."""
        self.tell(party, Held(party, on=on))

    def refer(self, party: str, target: str, with_party: str = "") -> None:
        """Ask for a transfer at the phone."""
        self.tell(party, Referred(party, target, with_party))

    # --- what a test looks at ---------------------------------------------------------------------------------

    def hears(self, party: str) -> set[str]:
        """Return whom or what a party hears just now: parties, `music:<class>`, `ringing`, `sound`."""
        found = self.parties[party]
        heard: set[str] = set()
        for other in self.bridges.get(found.bridge, set()) - {party}:
            heard |= self._spied_on(other) or ({other} if self._speaks(other) else set())
        heard |= {"sound" for sound in self.sounds.values() if sound.target in {party, found.bridge} - {""}}
        if found.music and not any(sound.target == party for sound in self.sounds.values()):
            heard.add(f"music:{found.music}")
        if found.ringing:
            heard.add("ringing")
        for spy in self.parties.values():
            if spy.how is Listening.WHISPER and spy.spies_on == party:
                heard |= {other for other in self.bridges.get(spy.bridge, set()) - {spy.party} if self._speaks(other)}
        return heard | self._spied_on(party)

    def _spied_on(self, snoop: str) -> set[str]:
        """Return whom a snoop hears; nobody for any other party."""
        spied = self.parties[snoop].spies_on
        if not spied:
            return set()
        peers = self.bridges.get(self.parties[spied].bridge, set())
        return {other for other in {spied, *peers} if self._speaks(other)}

    def ringing(self) -> list[str]:
        """Return the legs that ring, oldest first."""
        return [each.party for each in self.parties.values() if each.state is PartyState.CALLING]

    def asked(self, *names: str) -> list[tuple[object, ...]]:
        """Return the arguments of what was asked for under these names."""
        return [args for _, name, args in self.log if name in names]

    # --- inside -----------------------------------------------------------------------------------------------

    def tell(self, party: str, happening: Happening) -> None:
        """Tell the owner of a party, a moment later."""
        self.later(STEP_S, lambda: self._tell_now(party, happening))

    def _tell_now(self, party: str, happening: Happening) -> None:
        board = self.owners.get(party)
        if board is not None:
            board.put(happening)

    def later(self, delay_s: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something after a delay."""
        return asyncio.get_running_loop().call_later(delay_s, work)

    def end(self, party: str, cause: int, *, by_far_end: bool) -> None:
        """End a party; what plays to it ends unheard."""
        found = self.parties.pop(party, None)
        if found is None:
            return
        self.leave_bridge(found)
        for sound in [each for each, playing in self.sounds.items() if playing.target == party]:
            self.sounds.pop(sound).timer.cancel()
        for recording in [each for each, one in self.recordings.items() if one.target == party]:
            self.finish(recording)
        for snoop in [each.party for each in self.parties.values() if each.spies_on == party]:
            self.end(snoop, 0, by_far_end=True)
        self.tell(party, Gone(party, cause, self.clock.now(), by_far_end=by_far_end))

    def leave_bridge(self, party: Party) -> None:
        """Take a party out of its bridge."""
        self.bridges.get(party.bridge, set()).discard(party.party)
        party.bridge = ""

    def dial(self, party: Party) -> None:
        """Ring the phone of a leg, which may act by itself."""
        phone = self.phones.get(party.device)
        if phone is None:
            self.later(STEP_S, lambda: self.hang_up(party.party, ABSENT))
            return
        self.tell(party.party, Ringing(party.party))
        if phone.answers_after_s is not None:
            self.later(phone.answers_after_s, lambda: self.pick_up(party.party))
        if phone.refuses_after_s is not None:
            self.later(phone.refuses_after_s, lambda: self._refuse(party, phone.cause))
        plan = party.plan
        if plan is not None:  # Asterisk gives up by itself, later than its controller
            self.later(plan.ring_s + 1, lambda: self._refuse(party, NO_ANSWER))

    def _refuse(self, party: Party, cause: int) -> None:
        if party.state is PartyState.CALLING:
            self.hang_up(party.party, cause)

    def _acts_when_up(self, party: Party) -> None:
        phone = self.phones.get(party.device, Phone())
        for place, digit in enumerate(phone.presses, 1):
            self.later(float(place), lambda digit=digit: self.press(party.party, digit))  # type: ignore[misc]
        if phone.hangs_up_after_s is not None:
            self.later(phone.hangs_up_after_s, lambda: self.hang_up(party.party))

    def length_s(self, media: MediaId) -> float | None:
        """Return how long a piece of audio lasts, None when there is none."""
        if "missing" in media:
            return None
        return self._media_s(media) if callable(self._media_s) else self._media_s

    def finish(self, recording: str) -> None:
        """End a recording and say how long it is."""
        one = self.recordings.pop(recording)
        if one.timer is not None:
            one.timer.cancel()
        now = self.clock.monotonic()
        out_s = one.left_out_s + (now - one.paused_at if one.paused_at is not None else 0.0)
        self.tell(one.caller, RecordingEnded(recording, now - one.began - out_s))

    def _speaks(self, party: str) -> bool:
        found = self.parties.get(party)
        return found is not None and found.state is PartyState.UP and not found.muted
