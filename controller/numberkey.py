"""The key of the hashes that are kept of numbers: of erased ones, and of those who do not want to be called."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from controller.config import Config
from controller.errors import ConfigError

MIN_KEY_BYTES = 16
_KEY_FILE = "number.key"
_KEY_BYTES = 32


def number_key(config: Config) -> bytes:
    """Return the configured key, else the one in the state folder, made when there is none. Raises `ConfigError`.

    It must stay what it is, and be the same on every node: with another key nobody who does not want to be called
    would be recognised.
    """
    told = config.retention.number_key
    if told:
        if len(told) < MIN_KEY_BYTES:
            raise ConfigError(f"[retention] number_key is too short: give it {MIN_KEY_BYTES} characters or more.")
        return told.encode()
    path = Path(config.node.state_dir) / _KEY_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. Set [retention] number_key instead."
        ) from error
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Restore it, or make it readable.") from error
