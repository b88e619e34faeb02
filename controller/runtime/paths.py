"""Folders for sockets: the kernel allows a socket's path 107 bytes, and Postgres a little less."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from controller.errors import SetupError

LONGEST = 99


def socket_dir(wanted: Path, socket_name: str) -> Path:
    """Return `wanted`, or a private folder with a short path when a socket `socket_name` in it would be too long.

    The short folder is a pure function of `wanted`, so that a later start finds it again. It belongs to the
    user alone; `SetupError` when somebody else holds its name.
    """
    if len(os.fsencode(wanted / socket_name)) <= LONGEST:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:10]
    short = Path(tempfile.gettempdir()) / f"rappel-{os.getuid()}-{digest}"
    if len(os.fsencode(short / socket_name)) > LONGEST:
        short = Path("/tmp") / short.name  # noqa: S108 - checked for its owner below
    short.mkdir(mode=0o700, exist_ok=True)
    about = short.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise SetupError(f"{short} belongs to somebody else. Remove it, or set XDG_STATE_HOME to a shorter path.")
    return short
