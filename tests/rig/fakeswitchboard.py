"""A `Switchboard` without Asterisk. `Exchange` outlives the boards of its calls, as Asterisk outlives a controller.

    exchange = Exchange()
    exchange.phone("2001", Phone(answers_after_s=3))
    board = exchange.call(call_id)

`Exchange.log` is what was asked for, with its time.
"""

from __future__ import annotations

import asyncio
from collections import deque

from controller.cdr.entries import Role
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone
from controller.flow.commands import MediaId
from controller.ids import CallId, derived_id
from controller.switchboard import Ask, Gone, Happening, LegPlan, Listening, PartyState, SoundEnded
from tests.rig.fakeasterisk import (
    ABSENT,
    BUSY,
    DECLINED,
    NO_ANSWER,
    NORMAL,
    STEP_S,
    FakeAsterisk,
    Party,
    Phone,
    Recording,
    Sound,
)

__all__ = ["ABSENT", "BUSY", "DECLINED", "NORMAL", "NO_ANSWER", "Exchange", "FakeSwitchboard", "Party", "Phone"]

INBOX = 512


class Exchange(FakeAsterisk):
    """A `FakeAsterisk` whose calls have boards."""

    def call(self, call_id: CallId, channel: str = "") -> FakeSwitchboard:
        """Return the board of a call, new or taken up by another controller: what happens is told to this one."""
        caller = channel or f"caller-{call_id}"
        self.parties.setdefault(caller, Party(caller, PartyState.UP))
        board = FakeSwitchboard(self, call_id, caller)
        self.owners[caller] = board
        return board


class FakeSwitchboard:
    """`controller.switchboard.Switchboard` over an `Exchange`. `Exchange.call` makes one."""

    def __init__(self, exchange: Exchange, call_id: CallId, caller: str) -> None:
        self.exchange = exchange
        self.call_id = call_id
        self._caller = caller
        self._inbox: deque[Happening] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._gone: Gone | None = None
        self._sounds = 0
        self._dropped: set[str] = set()

    @property
    def caller(self) -> str:
        return self._caller

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def ready(self, timeout_s: float) -> None:
        until = self.now() + timeout_s
        while not self.exchange.reachable:
            if self.now() >= until:
                raise AsteriskUnreachable("the exchange is unplugged: plug it in")
            await asyncio.sleep(0.1)

    def leg_id(self, number: int) -> str:
        return derived_id(self.call_id, "party", number)

    def bridge_id(self, number: int) -> str:
        return derived_id(self.call_id, "room", number)

    def recording_id(self, number: int) -> str:
        return derived_id(self.call_id, "recording", number)

    # --- what happens -----------------------------------------------------------------------------------------

    def put(self, happening: Happening) -> None:
        """Something has happened to a party of this call."""
        if isinstance(happening, Gone):
            if happening.party == self._caller:
                if self._gone is not None:
                    return
                self._gone = happening
            if happening.party in self._dropped:
                happening = Gone(happening.party, happening.cause, happening.at, by_far_end=False)
        self._inbox.append(happening)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, until: float | None = None) -> Happening | None:
        if not self._inbox and self._gone is None:
            if until is not None and until <= self.now():
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            timer = None if until is None else asyncio.get_running_loop().call_at(until, self._wake, self._waiter)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if self._inbox:
            return self._inbox.popleft()
        return self._gone

    @staticmethod
    def _wake(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    def deliver(self, ask: Ask) -> bool:
        if self._gone is not None or self._caller not in self.exchange.parties or len(self._inbox) >= INBOX:
            return False
        self.put(ask)
        return True

    # --- parties ----------------------------------------------------------------------------------------------

    async def state_of(self, party: str) -> PartyState:
        await self._ask("state_of", party)
        found = self.exchange.parties.get(party)
        if found is None:
            return PartyState.ABSENT
        self.exchange.owners[party] = self
        return found.state

    async def adopt(self, party: str, number: str, role: Role) -> PartyState:
        former = self.exchange.owners.get(party)
        if former not in (None, self):
            former.put(Gone(party, 0, self.exchange.clock.now(), by_far_end=False))
        return await self.state_of(party)

    async def members(self, bridge: str) -> frozenset[str] | None:
        await self._ask("members", bridge)
        found = self.exchange.bridges.get(bridge)
        return None if found is None else frozenset(found)

    async def contacts(self, endpoint: str, *, fresh: bool = False) -> tuple[str, ...]:
        await self._ask("contacts", endpoint)
        return tuple(self.exchange.devices.get(endpoint.removeprefix("PJSIP/"), ()))

    async def call(self, plan: LegPlan) -> None:
        await self._ask("call", plan)
        exchange = self.exchange
        if plan.party in exchange.parties:
            exchange.owners[plan.party] = self
            return
        self._dropped.discard(plan.party)
        party = exchange.parties[plan.party] = Party(plan.party, PartyState.CALLING, plan.device, plan)
        exchange.owners[plan.party] = self
        if plan.bridge:
            exchange.bridges.setdefault(plan.bridge, set()).add(plan.party)
            party.bridge = plan.bridge
        exchange.dial(party)

    async def drop(self, party: str, cause: int = NORMAL) -> None:
        await self._ask("drop", party, cause)
        self._dropped.add(party)
        self.exchange.end(party, cause, by_far_end=False)

    async def mute(self, party: str, on: bool) -> None:
        await self._ask("mute", party, on)
        self._party(party).muted = on

    async def press(self, party: str, digits: str) -> None:
        await self._ask("press", party, digits)
        self._party(party).keys += digits

    async def refer_progress(self, party: str, state: str) -> None:
        await self._ask("refer_progress", party, state)

    async def listen(self, snoop: str, spied: str, how: Listening) -> None:
        await self._ask("listen", snoop, spied, how)
        self._party(spied)
        self.exchange.parties[snoop] = Party(snoop, PartyState.UP, spies_on=spied, how=how)
        self.exchange.owners[snoop] = self

    # --- bridges ----------------------------------------------------------------------------------------------

    async def bridge(self, bridge: str) -> None:
        await self._ask("bridge", bridge)
        self.exchange.bridges.setdefault(bridge, set())

    async def join(self, bridge: str, *parties: str) -> None:
        await self._ask("join", bridge, *parties)
        if bridge not in self.exchange.bridges:
            raise ChannelGone("no such bridge: create it first", status=404)
        for found in [self._party(party) for party in parties]:
            for sound in [each for each, one in self.exchange.sounds.items() if one.target == found.party]:
                await self.stop_sound(sound)
            self.exchange.leave_bridge(found)
            found.music, found.ringing, found.bridge = "", False, bridge
            self.exchange.bridges[bridge].add(found.party)

    async def part(self, bridge: str, *parties: str) -> None:
        await self._ask("part", bridge, *parties)
        for party in parties:
            found = self.exchange.parties.get(party)
            if found is not None and found.bridge == bridge:
                self.exchange.leave_bridge(found)

    async def close(self, bridge: str) -> None:
        await self._ask("close", bridge)
        for party in self.exchange.bridges.pop(bridge, set()):
            self.exchange.parties[party].bridge = ""

    # --- sounds and recordings --------------------------------------------------------------------------------

    async def play(self, target: str, media: tuple[MediaId, ...]) -> str:
        await self._ask("play", target, media)
        exchange = self.exchange
        heard = [target] if target in exchange.parties else sorted(exchange.bridges.get(target, ()))
        if target not in exchange.parties and target not in exchange.bridges:
            raise ChannelGone(f"{target} is gone: nothing can be played to it", status=404)
        self._sounds += 1
        sound = f"sound-{self.call_id}-{self._sounds}"
        lengths = [exchange.length_s(each) for each in media]
        failure = "no audio" if None in lengths or not media else ""
        length_s = 0.0 if failure else sum(each for each in lengths if each is not None)
        exchange.sounds[sound] = Sound(
            target, self._caller, exchange.later(length_s + STEP_S, lambda: self._sound_over(sound, failure))
        )
        if not failure:
            for party in heard:
                exchange.parties[party].heard += [(self.now(), each) for each in media]
        return sound

    def _sound_over(self, sound: str, failure: str = "") -> None:
        playing = self.exchange.sounds.pop(sound, None)
        if playing is not None:
            playing.timer.cancel()
            self.exchange.tell(playing.caller, SoundEnded(sound, failure))

    async def stop_sound(self, sound: str) -> None:
        await self._ask("stop_sound", sound)
        self._sound_over(sound)

    async def music(self, party: str, on: bool, music_class: str = "default") -> None:
        await self._ask("music", party, on, music_class)
        if on:
            self._party(party).music = music_class
        elif party in self.exchange.parties:
            self.exchange.parties[party].music = ""

    async def ring(self, on: bool, party: str = "") -> None:
        party = party or self._caller
        await self._ask("ring", on)
        if on:
            self._party(party).ringing = on
        elif party in self.exchange.parties:
            self.exchange.parties[party].ringing = False

    async def record(
        self, recording: str, target: str, *, max_s: float = 0.0, end_key: str = "", beep: bool = False
    ) -> None:
        await self._ask("record", recording, target)
        if target not in self.exchange.parties and target not in self.exchange.bridges:
            raise ChannelGone(f"{target} is gone: it cannot be recorded", status=404)
        timer = self.exchange.later(max_s, lambda: self.exchange.finish(recording)) if max_s else None
        self.exchange.recordings.setdefault(recording, Recording(target, self._caller, self.now(), timer=timer))

    async def pause_recording(self, recording: str, on: bool) -> None:
        await self._ask("pause_recording", recording, on)
        one = self.exchange.recordings.get(recording)
        if one is not None and on and one.paused_at is None:
            one.paused_at = self.now()
        elif one is not None and not on and one.paused_at is not None:
            one.left_out_s += self.now() - one.paused_at
            one.paused_at = None

    async def end_recording(self, recording: str) -> None:
        await self._ask("end_recording", recording)
        if recording in self.exchange.recordings:
            self.exchange.finish(recording)

    # --- inside -----------------------------------------------------------------------------------------------

    async def _ask(self, name: str, *args: object) -> None:
        """Note what is asked for; it takes a turn of the loop, in which other things can happen."""
        self.exchange.log.append((self.now(), name, args))
        await asyncio.sleep(0)
        if not self.exchange.reachable:
            raise AsteriskUnreachable("the exchange is unplugged: plug it in")
        if name in self.exchange.refuses:
            raise AsteriskRefused(f"{name} is refused", status=500)

    def _party(self, party: str) -> Party:
        found = self.exchange.parties.get(party)
        if found is None:
            raise ChannelGone(f"{party} is gone", status=404)
        return found
