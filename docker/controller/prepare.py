"""Runs once before the other services: makes the passwords at the first start, writes Asterisk's configuration.

Each service gets a volume with what it needs and nothing more; every file has mode 0600. Starting it again changes
nothing but what the settings changed.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from controller.cli.common import stack_settings
from controller.config import load_config
from controller.errors import RappelError
from controller.runtime import secrets as stack_secrets
from controller.runtime.asterisk import AsteriskPaths, template_values
from controller.runtime.render import render_folder, write_private

VOLUMES = Path("/run/rappel")
LOG = "/dev/stderr"
"""Asterisk's log goes where `docker compose logs` reads."""


def prepare(volumes: Path) -> None:
    """Fill the folders `asterisk`, `controller` and `postgres` of `volumes`; the passwords are kept in `keys`.

    Raises `RappelError` with what to do.
    """
    settings = dataclasses.replace(stack_settings(load_config()), state_dir=volumes / "keys", log_file=LOG)
    secrets = stack_secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    render_folder(volumes / "asterisk", template_values(settings, secrets, AsteriskPaths.system()))
    for name, value in {
        "controller/ari_password": secrets.ari_password,
        "controller/ami_password": secrets.ami_password,
        "controller/socket_password": secrets.controller_password,
        "controller/database_url": f"postgresql://rappel:{secrets.postgres_password}@postgres:5432/rappel",
        "postgres/password": secrets.postgres_password,
    }.items():
        write_private(volumes / name, value)


if __name__ == "__main__":
    try:
        prepare(VOLUMES)
    except (RappelError, OSError) as error:
        sys.exit(f"prepare: {error}")
