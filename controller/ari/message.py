"""What a caller says after the tone: one `Record`."""

from __future__ import annotations

import asyncio

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import Resynchronised
from controller.ari.line import Line
from controller.ari.operation import Operation
from controller.ari.recordings import FORMAT, stored_s
from controller.errors import AsteriskRefused, ChannelGone
from controller.flow.commands import Record
from controller.ids import message_id

_ASTERISK_KEYS = ("#", "*")
_SLACK_S = 5.0
_END_S = 2.0
_CONFLICT = 409
_INEXACT_S = 3.0
"""Asterisk counts whole seconds, upwards: what is this short is measured in the file. Empty messages are."""


class Message:
    """One recording of the caller's channel, named by the call and the command's number.

    `failure` says why there is none. What was said before a hang-up is kept.
    """

    def __init__(self, line: Line, command: Record) -> None:
        self.id = message_id(line.call_id, command.number)
        self.failure = ""
        self._line = line
        self._command = command
        self._duration_s: float | None = None

    async def found(self) -> float | None:
        """Look for what an earlier controller, or a broken connection, left; go on with it, and return its length."""
        if await self._line.attempt(ari.recordings_get_live(self.id)) is not None:
            return await self._listen()
        return await stored_s(self._line, self.id)

    async def run(self) -> float:
        """Record until the end key, silence, the longest time or the caller's end; return the length in seconds."""
        self._line.digits.clear()
        try:
            await self._line.request(self._operation())
        except ChannelGone:
            raise
        except AsteriskRefused as error:
            if error.status != _CONFLICT:
                raise
            self.failure = str(error)
            return 0.0
        return await self._listen()

    def _operation(self) -> Operation[models.LiveRecording]:
        command = self._command
        return ari.channels_record(
            self._line.channel_id,
            name=self.id,
            format=FORMAT,
            max_duration_seconds=max(1, round(command.max_s)),
            max_silence_seconds=max(1, round(command.silence_s)),
            if_exists="overwrite",
            beep=command.beep,
            terminate_on=command.end if command.end in _ASTERISK_KEYS else "none",
        )

    async def _listen(self) -> float:
        until = _now() + self._command.max_s + _SLACK_S
        while self._duration_s is None and not self._line.gone:
            if not await self._step(until) or self._is_ended_by_key():
                await self._line.attempt(ari.recordings_stop(self.id))
                break
        until = _now() + _END_S
        while self._duration_s is None and await self._step(until):
            pass
        self._line.digits.clear()
        if self._duration_s is None or self._duration_s <= _INEXACT_S:
            return await stored_s(self._line, self.id) or 0.0
        return self._duration_s

    def _is_ended_by_key(self) -> bool:
        ended = bool(self._command.end) and self._command.end in self._line.digits
        self._line.digits.clear()
        return ended

    async def _step(self, until: float) -> bool:
        """Take note of the next event; False when there is none until then."""
        item = await self._line.next(until)
        if isinstance(item, Resynchronised):
            if await self._line.attempt(ari.recordings_get_live(self.id)) is None:
                self._duration_s = 0.0  # it ended meanwhile: the file tells
        elif isinstance(item, models.RecordingFinished | models.RecordingFailed) and item.recording.name == self.id:
            self._duration_s = float(item.recording.duration or 0)
            if isinstance(item, models.RecordingFailed):
                self.failure = f"Asterisk could not record: {item.recording.cause or 'see its log'}"
        return item is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
