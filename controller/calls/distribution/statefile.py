"""Small files that survive the controller: written whole, beside the old one, then put in its place."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

_REST = 50
"""The loop works at most one part in so many on states."""


class StateFile(Generic[T]):
    """One file of JSON, readable by the owner alone. A killed process leaves the old content or the new one.

    `soon` writes within `delay_s` (later where the state is large), however often it is called; `now` at the end of
    the loop's turn. What is written is what `read_state` returns then; the disk is left to a thread, since a busy one
    takes its time. A disk that takes nothing is logged once, and tried again with each change.
    """

    def __init__(self, path: Path, kind: type[T], read_state: Callable[[], T], *, delay_s: float = 0.1) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._read_state = read_state
        self._least_delay_s = self._delay_s = delay_s
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._hurried = False
        self._again = False
        self._writing: asyncio.Future[None] | None = None
        self._closed = False
        self.broken = ""
        """Why the last writing failed; empty when it did not."""

    def load(self) -> T | None:
        """Return what an earlier controller kept; None when there is nothing, or nothing that can be read."""
        try:
            return self._decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.error(  # noqa: TRY400 - the message says it all
                "state.unreadable", path=str(self._path), error=str(error), do="begun anew; agents log in again"
            )
            return None

    def soon(self) -> None:
        """Write within `delay_s`."""
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._delay_s, self._write)

    def now(self) -> None:
        """Write once whoever is running has let go of the loop."""
        if self._hurried or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._hurried = True
        self._timer = asyncio.get_running_loop().call_soon(self._write)

    async def close(self) -> None:
        """Write a last time: what changes from now on is only our own end."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await asyncio.wait({self._writing})
        self._put(msgspec.json.encode(self._read_state()))

    def _write(self) -> None:
        self._timer, self._hurried = None, False
        if self._writing is not None:
            self._again = True
            return
        began = time.perf_counter()
        data = msgspec.json.encode(self._read_state())
        # A thousand agents take some milliseconds: then less often, so that calls do not feel it.
        self._delay_s = max(self._least_delay_s, _REST * (time.perf_counter() - began))
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._put, data)
        self._writing.add_done_callback(self._written)

    def _written(self, _: asyncio.Future[None]) -> None:
        self._writing = None
        if self._again:
            self._again = False
            self.now()

    def _put(self, data: bytes) -> None:
        scratch = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            scratch.replace(self._path)
        except OSError as error:
            if not self.broken:
                log.error(  # noqa: TRY400 - the message says it all
                    "state.not_kept",
                    path=str(self._path),
                    error=error.strerror,
                    do="free disk space: a restart would forget who is logged in",
                )
            self.broken = error.strerror or str(error)
        else:
            self.broken = ""
