"""The journal on disk: numbered segments, how far they are acknowledged, and the last states of running calls.

Everything here is synchronous and belongs to one thread. In the folder (mode 0700)::

    lock                    held while a controller uses the folder; names its process
    <20 digits>.journal     segments (`controller.journal.frames`), named after the number of their first entry
    acknowledged            number of the first entry that Postgres does not have yet, and its CRC

An entry is handed to the kernel in one `pwrite` before `append` returns: it survives the death of the process at
any instant. Power loss is another matter: see `sync_to_disk`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from controller.cdr.entries import CallEnded, StateDropped, StateSaved
from controller.errors import StoreError
from controller.ids import CallId
from controller.journal.frames import HEADER_SIZE, MAGIC, MAX_PAYLOAD, Frame, Kind, decode_entry, frame, read_frames

_SUFFIX = ".journal"
_NUMBER, _ACK = 8, 12  # bytes of an entry's number, and of that with its CRC
_READ_BYTES = 256 * 1024
_RETRY_SEGMENT_S = 1.0

log = structlog.get_logger(__name__)


class Segment(msgspec.Struct):
    """One file of the journal. `first` is the number of its first entry, `size` its whole frames in bytes."""

    path: Path
    first: int
    size: int


class Batch(msgspec.Struct, frozen=True):
    """Frames read for Postgres, in order; the next batch begins with entry `next_number` at `offset`."""

    frames: tuple[Frame, ...]
    next_number: int
    offset: int


class JournalFiles:
    """The files of one journal, locked for this process from `open` to `close`.

    `max_bytes` bounds all segments together; `live` holds the payload of the last state of each running call.
    """

    def __init__(self, directory: Path, *, segment_bytes: int, max_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = min(segment_bytes, max(max_bytes // 4, 1))
        self._max_bytes = max_bytes
        self._segments: list[Segment] = []
        self._lock_fd = self._ack_fd = self._active_fd = self._read_fd = -1
        self._reading: Segment | None = None
        self._offset = self._skip = 0
        self._head_end = 0
        self._no_segment_before = 0.0
        self.next_number = 0
        self.acknowledged = 0
        self._unsynced: set[Path] = set()
        self.damaged = 0
        """How many entries could not be read back."""
        self.live: dict[CallId, bytes] = {}

    @property
    def pending(self) -> int:
        """How many entries Postgres does not have yet."""
        return self.next_number - self.acknowledged

    @property
    def size(self) -> int:
        """Bytes all segments take on disk."""
        return sum(segment.size for segment in self._segments)

    # --- opening ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Lock the folder, cut a torn tail, find the running calls and what Postgres does not have yet.

        Raises `StoreError` when another controller uses the folder or it cannot be used at all. A full disk is
        no reason to refuse: the journal opens, and appends once there is room.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock()
            self._find_segments()
            self._ack_fd = os.open(self._directory / "acknowledged", os.O_RDWR | os.O_CREAT, 0o600)
            self.acknowledged = self._read_acknowledged()
        except OSError as error:
            self.close()
            raise StoreError(
                f"the journal in {self._directory} cannot be opened: {error.strerror}; "
                "give the controller a folder it may write to"
            ) from error
        self._begin_segment()
        self._delete_acknowledged()

    def close(self) -> None:
        """Let go of all files. What Postgres does not have yet stays for the next `open`."""
        for fd in (self._active_fd, self._read_fd, self._ack_fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._lock_fd = self._ack_fd = self._active_fd = self._read_fd = -1
        self._reading = None

    def _lock(self) -> None:
        self._lock_fd = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock_fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.close()
            raise StoreError(
                f"the journal in {self._directory} is in use by process {owner}; stop that controller, "
                "or give this one a folder of its own"
            ) from None
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode("ascii"), 0)

    def _find_segments(self) -> None:
        for leftover in self._directory.glob("*.new"):
            leftover.unlink(missing_ok=True)
        paths = sorted(self._directory.glob("[0-9]*" + _SUFFIX))
        found = [Segment(path, int(path.name.removesuffix(_SUFFIX)), path.stat().st_size) for path in paths]
        # The newest segment carries every running call's state at its head, so it alone needs to be read now.
        while found and not self._recover(found[-1]):
            damaged = found.pop()
            log.error("journal_segment_damaged", file=damaged.path.name, bytes=damaged.size, kept_as=".damaged")
            damaged.path.rename(damaged.path.with_suffix(".damaged"))
        self._segments = found

    def _recover(self, segment: Segment) -> bool:
        """Read the newest segment: its states, its count, its whole length. False if it is none at all."""
        data = segment.path.read_bytes()
        if not data.startswith(MAGIC):
            return False
        end, entries = len(MAGIC), 0
        for found in read_frames(data[len(MAGIC) :], len(MAGIC)):
            end = found.end
            entries += found.kind is not Kind.CARRIED
            self._track(found)
        if end < len(data):
            log.warning("journal_tail_cut", file=segment.path.name, bytes=len(data) - end)
            os.truncate(segment.path, end)
        segment.size = end
        self.next_number = segment.first + entries
        return True

    def _track(self, found: Frame) -> None:
        if found.kind is Kind.ENTRY:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            entry = decode_entry(found.payload)
            if isinstance(entry, StateSaved):
                self.live[entry.call_id] = found.payload
            elif isinstance(entry, (CallEnded, StateDropped)):
                self.live.pop(entry.call_id, None)

    def _read_acknowledged(self) -> int:
        data = os.pread(self._ack_fd, _ACK, 0)
        first = self._segments[0].first if self._segments else 0
        # Never written, or torn by a power loss: Postgres gets some entries twice, to no effect.
        if len(data) < _ACK or zlib.crc32(data[:_NUMBER]) != int.from_bytes(data[_NUMBER:], "little"):
            return first
        number = int.from_bytes(data[:_NUMBER], "little")
        if not self._segments:
            self.next_number = number
        return max(first, min(number, self.next_number))

    # --- writing ------------------------------------------------------------------------------------------

    def append(self, entries: Iterable[tuple[Kind, bytes, CallId | None]]) -> None:
        """Write `entries` (kind, payload, call it concerns), all or none. Raises `OSError` if none.

        `ENOSPC` also means that `max_bytes` is reached: what is there stays, what is new is not taken.
        """
        now = time.time()
        frames = []
        for kind, payload, call_id in entries:
            frames.append(frame(kind, now, payload))
            # Also when the write fails: the next segment's head carries the states again.
            if kind is Kind.STATE and call_id is not None:
                self.live[call_id] = payload
            elif kind is Kind.OVER and call_id is not None:
                self.live.pop(call_id, None)
        data = b"".join(frames)
        active = self._writable(len(data))
        try:
            _write_whole(self._active_fd, data, active.size)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._active_fd, active.size)
            raise
        active.size += len(data)
        self.next_number += len(frames)
        self._unsynced.add(active.path)

    def _writable(self, size: int) -> Segment:
        """Return the segment to append `size` bytes to, begun anew when it is time."""
        if self._active_fd >= 0 and len(self._segments) == 1:
            only = self._segments[0]  # as nearly always: Postgres has the others
            if only.size - self._head_end < self._segment_bytes and only.size + size <= self._max_bytes:
                return only
        full = self._active_fd >= 0 and self._segments[-1].size - self._head_end >= self._segment_bytes
        if (full or self._active_fd < 0) and time.monotonic() >= self._no_segment_before:
            self._begin_segment()
        if self._active_fd < 0:
            raise OSError(errno.ENOSPC, "No space left to begin a segment of the journal")
        if self.size + size > self._max_bytes:
            raise OSError(errno.ENOSPC, f"The journal's limit of {self._max_bytes} bytes is reached")
        return self._segments[-1]

    def _begin_segment(self) -> None:
        """Begin a new segment with the running calls at its head; without room, stay with the one there is."""
        now = time.time()
        head = MAGIC + b"".join(frame(Kind.CARRIED, now, payload) for payload in self.live.values())
        path = self._directory / f"{self.next_number:020d}{_SUFFIX}"
        unborn = path.with_suffix(".new")
        same = self._segments and self._segments[-1].path == path  # it holds no entry yet: replaced
        if self.size + len(head) > self._max_bytes and not same:
            self._no_segment_before = time.monotonic() + _RETRY_SEGMENT_S
            return
        fd = -1
        try:
            fd = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            _write_whole(fd, head, 0)
            unborn.rename(path)
        except OSError as error:
            reason = error.strerror or str(error)  # no traceback: it would say nothing more, a hundred times
            log.critical("journal_segment_failed", reason=reason, do="free disk space for the journal")
            self._no_segment_before = time.monotonic() + _RETRY_SEGMENT_S
            if fd >= 0:
                os.close(fd)
            with contextlib.suppress(OSError):
                unborn.unlink(missing_ok=True)
            return
        if self._active_fd >= 0:
            os.close(self._active_fd)
        if same:
            if self._reading is self._segments[-1]:
                self._stop_reading()
            self._segments.pop()
        self._active_fd = fd
        self._segments.append(Segment(path, self.next_number, len(head)))
        self._head_end = len(head)

    def take_unsynced(self) -> list[Path]:
        """Return the files that a power loss could still take, the folder among them, for `sync_to_disk`."""
        paths = list(self._unsynced)
        self._unsynced.clear()
        return [*paths, self._directory] if paths else []

    # --- reading ------------------------------------------------------------------------------------------

    def read(self, max_entries: int) -> Batch | None:
        """Return the oldest entries that are not acknowledged, at most `max_entries`; None if there is none.

        The same again until `acknowledge`. Raises `OSError` when the disk cannot be read.
        """
        while self.pending:
            segment = self._segment_to_read()
            frames = self._frames_from(segment, max_entries)
            if not frames:
                self._skip_damage(segment)
                continue
            fresh = [found for found in frames if found.kind is not Kind.CARRIED]
            if len(fresh) <= self._skip:
                self._skip -= len(fresh)
                self._offset = frames[-1].end
                continue
            if self._skip:
                self._offset = fresh[self._skip].offset
                del fresh[: self._skip]
                self._skip = 0
            return Batch(tuple(fresh), self.acknowledged + len(fresh), fresh[-1].end)
        return None

    def acknowledge(self, batch: Batch) -> None:
        """Postgres has `batch`: remember it, and delete segments it has in full."""
        self._offset = batch.offset
        self._set_acknowledged(batch.next_number)
        self._delete_acknowledged()

    def _segment_to_read(self) -> Segment:
        """Return the segment that holds the oldest pending entry, opened at the right place."""
        if self._reading is not None and self._offset < self._reading.size:
            return self._reading
        self._stop_reading()
        segment = next(held for held in reversed(self._segments) if held.first <= self.acknowledged)
        self._read_fd = os.open(segment.path, os.O_RDONLY)
        self._reading = segment
        self._offset = len(MAGIC)
        self._skip = self.acknowledged - segment.first
        return segment

    def _stop_reading(self) -> None:
        if self._read_fd >= 0:
            os.close(self._read_fd)
        self._read_fd, self._reading = -1, None

    def _frames_from(self, segment: Segment, limit: int) -> list[Frame]:
        """Return up to `limit` frames from the place reached; at least one, unless it is damaged."""
        left = segment.size - self._offset
        for size in (_READ_BYTES, MAX_PAYLOAD + HEADER_SIZE):
            data = os.pread(self._read_fd, min(size, left), self._offset)
            frames = list(islice(read_frames(data, self._offset), limit))
            if frames or size >= left:
                break
        return frames

    def _skip_damage(self, segment: Segment) -> None:
        """The rest of `segment` cannot be read: keep the file for a person to look at, go on after it."""
        if segment is self._segments[-1]:
            self._begin_segment()
            if segment is self._segments[-1]:
                raise OSError(errno.EIO, "The journal is damaged and cannot begin a new segment")
        after = self._segments[self._segments.index(segment) + 1].first
        kept = segment.path.with_suffix(".damaged")
        self.damaged += after - self.acknowledged
        log.error(
            "journal_segment_damaged",
            file=segment.path.name,
            entries_lost=after - self.acknowledged,
            kept_as=kept.name,
        )
        os.link(segment.path, kept)
        self._stop_reading()
        self._set_acknowledged(after)
        self._delete_acknowledged()

    def _set_acknowledged(self, number: int) -> None:
        self.acknowledged = number
        packed = number.to_bytes(_NUMBER, "little")
        os.pwrite(self._ack_fd, packed + zlib.crc32(packed).to_bytes(4, "little"), 0)

    def _delete_acknowledged(self) -> None:
        while len(self._segments) > 1 and self._segments[1].first <= self.acknowledged:
            done = self._segments.pop(0)
            if done is self._reading:
                self._stop_reading()
            self._unsynced.discard(done.path)
            done.path.unlink(missing_ok=True)


def _write_whole(fd: int, data: bytes, offset: int) -> None:
    """Write `data` in one call; a disk that takes only a part of it is full."""
    if os.pwrite(fd, data, offset) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_to_disk(paths: Iterable[Path]) -> None:
    """Bring `paths`, files and folders, to the disk, so that a power loss does not take them. May take long.

    Raises `OSError`; a file that Postgres has in full and that is deleted by now is no error.
    """
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
