"""The caller's end of one call on ARI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from controller.ari.dialling import Dialling
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import RequestFailed, Resynchronised
from controller.ari.line import Line, Link
from controller.ari.message import Message
from controller.ari.sounds import playable
from controller.ari.switchboard import AriSwitchboard
from controller.errors import AsteriskRefused, AsteriskUnreachable
from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Event,
    Failed,
    Hangup,
    HungUp,
    MediaId,
    Play,
    Played,
    Record,
    Recorded,
)
from controller.flow.digits import DigitCollector
from controller.ids import derived_id
from controller.ports import AudioLibrary, LegObserver
from controller.switchboard import Switchboard

log = structlog.get_logger(__name__)

_SLOTS = 4
"""Playback ids in turn. Few, so that a successor can stop whatever its predecessor left playing."""
_ATTEMPTS = 3
_UNALLOCATED = 1


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the telephone waits for what should come by itself, in seconds."""

    playback_start_s: float = 3.0
    """From the request to PlaybackStarted."""
    playback_slack_s: float = 5.0
    """Beyond the length of the audio, until PlaybackFinished counts as lost."""
    hangup_s: float = 2.0
    reconnect_s: float = 10.0
    """For Asterisk to come back when the WebSocket broke in the middle of a command."""


class AriTelephone:
    """`controller.ports.Telephone` for one caller's channel in the application.

    `endpoint_for` gives the endpoint to dial for an extension (`PJSIP/1001`). Make it before the caller's events
    may be lost: it opens the inbox of the channel. `resumed`: an earlier controller may have left something
    playing. A command that Asterisk's absence interrupted is performed again when it is back; every command can be.
    """

    def __init__(
        self,
        line: Line,
        *,
        link: Link,
        audio: AudioLibrary,
        legs: LegObserver,
        endpoint_for: Callable[[str], str],
        waits: Waits | None = None,
        resumed: bool = False,
    ) -> None:
        self._line = line
        self._link = link
        self._audio = audio
        self._legs = legs
        self._endpoint_for = endpoint_for
        self._waits = waits or Waits()
        self._played = 0
        self._unsettled = resumed
        self._fresh = not resumed
        self._dialling: Dialling | None = None
        self._resumed = resumed
        self._switchboard: AriSwitchboard | None = None

    def switchboard(self) -> Switchboard:
        """See `Telephone.switchboard`."""
        if self._switchboard is None:  # most calls need none
            self._switchboard = AriSwitchboard(
                self._line, link=self._link, audio=self._audio, legs=self._legs, resumed=self._resumed
            )
        return self._switchboard

    async def perform(self, command: Command) -> Event:
        """See `Telephone.perform`."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._perform(command)
            except AsteriskUnreachable as error:
                if attempt == _ATTEMPTS:
                    raise
                log.warning("ari_command_interrupted", command=type(command).__name__, error=str(error))
                await self._link.ready(self._waits.reconnect_s)
                self._unsettled = True
            except AsteriskRefused as error:
                self._line.catch_up()
                if not self._line.gone and not await self._has_vanished():
                    self._dialling = None
                    return Failed(str(error))
                return await self._hung_up()
        raise AssertionError  # the last attempt has returned or raised

    async def _perform(self, command: Command) -> Event:
        self._line.catch_up(self._dialling.note if self._dialling else None)
        if self._line.gone and self._dialling is None:
            return await self._hung_up()
        again = self._unsettled
        if again:
            await self._settle()
        return await self._carry_out(command, again=again)

    async def _carry_out(self, command: Command, *, again: bool) -> Event:
        match command:
            case Answer():
                return await self._answer()
            case Play():
                return await self._play(command)
            case Collect():
                return await self._collect(command)
            case Dial():
                return await self._dial(command)
            case Record():
                return await self._record(command, again=again)
            case Hangup():
                return await self._hang_up(command.cause)
        raise TypeError(f"{type(command).__name__} is not for the telephone")

    async def _answer(self) -> Event:
        """Answer; a channel that never played anything for us does so at once, another may wait for its prompt."""
        answer = ari.channels_answer(self._line.channel_id)
        await (self._line.request_idle(answer) if self._fresh else self._line.request(answer))
        return Answered()

    async def _settle(self) -> None:
        """Stop what an earlier controller, or an interrupted command, may have left playing."""
        for slot in range(_SLOTS):
            await self._line.attempt(ari.playbacks_stop(self._playback_id(slot)))
        self._unsettled = False

    async def _dial(self, command: Dial) -> Event:
        if self._dialling is None:
            try:
                endpoint = self._endpoint_for(command.extension)
            except KeyError:
                log.warning("ari_extension_unknown", extension=command.extension)
                return Dialled(DialOutcome.UNREACHABLE, _UNALLOCATED)
            self._dialling = Dialling(self._line, command, self._legs, endpoint)
        event = await self._dialling.run()
        self._dialling = None
        return await self._hung_up(event.talk_s) if self._line.gone else event

    # --- the end ------------------------------------------------------------------------------------------

    async def _hung_up(self, talk_s: float = 0.0) -> HungUp:
        cause = await self._line.final_cause()
        self._line.close()
        return HungUp(cause, talk_s)

    async def _has_vanished(self) -> bool:
        return await self._line.attempt(ari.channels_get(self._line.channel_id)) is None

    async def _hang_up(self, cause: int) -> HungUp:
        await self._line.attempt(ari.channels_hangup(self._line.channel_id, reason_code=str(cause)))
        until = _now() + self._waits.hangup_s
        while not self._line.gone and await self._line.next(until) is not None:
            pass
        self._line.close()
        return HungUp(self._line.cause or cause)

    # --- playing ------------------------------------------------------------------------------------------

    async def _play(self, command: Play) -> Event:
        if command.bargein and self._line.digits:
            return Played(interrupted=True)
        playback = self._start(command.media)
        while playback.running:
            await playback.step()
            if self._line.gone:
                return await self._hung_up()
            if command.bargein and self._line.digits:
                await playback.stop()
                return Played(interrupted=True)
        return playback.failure or Played()

    async def _record(self, command: Record, *, again: bool) -> Event:
        """Record after the prompt, which a key cuts short; what was left by an earlier attempt counts."""
        message = Message(self._line, command)
        recorded_s = await message.found() if again else None
        if recorded_s is None:
            playback = self._start(command.media)
            while playback.running and not self._line.gone:
                await playback.step()
                if self._line.digits:
                    await playback.stop()
            if self._line.gone:
                return await self._hung_up()
            if playback.failure:
                return playback.failure
            recorded_s = await message.run()
        if self._line.gone:
            return msgspec.structs.replace(await self._hung_up(), recorded_s=recorded_s)
        return Failed(message.failure) if message.failure else Recorded(recorded_s)

    async def _collect(self, command: Collect) -> Event:
        line = self._line
        collector = DigitCollector(command.rules)
        if command.bargein and (end := self._press(collector)):
            return Collected(collector.digits, end)
        if not collector.digits:
            playback = await self._prompt(command)
            if line.gone:
                return await self._hung_up()
            if playback.failure:
                return playback.failure
        collector.prompt_done(_now())
        while True:  # bounded by the collector's total clock
            end = self._press(collector) or collector.expire(_now())
            if end:
                return Collected(collector.digits, end)
            await line.next(collector.deadline())
            if line.gone:
                return await self._hung_up()

    async def _prompt(self, command: Collect) -> _Playback:
        """Play what comes before an entry, up to its end or the first digit."""
        playback = self._start(command.media)
        while playback.running and not self._line.gone:
            await playback.step()
            if command.bargein and self._line.digits:
                await playback.stop()
        if not command.bargein:
            self._line.digits.clear()
        return playback

    def _press(self, collector: DigitCollector) -> CollectEnd | None:
        """Hand over the digits that are there, until the entry ends; the rest stays for the next one."""
        while self._line.digits:
            if end := collector.press(self._line.digits.popleft(), _now()):
                return end
        return None

    def _start(self, media: tuple[MediaId, ...]) -> _Playback:
        """Ask for `media` as one playback; what cannot be found makes it a failed one."""
        playback = _Playback(self._line, self._next_playback_id(), self._waits)
        if not media:
            playback.running = False
            return playback
        uris, length_s, failure = playable(self._line.call_id, self._audio, media)
        if failure:
            playback.fail(failure)
            return playback
        playback.start(uris, length_s)
        return playback

    def _next_playback_id(self) -> str:
        self._fresh = False
        self._played += 1
        return self._playback_id(self._played % _SLOTS)

    def _playback_id(self, slot: int) -> str:
        return derived_id(self._line.call_id, "playback", slot)


class _Playback:
    """One playback, from the request to its end. `failure` says why it was none."""

    def __init__(self, line: Line, playback_id: str, waits: Waits) -> None:
        self.running = True
        self.failure: Failed | None = None
        self._line = line
        self._id = playback_id
        self._waits = waits
        self._until = 0.0
        self._started = False

    def start(self, uris: list[str], length_s: float) -> None:
        """Ask for it. Nobody waits for the answer: what comes next is its end, a key, or that it failed."""
        self._until = _now() + self._waits.playback_start_s
        self._longest_s = length_s + self._waits.playback_slack_s
        self._request = ari.channels_play_with_id(self._line.channel_id, self._id, media=uris)
        self._line.begin(self._request)

    async def step(self) -> None:
        """Wait for one event and take note of it, if it is about this playback; raises what starting it raised."""
        item = await self._line.next(self._until)
        if item is None:
            await self._overdue()
        elif isinstance(item, RequestFailed):
            if item.operation is self._request:
                raise item.error
        elif isinstance(item, Resynchronised):
            if await self._line.attempt(ari.playbacks_get(self._id)) is None:
                self.running = False
        elif isinstance(item, models.PlaybackStarted) and item.playback.id == self._id:
            if not self._started:
                self._started = True
                self._until = _now() + self._longest_s
        elif isinstance(item, models.PlaybackFinished) and item.playback.id == self._id:
            self.running = False
            if item.playback.state == "failed":
                self.fail(f"Asterisk could not play {item.playback.media_uri}: check that the file is there")

    async def stop(self) -> None:
        """End it; what is played next waits for the end by itself."""
        self.running = False
        await self._line.send(ari.playbacks_stop(self._id))

    def fail(self, reason: str) -> None:
        self.running = False
        self.failure = Failed(reason)

    async def _overdue(self) -> None:
        if await self._line.attempt(ari.playbacks_get(self._id)) is None and self._started:
            self.running = False  # it ended, and only the event is missing
            return
        what = "end" if self._started else "start"
        await self.stop()
        self.fail(f"the playback did not {what} in time; see Asterisk's log for channel {self._line.channel_id}")


def _now() -> float:
    return asyncio.get_running_loop().time()
