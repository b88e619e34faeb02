"""Sources of the centre's recent versions, beside the journal: a restarted controller needs them without Postgres."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from controller.errors import StoreError

KEEP = 20
"""How many versions are kept besides those that running calls are pinned to."""

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}")
_decode = msgspec.json.Decoder(dict[str, str]).decode


class ReleaseFiles:
    """One file per version in `directory`, named after its content hash."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, release: str, sources: Mapping[str, str]) -> None:
        """Write `sources` unless they are there; all or nothing. Raises `OSError`, `StoreError` on a bad name."""
        path = self._path(release)
        if path.exists():
            os.utime(path)
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        unborn = path.with_suffix(".new")
        with unborn.open("wb") as file:
            file.write(msgspec.json.encode(dict(sources)))
            file.flush()
            os.fsync(file.fileno())
        unborn.rename(path)

    def load(self, release: str) -> dict[str, str] | None:
        """Return the sources of `release`, None if they are not here or damaged."""
        try:
            return _decode(self._path(release).read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None

    def prune(self, needed: Collection[str]) -> None:
        """Delete all but the newest `KEEP` versions and those `needed`."""
        with contextlib.suppress(OSError):
            paths = sorted(self._directory.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in paths[KEEP:]:
                if path.stem not in needed:
                    path.unlink(missing_ok=True)

    def _path(self, release: str) -> Path:
        if not _NAME.fullmatch(release):
            raise StoreError(f"{release!r} cannot name a version of the centre: use its content hash")
        return self._directory / f"{release}.json"
