"""The stack's passwords: generated at the first start, kept in a file of mode 0600, never shown."""

from __future__ import annotations

import json
import os
import secrets as random_source
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from controller.errors import SetupError

_BYTES = 24
_SHORTEST = 16


@dataclass(frozen=True)
class Secrets:
    """User names and passwords of the doors between the parts; `softphones` maps an extension to its password."""

    ari_user: str
    ari_password: str = field(repr=False)
    ami_user: str
    ami_password: str = field(repr=False)
    controller_user: str
    controller_password: str = field(repr=False)
    softphones: dict[str, str] = field(repr=False)
    postgres_password: str = field(default="", repr=False)


def load(path: Path, extensions: Iterable[str]) -> Secrets:
    """Return the secrets kept at `path`, making those that are missing (a new extension has none yet).

    Raises `SetupError` when the file is broken, or readable by others than its owner.
    """
    kept = _read(path)
    wanted = ["ari", "ami", "controller", "postgres", *(f"softphone-{extension}" for extension in extensions)]
    values = {name: kept.get(name) or random_source.token_urlsafe(_BYTES) for name in wanted}
    if any(name not in kept for name in wanted):
        _write(path, {**kept, **values})
    return Secrets(
        ari_user="rappel",
        ari_password=values["ari"],
        ami_user="rappel",
        ami_password=values["ami"],
        controller_user="asterisk",
        controller_password=values["controller"],
        softphones={
            name.removeprefix("softphone-"): values[name] for name in wanted if name.startswith("softphone-")
        },
        postgres_password=values["postgres"],
    )


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SetupError(f"{path} can be read by others (mode {mode:o}). Run: chmod 600 {path}")
            kept = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SetupError(
            f"The secrets in {path} cannot be read: {error}. Restore the file, or delete it to have new ones made."
        ) from error
    if not isinstance(kept, dict) or not all(
        isinstance(value, str) and len(value) >= _SHORTEST for value in kept.values()
    ):
        raise SetupError(
            f"{path} does not hold Rappel's secrets. Restore the file, or delete it to have new ones made."
        )
    return kept


def _write(path: Path, values: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file with mode 0600; the rename makes it whole or not at all.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written: {error.strerror}. Make its folder writable, or set XDG_STATE_HOME."
        ) from error
