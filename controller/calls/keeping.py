"""Recordings: from Asterisk into the store with checksum and retention, out of it when their time is over.

A note beside the store (`pending/`) says what is to be fetched before it is: a controller that dies, or an Asterisk
that is away, loses no recording. The store is a folder; what is in it, and why, is in the record (`AudioKept`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import wave
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from controller.acd.model import Refused
from controller.calls.conversation.keeper import TalkAudio
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import AudioErased, AudioKept, DistributionEntry
from controller.errors import ChannelGone, StoreError, TelephonyError
from controller.ids import CallId
from controller.ports import Clock, Devices, ExpiredAudio, History, StoredRecordings

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 60.0
"""How often what is left over is fetched, what has expired erased, and the lamps set again."""
_SOON_S = 1.0  # Asterisk has been told to finish a recording; by then it has
_GIVE_UP_AFTER = timedelta(minutes=10)  # a recording that Asterisk does not know by then will not come
_PURGE_AT_ONCE = 200
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A finished recording that is not in the store yet."""

    recording: str
    kind: str
    call_id: str
    queue: str
    caller: str
    keep_s: float
    begun_at: datetime
    noted_at: datetime
    agent: str = ""
    duration_s: float = 0.0
    """As Asterisk said; what the file says counts."""


class Keeping:
    """The store of recordings in `folder`; a conversation's `Keeper`. `told` takes the entries."""

    def __init__(
        self,
        folder: Path,
        stored: StoredRecordings,
        *,
        told: Callable[[DistributionEntry], None],
        clock: Clock,
        history: History,
        devices: Devices,
    ) -> None:
        self._folder = folder
        self._stored = stored
        self._told = told
        self._clock = clock
        self._history = history
        self._devices = devices
        self._mailboxes: dict[str, tuple[int, int]] = {}
        self._fetching: set[str] = set()
        self._look = asyncio.Event()
        self.counts: Counter[str] = Counter()
        """kept, erased, lost and failed since the start."""

    @property
    def folder(self) -> Path:
        """Where the files are; `AudioKept.path` is relative to it."""
        return self._folder

    # --- for calls ------------------------------------------------------------------------------------------

    def keep_talk(self, audio: TalkAudio) -> None:
        """Take a conversation's recording over, in the background: neither waits nor raises."""
        note = Pending(
            recording=audio.recording,
            kind="conversation",
            call_id=audio.call.call_id,
            queue=audio.queue,
            caller=audio.call.caller_number,
            keep_s=audio.keep_s,
            begun_at=audio.began_at,
            noted_at=self._clock.now(),
            agent=audio.agent,
        )
        try:
            self._write_note(note)
        except OSError as error:
            self._not_kept(note, error)
        else:
            asyncio.get_running_loop().call_later(_SOON_S, self._look.set)

    async def keep_message(
        self, call: CallRef, queue: str, recording: str, duration_s: float, keep_s: float
    ) -> Refused | None:
        """Put a finished voice message into the mailbox of `queue` for `keep_s`; see `Services.keep_message`."""
        now = self._clock.now()
        note = Pending(
            recording=recording,
            kind="message",
            call_id=call.call_id,
            queue=queue,
            caller=call.caller_number,
            keep_s=keep_s,
            begun_at=now,
            noted_at=now,
            duration_s=duration_s,
        )
        try:
            self._write_note(note)
            return await self._keep(note)
        except OSError as error:
            return self._not_kept(note, error)

    # --- for those who listen -------------------------------------------------------------------------------

    def file(self, path: str) -> Path | None:
        """Return the file of `AudioKept.path`; None when it is not there, or not in the store."""
        found = (self._folder / path).resolve()
        inside = found.is_relative_to(self._folder.resolve())
        return found if inside and found.is_file() else None

    def listened(self) -> None:
        """Somebody listened to a message (the access is in the database): the lamps are set anew soon."""
        self._look.set()

    def look_soon(self) -> None:
        """A message was erased: the lamps are set anew when the database has been told."""
        asyncio.get_running_loop().call_later(_SOON_S, self._look.set)

    async def erase(self, recording_id: str, path: str, by: str) -> None:
        """Delete a recording's file; the record keeps that it was there. One that is gone already is no error."""
        file = self.file(path)
        if file is not None:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        self._told(AudioErased(recording_id, self._clock.now(), by))
        self.counts["erased"] += 1

    # --- in the background ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Fetch what is noted, erase what has expired, and set the lamps, until cancelled."""
        while True:
            self._look.clear()
            for work in (self._fetch_noted, self._purge, self._set_lamps):
                try:
                    await work()
                except StoreError as error:
                    log.info("recordings.postponed", error=str(error))
                except Exception:  # a bug, or a full disk, must not end the purging for ever
                    log.exception("recordings.failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK_EVERY_S)

    async def _fetch_noted(self) -> None:
        for path in sorted(self._notes().glob("*.json")):
            try:
                note = msgspec.json.decode(path.read_bytes(), type=Pending)
            except FileNotFoundError:  # kept meanwhile
                continue
            except (OSError, msgspec.MsgspecError) as error:
                log.error("recording.note_unreadable", path=str(path), error=str(error))  # noqa: TRY400
                path.rename(path.with_suffix(".unreadable"))
                continue
            try:
                await self._keep(note)
            except OSError as error:
                self._not_kept(note, error)

    async def _purge(self) -> None:
        due: list[ExpiredAudio] = list(await self._history.expired_audio(self._clock.now(), _PURGE_AT_ONCE))
        for audio in due:
            await self.erase(audio.recording_id, audio.path, "rule")

    async def _set_lamps(self) -> None:
        counted = dict(await self._history.mailboxes())
        for queue in self._mailboxes.keys() - counted.keys():
            counted[queue] = (0, 0)
        for queue, (new, old) in counted.items():
            if self._mailboxes.get(queue) != (new, old):
                self._devices.messages(queue, new, old)
        self._mailboxes = counted

    # --- the way into the store -----------------------------------------------------------------------------

    async def _keep(self, note: Pending) -> Refused | None:
        """Fetch what `note` tells of, if nobody does yet. `OSError`: it cannot be written now."""
        if note.recording in self._fetching:
            return None
        self._fetching.add(note.recording)
        try:
            return await self._fetch(note)
        finally:
            self._fetching.discard(note.recording)

    async def _fetch(self, note: Pending) -> Refused | None:
        relative = Path(note.kind) / f"{note.begun_at:%Y/%m/%d}" / f"{note.recording}.wav"
        target = self._folder / relative
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
            audio = await self._stored.fetch(note.recording)
            await asyncio.to_thread(_write_whole, audio, target)
        except ChannelGone:
            if not target.is_file():  # else it was fetched before, and only the entry is missing
                return self._not_there(note)
        except TelephonyError as error:
            log.warning("recording.fetched_later", recording=note.recording, error=str(error))
            return None  # it is noted, and fetched as soon as Asterisk lets us
        await self._record(note, target, relative)
        with contextlib.suppress(TelephonyError):  # Asterisk's own copy; only its space is lost
            await self._stored.forget(note.recording)
        return None

    async def _record(self, note: Pending, target: Path, relative: Path) -> None:
        sha256, size, duration_s = await asyncio.to_thread(_measure, target)
        self._told(
            AudioKept(
                recording_id=note.recording,
                call_id=CallId(note.call_id),
                kind=note.kind,
                at=self._clock.now(),
                queue=note.queue,
                path=relative.as_posix(),
                sha256=sha256,
                bytes=size,
                duration_s=duration_s or note.duration_s,
                keep_until=note.begun_at + timedelta(seconds=note.keep_s),
                agent=note.agent,
                caller=note.caller,
            )
        )
        self.counts["kept"] += 1
        self._drop_note(note)
        if note.kind == "message":
            new, old = self._mailboxes.get(note.queue, (0, 0))
            self._mailboxes[note.queue] = (new + 1, old)
            self._devices.messages(note.queue, new + 1, old)

    def _not_there(self, note: Pending) -> Refused:
        if note.kind == "message" or self._clock.now() - note.noted_at > _GIVE_UP_AFTER:
            self._drop_note(note)
            self.counts["lost"] += 1
            log.warning("recording.not_there", recording=note.recording, call_id=note.call_id, kind=note.kind)
        return Refused("unknown_recording", "Asterisk has no such recording", "record it again")

    def _not_kept(self, note: Pending, error: OSError) -> Refused:
        self.counts["failed"] += 1
        log.error("recording.not_kept", recording=note.recording, error=error.strerror, do="free disk space")
        return Refused("no_space", f"the recording cannot be written: {error.strerror}", "free disk space")

    def _notes(self) -> Path:
        return self._folder / "pending"

    def _write_note(self, note: Pending) -> None:
        if not _ID.fullmatch(note.recording):
            raise OSError(f"{note.recording!r} cannot name a file")
        folder = self._notes()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = folder / f"{note.recording}.new"
        scratch.write_bytes(msgspec.json.encode(note))
        scratch.replace(folder / f"{note.recording}.json")

    def _drop_note(self, note: Pending) -> None:
        (self._notes() / f"{note.recording}.json").unlink(missing_ok=True)


def _write_whole(audio: bytes, target: Path) -> None:
    """Bring a recording to the disk, then give it its name."""
    scratch = target.with_suffix(".part")
    with scratch.open("wb") as file:
        scratch.chmod(0o600)
        file.write(audio)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(target)


def _measure(path: Path) -> tuple[str, int, float]:
    """Return checksum, size, and the duration in seconds as the file's header says (0 when it is no WAV file)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    duration_s = 0.0
    with contextlib.suppress(wave.Error, EOFError), wave.open(str(path)) as audio:
        duration_s = audio.getnframes() / audio.getframerate()
    return digest, path.stat().st_size, duration_s
