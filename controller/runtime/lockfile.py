"""The lock: which version of each Debian package was tested, and its SHA-256.

One file a package set, one line a package: ``architecture package version sha256 bytes``. No addresses.
Written by ``python -m controller.runtime.sets``; read at set-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import SetupError

_FIELDS = 5
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package as it was tested: `size` in bytes, `sha256` of the .deb in hexadecimal."""

    architecture: str
    package: str
    version: str
    sha256: str
    size: int

    @property
    def wanted(self) -> str:
        """The package as apt names an exact version of it."""
        return f"{self.package}={self.version}"


def read(path: Path, architecture: str) -> list[Pin]:
    """Return the pins for `architecture`; an absent file has none. Raises `SetupError` on a broken line."""
    if not path.exists():
        return []
    pins = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        if len(parts) != _FIELDS or not _SHA256.fullmatch(parts[3]) or not parts[4].isdecimal():
            raise SetupError(f"{path}:{number} is not a lock line. Restore the file from the release.")
        if parts[0] == architecture:
            pins.append(Pin(parts[0], parts[1], parts[2], parts[3], int(parts[4])))
    return pins


def write(path: Path, pins: Iterable[Pin]) -> None:
    """Replace the lock at `path` by `pins`, sorted."""
    lines = [
        "# Debian packages as tested: architecture package version sha256 bytes.",
        "# Written by: python -m controller.runtime.sets",
    ]
    ordered = sorted(pins, key=lambda pin: (pin.architecture, pin.package))
    lines += [f"{p.architecture} {p.package} {p.version} {p.sha256} {p.size}" for p in ordered]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
