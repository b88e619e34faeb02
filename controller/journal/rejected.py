"""Entries that the record cannot take, set aside in a file for a person to look at."""

from __future__ import annotations

import base64
import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from controller.cdr.entries import Entry

MAX_BYTES = 64 * 1024 * 1024
"""Size at which the file takes no more; further entries are counted and logged only."""

log = structlog.get_logger(__name__)


class Rejected:
    """`rejected.jsonl`: one JSON object a line with `at`, `reason` and the `entry` (or its raw bytes, base64).

    `count` is how many entries were set aside since the start. Never raises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0

    def add(self, entry: Entry | bytes, reason: str) -> None:
        """Set `entry` aside because of `reason`."""
        self.count += 1
        kind = "unreadable" if isinstance(entry, bytes) else type(entry).__name__
        call_id = getattr(entry, "call_id", None)
        log.error("record_entry_rejected", entry=kind, call_id=call_id, reason=reason, kept_in=self._path.name)
        line = {"at": datetime.now(UTC), "reason": reason, "entry": _as_json(entry)}
        with contextlib.suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if os.fstat(fd).st_size < MAX_BYTES:
                    os.write(fd, msgspec.json.encode(line) + b"\n")
            finally:
                os.close(fd)


def _as_json(entry: Entry | bytes) -> object:
    if isinstance(entry, bytes):
        return base64.b64encode(entry).decode("ascii")
    try:
        return msgspec.Raw(msgspec.json.encode(entry))
    except (TypeError, ValueError, RecursionError):
        return ascii(entry)  # what no JSON can say is why it was set aside
