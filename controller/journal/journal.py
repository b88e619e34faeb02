"""The journal: takes entries of the record at once, brings them to Postgres soon after.

`record` hands an entry to the kernel before it returns, so a killed controller loses nothing. A task reads the
files back and writes to the record store in micro-batches; what the store has acknowledged is deleted. While
Postgres is away the files grow to their limit, then the oldest entries stay and new ones are dropped, loudly and
counted. Everything is applied at least once and in order; the store makes that exactly once.

Power loss: with Postgres up an entry is as durable as a commit there within milliseconds. While Postgres is away
the files are brought to the disk every `sync_s`, so at most about that much can be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from controller.cdr.entries import Entry, StateSaved
from controller.errors import StoreError
from controller.ids import CallId
from controller.journal.files import Batch, JournalFiles, sync_to_disk
from controller.journal.frames import Kind, decode_entry, encode_entry, kind_of
from controller.journal.rejected import Rejected
from controller.ports import RecordStore

MIB = 1024 * 1024
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.1, 5.0
_LOOK_S = 5.0  # how often an idle journal looks whether Postgres is there
_CANCEL_S = 1.0  # how long a closing journal waits for a store that does not give up
_COMPLAIN_S = 10.0  # how often the log repeats that entries are being dropped

log = structlog.get_logger(__name__)

_T = TypeVar("_T")


class Journal:
    """Recorder of one controller (`controller.ports.Recorder`), and keeper of the states of its running calls.

    Entries go to `store` in micro-batches: `linger_s` after the first, or `batch_entries` at once. A longer wait
    costs nothing in durability and saves much work, the controller's and Postgres' (at 30 calls a second 0.9 and
    1.2 ms a call less with 0.2 s than with 0.02).

    One journal per folder and process; all methods belong to the event loop's thread. `record` never raises: a
    call goes on when its record cannot be kept. For metrics: `pending`, `oldest_pending_age_s`, `postgres_up`,
    `last_error`, `size_bytes`, and the counters `recorded`, `stored`, `dropped`, `rejected`, `damaged`.
    """

    def __init__(
        self,
        directory: Path,
        store: RecordStore,
        *,
        max_bytes: int = 1024 * MIB,
        segment_bytes: int = 16 * MIB,
        batch_entries: int = 500,
        linger_s: float = 0.2,
        sync_s: float = 1.0,
    ) -> None:
        self._store = store
        self._files = JournalFiles(directory, segment_bytes=segment_bytes, max_bytes=max_bytes)
        self._rejected = Rejected(directory / "rejected.jsonl")
        self._batch_entries = batch_entries
        self._linger_s = linger_s
        self._sync_s = sync_s
        self._open = False
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._hurry = asyncio.Event()  # somebody waits for the entries to be stored
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._left_behind: set[asyncio.Task[Any]] = set()
        self._oldest_at = 0.0
        self._complained_at = float("-inf")
        self.postgres_up = False
        """Whether the last attempt to reach Postgres succeeded; looked at every few seconds when idle."""
        self.last_error = ""
        """What was wrong with Postgres last; empty while it is up."""
        self.recorded = 0
        """Entries taken since the start."""
        self.stored = 0
        """Entries Postgres has acknowledged since the start."""
        self.dropped = 0
        """Entries not taken since the start: the disk or the journal's limit was full."""

    @property
    def pending(self) -> int:
        """How many entries wait for Postgres."""
        return self._files.pending

    @property
    def oldest_pending_age_s(self) -> float:
        """For how long the oldest waiting entry has waited, by the time of day; 0 when none waits."""
        return max(0.0, time.time() - self._oldest_at) if self._files.pending else 0.0

    @property
    def size_bytes(self) -> int:
        """What the journal takes on disk."""
        return self._files.size

    @property
    def rejected(self) -> int:
        """Entries set aside since the start because Postgres, or the journal's format, cannot take them."""
        return self._rejected.count

    @property
    def damaged(self) -> int:
        """Entries that could not be read back from the disk since the start."""
        return self._files.damaged

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the files and begin to bring what waits in them to Postgres, which may be away.

        Raises `StoreError` when the folder cannot be used or another controller uses it.
        """
        await asyncio.to_thread(self._files.open)
        self._open = True
        self._oldest_at = time.time()
        if self._files.pending:
            log.info("journal_replay", entries=self._files.pending, running_calls=len(self._files.live))
        self._tasks = [asyncio.create_task(self._flush(), name="journal-flush")]
        self._tasks.append(asyncio.create_task(self._sync(), name="journal-sync"))

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Bring to Postgres what can be brought within `timeout_s`, then close; the rest waits for the next start.

        Goes on to its end even when the caller is cancelled meanwhile. Stopping twice is stopping once.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(timeout_s), name="journal-close")
        await asyncio.shield(self._closing)

    async def _close(self, timeout_s: float) -> None:
        self._stopping.set()
        self._hurry.set()
        self._wake.set()
        if not self._tasks:
            return
        await asyncio.wait(self._tasks[:1], timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(self._forget_task)
        await asyncio.wait(self._tasks, timeout=_CANCEL_S)
        self._open = False
        left = self._files.pending
        if left:
            log.warning("journal_closed_with_entries", entries=left, do="they are stored at the next start")
            await self._sync_once()
        self._files.close()

    # --- Recorder -----------------------------------------------------------------------------------------

    def record(self, *entries: Entry) -> None:
        """Append `entries`, in order and together. Durable against a killed process on return; never raises."""
        frames: list[tuple[Kind, bytes, CallId | None]] = []
        for entry in entries:
            try:
                payload = encode_entry(entry)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an entry must not reach the call
                self._rejected.add(entry, f"{type(error).__name__}: {error}")
                continue
            frames.append((kind_of(entry), payload, getattr(entry, "call_id", None)))
        if not frames:
            return
        if not self._open:
            self._drop(len(frames), "the journal is not open")
            return
        if not self._files.pending:
            self._oldest_at = time.time()
        try:
            self._files.append(frames)
        except OSError as error:
            self._drop(len(frames), error.strerror or str(error))
            return
        self.recorded += len(frames)
        self._wake.set()

    def _drop(self, count: int, reason: str) -> None:
        self.dropped += count
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAIN_S:
            self._complained_at = now
            log.critical(
                "journal_drops_entries",
                reason=reason,
                dropped=self.dropped,
                pending=self.pending,
                do="free disk space for the journal, or bring Postgres back",
            )

    # --- running calls ------------------------------------------------------------------------------------

    async def live_states(self, timeout_s: float = 1.0) -> Sequence[StateSaved]:
        """Return the last state of every call that has not ended: of this journal, and of all nodes in Postgres.

        Waits at most `timeout_s` for Postgres, first to be given what still waits here; when it is away, or
        slow, the journal alone answers. Of two states of a call the newer counts, ours when they are equal.
        """
        stored: Sequence[StateSaved] = ()
        states = self._own_states()
        try:
            stored, over = await self._within(timeout_s, self._ask_store(list(states)))
            for call_id in over:
                del states[call_id]
        except (StoreError, TimeoutError) as error:
            log.warning("live_states_from_journal_alone", calls=len(states), reason=str(error) or "timeout")
        for state in stored:
            ours = states.get(state.call_id)
            if ours is None or (ours.at < state.at and ours.node != state.node):
                states[state.call_id] = state
        return list(states.values())

    async def _ask_store(self, call_ids: Sequence[CallId]) -> tuple[Sequence[StateSaved], Collection[CallId]]:
        await self._until_drained()
        return await self._store.live_states(), await self._store.ended(call_ids)

    async def _within(self, timeout_s: float, question: Coroutine[Any, Any, _T]) -> _T:
        """Return the answer, or raise `TimeoutError` after `timeout_s` however long the store takes to give up.

        A database client that is cancelled first tells a server that may be frozen; nobody waits for that here.
        """
        task = asyncio.create_task(question)
        try:
            await asyncio.wait({task}, timeout=timeout_s)
            if task.done():
                return task.result()
            raise TimeoutError
        finally:
            if not task.done():
                self._left_behind.add(task)
                task.add_done_callback(self._forget_task)
                task.cancel()

    def _forget_task(self, task: asyncio.Task[Any]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: what a question nobody waits for any more failed with does not matter

    def _own_states(self) -> dict[CallId, StateSaved]:
        states = {}
        for call_id, payload in self._files.live.items():
            entry = decode_entry(payload)
            if isinstance(entry, StateSaved):
                states[call_id] = entry
        return states

    async def _until_drained(self) -> None:
        while self._files.pending:
            self._drained.clear()
            self._hurry.set()
            await self._drained.wait()

    # --- to Postgres --------------------------------------------------------------------------------------

    async def _flush(self) -> None:
        """Bring entries to the store until stopped; then what is left, as long as the store takes it."""
        failures = 0
        while True:
            try:
                batch = await self._next_batch()
                if batch is None and self._stopping.is_set():
                    return
                await self._store_batch(batch)
            except (StoreError, OSError) as error:
                self._went_down(str(error))
            except Exception as error:  # a bug must not end the flow of records, nor pass unseen
                log.exception("journal_flush_failed")
                self._went_down(f"{type(error).__name__}: {error}")
            else:
                failures = 0
                continue
            if self._stopping.is_set():
                return
            failures += 1
            await self._back_off(failures)

    async def _next_batch(self) -> Batch | None:
        """Wait for entries, a moment longer for more, and return a batch; None to look whether Postgres is there."""
        if not self._files.pending:
            self._drained.set()
            self._wake.clear()
            if self._stopping.is_set():
                return None
            self._hurry.clear()
            try:
                async with asyncio.timeout(_LOOK_S if self.postgres_up else 0):
                    await self._wake.wait()
            except TimeoutError:
                return None
        if self._files.pending < self._batch_entries:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._linger_s)
        batch = self._files.read(self._batch_entries)
        if batch is not None:
            self._oldest_at = batch.frames[0].written_at
        return batch

    async def _store_batch(self, batch: Batch | None) -> None:
        entries: list[Entry] = []
        for found in batch.frames if batch is not None else ():
            try:
                entries.append(decode_entry(found.payload))
            except msgspec.MsgspecError as error:
                self._rejected.add(found.payload, f"not an entry this version knows: {error}")
        rejections = await self._store.write(entries)
        for rejection in rejections:
            self._rejected.add(entries[rejection.index], rejection.reason)
        if batch is not None:
            self._files.acknowledge(batch)
            self.stored += len(entries) - len(rejections)
        if not self.postgres_up:
            log.info("postgres_up", pending=self.pending)
        self.postgres_up, self.last_error = True, ""

    def _went_down(self, reason: str) -> None:
        if self.postgres_up or not self.last_error:
            log.error("postgres_away", reason=reason, pending=self.pending, do="records wait in the journal")
        self.postgres_up, self.last_error = False, reason

    async def _back_off(self, failures: int) -> None:
        delay = min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2 ** min(failures - 1, 16))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards no secret
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            return

    # --- to the disk --------------------------------------------------------------------------------------

    async def _sync(self) -> None:
        """While entries cannot go to Postgres, bring them to the disk every `sync_s`."""
        while True:
            await asyncio.sleep(self._sync_s)
            if not self.postgres_up and self._files.pending:
                await self._sync_once()

    async def _sync_once(self) -> None:
        try:
            await asyncio.to_thread(sync_to_disk, self._files.take_unsynced())
        except OSError as error:
            log.critical("journal_sync_failed", reason=error.strerror, do="check the journal's disk")
