"""The key of tickets and of proof of work: configured, or made in the state folder at the first start."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from controller.errors import ConfigError

FILE = "public.key"
_BYTES = 32


def public_key(told: str, state_dir: Path) -> bytes:
    """Return the configured key, else the one in `state_dir`, made when there is none. Raises `ConfigError`."""
    if told:
        return told.encode()
    path = state_dir / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}. Set [web] public_key instead.") from error
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Restore it, or make it readable.") from error
    if len(key) < _BYTES:
        raise ConfigError(f"{path} is no key: delete it, and visitors' links of today become void.")
    return key
