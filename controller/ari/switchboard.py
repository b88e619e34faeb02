"""The telephone system behind one call's queue and conversation, on ARI.

One task uses it. Where a step must wait for an event (a leg that enters, a party that leaves its bridge), the
method reads on by itself and keeps what else happens for `next`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog

from controller.acd.model import Refused
from controller.ari.creating import contacts, create, open_bridge, open_snoop
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import Item, Resynchronised
from controller.ari.leg import Leg
from controller.ari.line import Line, Link
from controller.ari.parties import Parties
from controller.ari.recordings import Recordings
from controller.ari.sounds import Sounds
from controller.cdr.entries import Role
from controller.errors import AsteriskRefused, ChannelGone, TelephonyError
from controller.flow.commands import MediaId
from controller.ids import derived_id
from controller.ports import AudioLibrary, LegObserver
from controller.switchboard import Ask, Gone, Happening, LegPlan, Listening, PartyState, SoundEnded

log = structlog.get_logger(__name__)

ASKS_LEFT_OUT = 128
"""Places in the inbox that are kept for Asterisk's events: asks must not end a call."""
_ENTER_S = 2.0
_LINGER_S = 2.0
_CONFLICT = 409
_ABSENT = 20
_SAFETY_S = 1
_REFER_STATES = {"unavailable": "channel_unavailable", "denied": "channel_declined"}


class AriSwitchboard:
    """`controller.switchboard.Switchboard` over the line of the caller.

    `resumed`: an earlier controller may have left something playing.
    """

    def __init__(
        self, line: Line, *, link: Link, audio: AudioLibrary, legs: LegObserver, resumed: bool = False
    ) -> None:
        self._line = line
        self._link = link
        self._parties = Parties(line, legs)
        self._sounds = Sounds(line, audio, resumed=resumed)
        self._recordings = Recordings(line)
        self._pending: deque[Happening] = deque()
        self._music: dict[str, str] = {}
        self._ringing = False
        self._told_gone_at: float | None = None
        self._reading = asyncio.Lock()
        line.overhear = self._overhear

    @property
    def caller(self) -> str:
        """See `Switchboard.caller`."""
        return self._line.channel_id

    def now(self) -> float:
        """See `Switchboard.now`."""
        return asyncio.get_running_loop().time()

    async def ready(self, timeout_s: float) -> None:
        """See `Switchboard.ready`."""
        await self._link.ready(timeout_s)

    def let_go(self) -> None:
        """Take no more events: whatever is left of the legs stays with Asterisk, or with the call that has them."""
        self._line.close()

    # A flow's own `dial` counts its legs and bridges from 1 too: these are of other kinds.

    def leg_id(self, number: int) -> str:
        """See `Switchboard.leg_id`."""
        return derived_id(self._line.call_id, "party", number)

    def bridge_id(self, number: int) -> str:
        """See `Switchboard.bridge_id`."""
        return derived_id(self._line.call_id, "room", number)

    def recording_id(self, number: int) -> str:
        """See `Switchboard.recording_id`."""
        return derived_id(self._line.call_id, "recording", number)

    # --- what happens -------------------------------------------------------------------------------------

    async def next(self, until: float | None = None) -> Happening | None:
        """See `Switchboard.next`.

        Once the caller's end was told, the ends of the legs that are left are told too, for 2 s at most; then
        there is only the caller's end.
        """
        while not self._pending:
            limit = until
            gone = self._parties.caller_gone
            if gone is not None and self._told_gone_at is not None:
                linger = self._told_gone_at + _LINGER_S
                if not self._parties.live() or self.now() >= linger:
                    await asyncio.sleep(0)  # whoever asks for ever must not stop everybody else
                    return gone
                limit = linger if until is None else min(until, linger)
            if not await self._take(limit) and until is not None and self.now() >= until:
                return None
        happening = self._pending.popleft()
        if isinstance(happening, Gone) and happening.party == self.caller:
            self._told_gone_at = self.now()
        return happening

    def deliver(self, ask: Ask) -> bool:
        """See `Switchboard.deliver`."""
        return self._line.deliver(ask, keep=ASKS_LEFT_OUT)

    def _overhear(self, item: Item) -> None:
        """Note what the telephone reads while nobody asks the switchboard: legs that end late are in the record."""
        if self._reading.locked():
            return
        if isinstance(item, Ask):
            item.refuse(Refused("not_in_a_conversation", "the caller is not with an agent now", "look at the board"))
        else:
            self._parties.overhear(item)

    async def _take(self, until: float | None, enough: Callable[[], bool] = lambda: False) -> bool:
        """Take one event into account, or what the lack of one means; False when there was nothing until then.

        `enough`: what another reader has found meanwhile may do.
        """
        async with self._reading:
            if enough():
                return True
            limits = [
                limit for limit in (until, self._parties.deadline(), self._sounds.deadline()) if limit is not None
            ]
            item = await self._line.next(min(limits, default=None))
        if item is not None:
            await self._note(item)
            return True
        before = len(self._pending)
        self._happened(self._parties.expire())
        for target, ended in await self._sounds.expire():
            await self._sound_ended(target, ended)
        return len(self._pending) > before

    async def _note(self, item: Item) -> None:
        match item:
            case Ask():
                self._happened([item])
            case Resynchronised():
                await self._look()
            case models.PlaybackStarted() | models.PlaybackFinished():
                ended = self._sounds.note(item)
                if ended is not None:
                    await self._sound_ended(*ended)
            case models.RecordingFinished() | models.RecordingFailed():
                recorded = self._recordings.note(item)
                self._happened([] if recorded is None else [recorded])
            case _:
                self._line.digits.clear()  # they are told as they are pressed
                self._happened(self._parties.note(item))

    def _happened(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            if isinstance(happening, Gone):
                self._sounds.forget(happening.party)
                self._music.pop(happening.party, None)
            self._pending.append(happening)

    async def _sound_ended(self, target: str, ended: SoundEnded) -> None:
        """Tell the end of a sound, and go on with the music that it interrupted: Asterisk does not."""
        self._happened([ended])
        if target in self._music and not self._sounds.at([target]):
            await self._line.send(ari.channels_start_moh(target, moh_class=self._music[target]))

    async def _look(self) -> None:
        """Events may be missing: see for ourselves how everything is."""
        try:
            for leg in self._parties.live():
                channel = await self._line.attempt(ari.channels_get(leg.id))
                self._happened(self._parties.lost(leg.id) if channel is None else self._parties.found(leg, channel))
            for target, ended in await self._sounds.look():
                await self._sound_ended(target, ended)
            self._happened(await self._recordings.look())
            for bridge in set(self._parties.where.values()):
                members = await self.members(bridge) or frozenset()
                for party in [party for party, where in self._parties.where.items() if where == bridge]:
                    if party not in members:
                        del self._parties.where[party]
        except TelephonyError as error:
            log.warning("ari_switchboard_look_failed", error=str(error))  # the next connection looks again

    async def _until(self, condition: Callable[[], bool], limit_s: float = _ENTER_S) -> bool:
        """Read on until `condition` holds; False when it does not within `limit_s`."""
        until = self.now() + limit_s
        while not condition():
            if self.now() >= until:
                return False
            await self._take(until, condition)
        return True

    # --- looking ------------------------------------------------------------------------------------------

    async def state_of(self, party: str) -> PartyState:
        """See `Switchboard.state_of`."""
        if self._parties.ended(party):
            return PartyState.ABSENT
        channel = await self._own(party)
        if channel is None and party != self.caller:
            self._happened(self._parties.missed(party))
        elif channel is not None and party != self.caller:
            self._parties.take_up(channel)
        return _state(channel)

    async def adopt(self, party: str, number: str, role: Role) -> PartyState:
        """See `Switchboard.adopt`."""
        channel = await self._own(party)
        if channel is not None:
            self._parties.adopt(channel, number, role)
        return _state(channel)

    async def _own(self, party: str) -> models.Channel | None:
        self._line.own(party)
        return await self._line.attempt(ari.channels_get(party))

    async def members(self, bridge: str) -> frozenset[str] | None:
        """See `Switchboard.members`."""
        self._line.own(bridge)
        found = await self._line.attempt(ari.bridges_get(bridge))
        if found is None:
            return None
        self._parties.where.update(dict.fromkeys(found.channels, bridge))
        return frozenset(found.channels)

    async def contacts(self, endpoint: str, *, fresh: bool = False) -> tuple[str, ...]:
        """See `Switchboard.contacts`."""
        if fresh:
            self._line.contacts.changed(endpoint.rpartition("/")[2])
        return await contacts(self._line, endpoint)

    # --- legs ---------------------------------------------------------------------------------------------

    async def call(self, plan: LegPlan) -> None:
        """See `Switchboard.call`."""
        self._line.own(plan.party, *filter(None, [plan.bridge]))
        leg = self._parties.add(plan.party)
        try:
            # Its bridge is made meanwhile; whoever ends the leg closes it, whatever becomes of the leg.
            (channel, created), _ = await asyncio.gather(create(self._line, plan), self._room(plan))
        except AsteriskRefused as error:
            log.warning("ari_leg_refused", device=plan.device, error=str(error))
            self._not_there(leg)
            return
        leg.exists(channel, plan.number, plan.role)
        try:
            await self._dial(leg, plan, created=created)
        except AsteriskRefused as error:
            if leg.ended:
                return
            log.warning("ari_leg_failed", device=plan.device, error=str(error))
            await self.drop(plan.party)
        if not created:
            self._happened(self._parties.found(leg, channel))

    async def _dial(self, leg: Leg, plan: LegPlan, *, created: bool) -> None:
        if created:
            # Asterisk answers the creation a moment before the application has the channel.
            await self._until(lambda: leg.entered or leg.ended)
            if leg.ended:
                return
        if plan.bridge:
            await self.join(plan.bridge, plan.party)
        try:
            await self._line.request(ari.channels_dial(plan.party, timeout=math.ceil(plan.ring_s) + _SAFETY_S))
        except ChannelGone as error:
            if created or error.status != _CONFLICT:
                raise
            log.info("ari_leg_rings_already", leg=plan.party)

    async def _room(self, plan: LegPlan) -> None:
        if plan.bridge:
            await self.bridge(plan.bridge)

    def _not_there(self, leg: Leg) -> None:
        self._parties.forget(leg.id)
        self._happened([Gone(leg.id, _ABSENT, datetime.now(UTC))])

    async def drop(self, party: str, cause: int = 16) -> None:
        """See `Switchboard.drop`."""
        leg = self._parties.leg(party)
        if party == self.caller or leg is not None:
            self._parties.dropped.add(party)
        there = await self._line.attempt_to(ari.channels_hangup(party, reason_code=str(cause)))
        if not there and leg is not None:
            self._parties.leave(party)

    async def mute(self, party: str, on: bool) -> None:
        """See `Switchboard.mute`."""
        silence = ari.channels_mute if on else ari.channels_unmute
        await self._line.request(silence(party, direction="in"))

    async def press(self, party: str, digits: str) -> None:
        """See `Switchboard.press`."""
        await self._line.request(ari.channels_send_dtmf(party, dtmf=digits))

    async def refer_progress(self, party: str, state: str) -> None:
        """See `Switchboard.refer_progress`."""
        await self._line.attempt(ari.channels_transfer_progress(party, states=_REFER_STATES.get(state, state)))

    # --- bridges ------------------------------------------------------------------------------------------

    async def bridge(self, bridge: str) -> None:
        """See `Switchboard.bridge`."""
        self._line.own(bridge)
        await open_bridge(self._line, bridge)

    async def join(self, bridge: str, *parties: str) -> None:
        """See `Switchboard.join`. What plays to the parties is ended: Asterisk would wait for its end."""
        for sound in self._sounds.at(parties):
            await self._line.send(ari.playbacks_stop(sound))
        for party in parties:
            if party in self._music:
                await self.music(party, on=False)
        if self._ringing and self.caller in parties:
            await self.ring(on=False)
        self._line.own(bridge)
        await self._line.request(ari.bridges_add_channel(bridge, channel=list(parties)))
        for party in parties:
            if self._parties.where.get(party) != bridge:
                self._parties.where[party] = bridge

    async def part(self, bridge: str, *parties: str) -> None:
        """See `Switchboard.part`. Returns when they are out: what is played before that never starts."""
        await self._line.attempt(ari.bridges_remove_channel(bridge, channel=list(parties)))
        await self._until(lambda: all(self._parties.where.get(party) != bridge for party in parties))

    async def close(self, bridge: str) -> None:
        """See `Switchboard.close`. Returns when its parties are out."""
        await self._line.attempt(ari.bridges_destroy(bridge))
        await self._until(lambda: bridge not in self._parties.where.values())

    # --- sounds and recordings ----------------------------------------------------------------------------

    async def play(self, target: str, media: tuple[MediaId, ...]) -> str:
        """See `Switchboard.play`."""
        sound, failure = await self._sounds.play(target, media, to_bridge=not self._parties.is_party(target))
        if failure:
            self._happened([SoundEnded(sound, failure)])
        return sound

    async def stop_sound(self, sound: str) -> None:
        """See `Switchboard.stop_sound`."""
        await self._line.attempt(ari.playbacks_stop(sound))

    async def music(self, party: str, on: bool, music_class: str = "default") -> None:
        """See `Switchboard.music`."""
        if not on:
            self._music.pop(party, None)
            await self._line.attempt(ari.channels_stop_moh(party))
            return
        self._music[party] = music_class
        if not self._sounds.at([party]):  # else it starts when the sound has ended
            await self._line.request(ari.channels_start_moh(party, moh_class=music_class))

    async def ring(self, on: bool, party: str = "") -> None:
        """See `Switchboard.ring`."""
        if not party or party == self.caller:
            self._ringing = on
        if on:
            await self._line.request(ari.channels_ring(party or self.caller))
        else:
            await self._line.attempt(ari.channels_ring_stop(party or self.caller))

    async def record(
        self, recording: str, target: str, *, max_s: float = 0.0, end_key: str = "", beep: bool = False
    ) -> None:
        """See `Switchboard.record`."""
        of_bridge = not self._parties.is_party(target)
        await self._recordings.begin(recording, target, of_bridge=of_bridge, max_s=max_s, end_key=end_key, beep=beep)

    async def pause_recording(self, recording: str, on: bool) -> None:
        """See `Switchboard.pause_recording`."""
        await self._recordings.pause(recording, on=on)

    async def end_recording(self, recording: str) -> None:
        """See `Switchboard.end_recording`."""
        await self._recordings.end(recording)

    async def listen(self, snoop: str, spied: str, how: Listening) -> None:
        """See `Switchboard.listen`."""
        self._line.own(snoop)
        leg = self._parties.add(snoop, observed=False)
        try:
            created = await open_snoop(self._line, snoop, spied, how)
        except AsteriskRefused:
            self._parties.forget(snoop)
            raise
        leg.entered |= not created
        await self._until(lambda: leg.entered or leg.ended)


def _state(channel: models.Channel | None) -> PartyState:
    if channel is None:
        return PartyState.ABSENT
    return PartyState.UP if channel.state == "Up" else PartyState.CALLING
