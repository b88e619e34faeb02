"""Which recordings of its own this Rappel has. Cheap to import: a restarted controller has callers waiting."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path


def edition() -> str:
    """Return a word that changes when a spoken fragment or notice that comes with Rappel changes."""
    folder = Path(str(resources.files("controller.speech"))) / "sounds"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.ogg")):
        about = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
