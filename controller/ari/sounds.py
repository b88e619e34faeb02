"""What plays to the parties and bridges of one call.

Playback ids come out of few slots, so that a successor can stop whatever its predecessor left playing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.line import Line
from controller.errors import AsteriskRefused
from controller.flow.commands import MediaId
from controller.ids import CallId, derived_id, message_id
from controller.ports import AudioLibrary
from controller.switchboard import SoundEnded

SLOTS = 8
"""Sounds of one call that may play at once."""
LONGEST_MESSAGE_S = 1800.0
"""A call's own recording that is played back counts as lost after that."""
_START_S = 3.0
_SLACK_S = 5.0


@dataclass(slots=True)
class _Sound:
    target: str
    length_s: float
    until: float
    started: bool = False


def playable(call_id: CallId, audio: AudioLibrary, media: tuple[MediaId, ...]) -> tuple[list[str], float, str]:
    """Return what Asterisk is to play, how long that may last in seconds, and why it cannot be played."""
    uris: list[str] = []
    length_s = 0.0
    for name in media:
        kind, _, number = name.partition("/")
        if kind == "recording" and number.isdecimal():
            uris.append(f"recording:{message_id(call_id, int(number))}")
            length_s += LONGEST_MESSAGE_S
            continue
        try:
            uris.append(f"sound:{audio.path(name)}")
            length_s += audio.duration_s(name)
        except KeyError as error:
            return [], 0.0, f"no audio for {error.args[0]}: prepare it with the release that plays it"
    if any("," in uri for uri in uris):
        return [], 0.0, "a path with a comma cannot be played by Asterisk: move the cache to a folder without one"
    return uris, length_s, ""


class Sounds:
    """The sounds of one call; each that was asked for ends in one `SoundEnded`, unless its target goes first."""

    def __init__(self, line: Line, audio: AudioLibrary, *, resumed: bool) -> None:
        self._line = line
        self._audio = audio
        self._unsettled = resumed
        self._turn = 0
        self._playing: dict[str, _Sound] = {}

    async def play(self, target: str, media: tuple[MediaId, ...], *, to_bridge: bool) -> tuple[str, str]:
        """Ask for `media` as one playback; return its id and, when it cannot be played, why."""
        if self._unsettled:
            await self._settle()
        sound = self._free_slot()
        uris, length_s, failure = playable(self._line.call_id, self._audio, media)
        if failure or not uris:
            return sound, failure or "nothing to play: name at least one piece of audio"
        self._playing[sound] = _Sound(target, length_s, asyncio.get_running_loop().time() + _START_S)
        play = ari.bridges_play_with_id if to_bridge else ari.channels_play_with_id
        try:
            await self._line.request(play(target, sound, media=uris))
        except AsteriskRefused:
            self._playing.pop(sound, None)
            raise
        return sound, ""

    def at(self, targets: Iterable[str]) -> list[str]:
        """Return the sounds that play to any of `targets`."""
        wanted = set(targets)
        return [sound for sound, playing in self._playing.items() if playing.target in wanted]

    def forget(self, target: str) -> None:
        """Expect nothing more of what plays to `target`: it is gone."""
        for sound in self.at([target]):
            del self._playing[sound]

    def note(self, event: models.PlaybackStarted | models.PlaybackFinished) -> tuple[str, SoundEnded] | None:
        """Take note of an event; return the target and the end of its sound when it is one."""
        playing = self._playing.get(event.playback.id)
        if playing is None:
            return None
        if isinstance(event, models.PlaybackStarted):
            if not playing.started:
                playing.started = True
                playing.until = asyncio.get_running_loop().time() + playing.length_s + _SLACK_S
            return None
        del self._playing[event.playback.id]
        failure = ""
        if event.playback.state == "failed":
            failure = f"Asterisk could not play {event.playback.media_uri}: check that the file is there"
        return playing.target, SoundEnded(event.playback.id, failure)

    def deadline(self) -> float | None:
        """Return when a sound counts as lost if nothing is heard of it."""
        return min((playing.until for playing in self._playing.values()), default=None)

    async def expire(self) -> list[tuple[str, SoundEnded]]:
        """Return the ends of the sounds that should have started or ended by now."""
        now = asyncio.get_running_loop().time()
        ended = []
        for sound in [sound for sound, playing in self._playing.items() if playing.until <= now]:
            playing = self._playing.pop(sound)
            await self._line.send(ari.playbacks_stop(sound))
            what = "end" if playing.started else "start"
            ended.append(
                (playing.target, SoundEnded(sound, f"the playback did not {what} in time; see Asterisk's log"))
            )
        return ended

    async def look(self) -> list[tuple[str, SoundEnded]]:
        """Return the ends of the sounds that Asterisk knows no more: events may have been missed."""
        ended = []
        for sound in list(self._playing):
            if await self._line.attempt(ari.playbacks_get(sound)) is None:
                playing = self._playing.pop(sound)
                ended.append((playing.target, SoundEnded(sound)))
        return ended

    def _free_slot(self) -> str:
        for _ in range(SLOTS):
            self._turn += 1
            sound = derived_id(self._line.call_id, "sound", self._turn % SLOTS)
            if sound not in self._playing:
                return sound
        raise AsteriskRefused(
            f"{SLOTS} sounds play in call {self._line.call_id} already; stop one before the next", status=409
        )

    async def _settle(self) -> None:
        """Stop what an earlier controller may have left playing."""
        self._unsettled = False
        for slot in range(SLOTS):
            await self._line.attempt(ari.playbacks_stop(derived_id(self._line.call_id, "sound", slot)))
