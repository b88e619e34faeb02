"""A person asks to be forgotten."""

from __future__ import annotations

import asyncio

import click

from controller.cli.common import completed, open_store
from controller.numberkey import number_key
from controller.postgres.retention import Erased, PostgresRetention


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
    key = number_key(config)
    if not yes:
        click.confirm(f"Take {', '.join(numbers)} out of all records for ever?", abort=True)

    async def work() -> Erased:
        async with open_store(config.postgres.url) as store:
            return await PostgresRetention(store).erase(numbers, key, by)

    erased = asyncio.run(work())
    click.echo(f"Taken out of {erased.calls} calls; {len(erased.recordings)} recordings are erased within minutes.")
    if erased.callbacks:
        click.echo(f"Taken out of {erased.callbacks} requests to be called; those that were open are cancelled.")
    for call_id in erased.running:
        click.echo(f"Call {call_id} still runs and was left as it is: erase again when it has ended.", err=True)
    for request_id in erased.dialling:
        click.echo(f"Request {request_id} is being dialled and was left as it is: erase again after it.", err=True)
    if erased.running or erased.dialling:
        context.exit(1)


COMMANDS = (erase,)
