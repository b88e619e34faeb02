"""Looks at processes that may not be our children."""

from __future__ import annotations

import os
from pathlib import Path


def command_of(pid: int) -> list[str] | None:
    """Return the words of the command that process `pid` runs; None when it has ended (a zombie has)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    if not state or state[0] in "ZX":
        return None
    return [os.fsdecode(word) for word in words]


def pid_in(path: Path, program: str) -> int | None:
    """Return the process id on the first line of the file `path`, if that process lives and runs `program`.

    After a power cut the number may belong to somebody else: the program's name must be among its words.
    """
    try:
        pid = int(path.read_text(encoding="ascii", errors="replace").split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    words = command_of(pid)
    return pid if words and any(program in word for word in words) else None
