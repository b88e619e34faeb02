"""What is recorded of one call, and Asterisk's finished recordings."""

from __future__ import annotations

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.line import Line
from controller.ari.transport import Transport
from controller.errors import AsteriskRefused, ChannelGone
from controller.switchboard import RecordingEnded

FORMAT = "wav"
"""8 kHz, 16 bits, one channel."""
_WAV_HEADER = 44
_BYTES_PER_S = 16_000
_CONFLICT = 409
_ASTERISK_KEYS = ("#", "*")


async def stored_s(line: Line, recording: str) -> float | None:
    """Return how long a finished recording lasts, None when there is none. Reads all of it: for short ones."""
    data = await line.attempt(ari.recordings_get_stored_file(recording))
    return None if data is None else max(0, len(data) - _WAV_HEADER) / _BYTES_PER_S


class Recordings:
    """The recordings of one call; each that was begun ends in one `RecordingEnded`."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._running: set[str] = set()

    async def begin(
        self, recording: str, target: str, *, of_bridge: bool, max_s: float, end_key: str, beep: bool
    ) -> None:
        """Ask for a recording; one that runs already under this id goes on."""
        operation = ari.bridges_record if of_bridge else ari.channels_record
        self._running.add(recording)
        try:
            await self._line.request(
                operation(
                    target,
                    name=recording,
                    format=FORMAT,
                    max_duration_seconds=max(1, round(max_s)) if max_s else 0,
                    if_exists="fail",
                    beep=beep,
                    terminate_on=end_key if end_key in _ASTERISK_KEYS else "none",
                )
            )
        except AsteriskRefused as error:
            if error.status == _CONFLICT and await self._line.attempt(ari.recordings_get_live(recording)) is not None:
                return
            self._running.discard(recording)
            raise

    async def pause(self, recording: str, *, on: bool) -> None:
        """Leave out what is said, or go on."""
        await self._line.attempt(ari.recordings_pause(recording) if on else ari.recordings_unpause(recording))

    async def end(self, recording: str) -> None:
        """Finish and keep it."""
        await self._line.attempt(ari.recordings_stop(recording))

    def note(self, event: models.RecordingFinished | models.RecordingFailed) -> RecordingEnded | None:
        """Take note of an end."""
        recording = event.recording
        self._running.discard(recording.name)
        if isinstance(event, models.RecordingFailed):
            why = recording.cause or "see Asterisk's log"
            return RecordingEnded(recording.name, failure=f"Asterisk could not record: {why}")
        return RecordingEnded(recording.name, float(recording.duration or 0))

    async def look(self) -> list[RecordingEnded]:
        """Return the ends of the recordings that run no more: events may have been missed."""
        ended = []
        for recording in list(self._running):
            if await self._line.attempt(ari.recordings_get_live(recording)) is None:
                self._running.discard(recording)
                ended.append(RecordingEnded(recording))
        return ended


class AriRecordings:
    """`controller.ports.StoredRecordings`: over HTTP, the only way that takes a file."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    async def fetch(self, recording: str) -> bytes:
        """See `StoredRecordings.fetch`."""
        return await self._http.request(ari.recordings_get_stored_file(recording))

    async def forget(self, recording: str) -> None:
        """See `StoredRecordings.forget`."""
        try:
            await self._http.request(ari.recordings_delete_stored(recording))
        except ChannelGone:
            return
