"""Runs once before the other services: makes the passwords at the first start, writes Asterisk's configuration.

Each service gets a volume with what it needs and nothing more; every file has mode 0600. Starting it again changes
nothing but what the settings, or a certificate of your own, changed.
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
ASTERISK = AsteriskPaths.system()
"""Where Asterisk sees its volumes: the one with its configuration is `VOLUMES / "asterisk"` here."""
LOG = "/dev/stderr"
"""Asterisk's log goes where `docker compose logs` reads."""


def prepare(volumes: Path) -> None:
    """Fill the folders `asterisk`, `controller` and `postgres` of `volumes`; the passwords are kept in `keys`.

    Raises `RappelError` with what to do.
    """
    settings = dataclasses.replace(stack_settings(load_config()), state_dir=volumes / "keys", log_file=LOG)
    secrets = stack_secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    values = template_values(settings, secrets, ASTERISK)
    if settings.sip_tls_port:
        # Asterisk sees neither `keys` nor the files of the machine, so it gets copies.
        for name in ("sip_certificate", "sip_key"):
            write_private(volumes / "asterisk" / f"{name}.pem", Path(str(values[name])).read_text(encoding="ascii"))
            values[name] = ASTERISK.etc / f"{name}.pem"
    render_folder(volumes / "asterisk", values)
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
