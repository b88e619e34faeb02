"""What a caller hears while waiting: music, news of the place, comfort, offers of a key; and when each is due.

A sound interrupts the music, which begins again after it. Nothing that is said holds up a match: whoever is connected
is stopped in the middle of a word (`hush`), but for the announcement that a conversation is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from controller.calls.queueing.stay import ANNOUNCED, Stay, unless_gone
from controller.flow.commands import MediaId
from controller.switchboard import SoundEnded

log = structlog.get_logger(__name__)

PAUSE_S = 5.0
"""Music between two things that are said."""
_NEVER = float("inf")
_MUSIC, _RINGING, _UNKNOWN = "music", "ringing", "unknown"


@dataclass(slots=True)
class Announcer:
    """The caller's ear in one queue. Clocks are the switchboard's."""

    stay: Stay
    _sound: str = ""
    _announcement: bool = False
    """The present sound says that the conversation is recorded."""
    _background: str = ""
    """What is heard between sounds, just now; `_UNKNOWN` is what an earlier controller left."""
    _ringing: bool = False
    _quiet_until: float = 0.0
    _news_at: float = _NEVER
    _comfort_at: float = _NEVER
    _callback_at: float = _NEVER
    _message_at: float = _NEVER
    _comforts: int = 0
    _last_news: tuple[MediaId, ...] = ()
    _hushed: bool = False

    def __post_init__(self) -> None:
        self._background = _UNKNOWN if self.stay.entered else ""

    async def begin(self) -> None:
        """Let the caller hear that conversations are recorded, where they are; then music."""
        waited = self.stay.waited_s()
        begun = self.stay.board.now() - waited
        plan, command = self.stay.plan, self.stay.command
        if plan.news_every_s > 0:
            self._news_at = begun + _next(plan.first_news_s, plan.news_every_s, waited)
        if plan.comfort_every_s > 0:
            self._comfort_at = begun + _next(plan.comfort_every_s, plan.comfort_every_s, waited)
            self._comforts = int(waited // plan.comfort_every_s)
        if command.callback_key and waited <= command.callback_after_s:
            self._callback_at = begun + command.callback_after_s
        if command.message_key and waited <= command.message_after_s:
            self._message_at = begun + command.message_after_s
        announcement = plan.record.announcement(command.language) if plan.record and not self.stay.announced else ()
        if announcement:
            await self._say(announcement, announcement=True)
        else:
            await self._play_background()

    @property
    def announcing(self) -> bool:
        """Whether the caller hears that just now: it is said to its end."""
        return bool(self._sound) and self._announcement

    def next_at(self) -> float:
        """Return when something is to be said next."""
        if self._sound or self._ringing or self._hushed:
            return _NEVER
        due = min(self._news_at, self._comfort_at, self._callback_at, self._message_at)
        return max(due, self._quiet_until)

    async def due(self) -> None:
        """Say what is due, if nothing is being said."""
        now = self.stay.board.now()
        if self.next_at() > now:
            return
        media = self._choose(now)
        if media:
            await self._say(media)

    def _choose(self, now: float) -> tuple[MediaId, ...]:
        plan, command = self.stay.plan, self.stay.command
        language = command.language
        media: tuple[MediaId, ...] = ()
        if self._news_at <= now:
            self._news_at = now + plan.news_every_s
            media = self._news(language)
        elif self._comfort_at <= now:
            self._comfort_at = now + plan.comfort_every_s
            media = plan.comfort(language, self._comforts)
            self._comforts += 1
        if self._callback_at <= now:
            self._callback_at = now + plan.news_every_s * 2 if plan.news_every_s > 0 else _NEVER
            media += plan.callback_offer(language, command.callback_key)
        if self._message_at <= now:
            self._message_at = now + plan.news_every_s * 2 if plan.news_every_s > 0 else _NEVER
            media += plan.message_offer(language, command.message_key)
        return media

    def _news(self, language: str) -> tuple[MediaId, ...]:
        """Return the news of the caller's place, () when they are the old ones."""
        places, entry = self.stay.places, self.stay.entry
        news = self.stay.plan.news(language, places.position(entry), places.estimate_s(entry))
        if news == self._last_news:
            return ()
        self._last_news = news
        return news

    async def ended(self, sound: SoundEnded) -> bool:
        """Take note of a sound's end; True when it was one of ours. Music follows."""
        if not self._sound or sound.sound != self._sound:
            return False
        announced = self._announcement and not sound.failure
        self._sound, self._announcement = "", False
        if sound.failure:
            log.error("queue.sound_failed", queue=self.stay.progress.queue, reason=sound.failure)
        if announced:
            self.stay.keep(detail={ANNOUNCED: True})
        self._quiet_until = self.stay.board.now() + PAUSE_S
        if not self._hushed:
            await self._play_background()
        return True

    async def ring(self, on: bool) -> None:
        """Let the caller hear ringing instead of music, or music again. What is being said is cut off."""
        if on == self._ringing:
            return
        self._ringing = on
        if not self._hushed and not self.announcing:
            await self._stop()
            await self._play_background()

    async def hush(self) -> None:
        """End everything the caller hears: an agent, or the flow, goes on."""
        self._hushed = True
        await self._stop()

    async def go_on(self) -> None:
        """Let the caller hear something again after `hush`: the connection came to nothing."""
        self._hushed = self._ringing = False
        await self._play_background()

    async def _stop(self) -> None:
        board = self.stay.board
        if self._sound:
            sound, self._sound, self._announcement = self._sound, "", False
            with unless_gone("stop"):
                await board.stop_sound(sound)
        if self._background in {_RINGING, _UNKNOWN}:
            with unless_gone("ring"):
                await board.ring(on=False)
        if self._background in {_MUSIC, _UNKNOWN}:
            with unless_gone("music"):
                await board.music(board.caller, on=False)
        self._background = ""

    async def _say(self, media: tuple[MediaId, ...], *, announcement: bool = False) -> None:
        board = self.stay.board
        await self._stop()
        with unless_gone("play"):
            self._sound = await board.play(board.caller, media)
            self._announcement = announcement

    async def _play_background(self) -> None:
        board = self.stay.board
        self._background = _RINGING if self._ringing else _MUSIC
        if self._ringing:
            with unless_gone("ring"):
                await board.ring(on=True)
        else:
            with unless_gone("music"):
                await board.music(board.caller, on=True, music_class=self.stay.plan.music)


def _next(first_s: float, every_s: float, waited_s: float) -> float:
    """Return the first of `first_s`, `first_s + every_s`, … that is not before `waited_s`."""
    if waited_s <= first_s:
        return first_s
    return first_s + every_s * -(-(waited_s - first_s) // every_s)
