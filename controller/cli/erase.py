"""A person asks to be forgotten."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import click

from controller.cli.common import completed, open_store
from controller.config import Config
from controller.errors import ConfigError
from controller.postgres.retention import MIN_KEY_BYTES, Erased, PostgresRetention

_KEY_FILE = "number.key"
_KEY_BYTES = 32


@click.command()
@click.argument("numbers", nargs=-1, required=True)
@click.option("--by", required=True, help="Who does it, for the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def erase(context: click.Context, numbers: tuple[str, ...], by: str, *, yes: bool) -> None:
    """Take a customer's NUMBERS out of all records; name every form records may hold, as +33199001234 0199001234.

    Figures stay as they were. What is left of a number is a keyed hash. It cannot be undone.
    """
    config = completed(context.obj)
    key = _key(config)
    if not yes:
        click.confirm(f"Take {', '.join(numbers)} out of all records for ever?", abort=True)

    async def work() -> Erased:
        async with open_store(config.postgres.url) as store:
            return await PostgresRetention(store).erase(numbers, key, by)

    erased = asyncio.run(work())
    click.echo(f"Taken out of {erased.calls} calls; {len(erased.recordings)} recordings are erased within minutes.")
    for call_id in erased.running:
        click.echo(f"Call {call_id} still runs and was left as it is: erase again when it has ended.", err=True)
    if erased.running:
        context.exit(1)


def _key(config: Config) -> bytes:
    """Return the configured key, else the one in the state folder, made when there is none."""
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


COMMANDS = (erase,)
