"""What sysadmins type: the database's schema, set-up, doctor, accounts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from controller.cli.common import completed, stack_settings
from controller.config import load_config
from controller.errors import SetupError
from controller.postgres import versions
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import doctor as examination
from controller.runtime import example_agents, voicebundle
from controller.runtime import postgres as postgres_runtime
from controller.runtime import secrets as stack_secrets
from controller.runtime.render import render_folder


@click.group()
def db() -> None:
    """The database of records."""


@db.command()
@click.pass_context
def upgrade(context: click.Context) -> None:
    """Bring the schema to the version this Rappel needs (the controller does it by itself at start)."""
    url = completed(context.obj).postgres.url

    async def run() -> None:
        await versions.ensure_database(url)
        await versions.bring_up_to_date(url)
        click.echo(f"schema {await versions.current(url)}")

    asyncio.run(run())


@click.command()
@click.pass_context
def setup(context: click.Context) -> None:
    """Fetch what `rappel run` needs, so that it starts at once afterwards, and without a network."""
    settings = stack_settings(load_config(context.obj))
    if not settings.ari_url:
        install = asterisk_runtime.find(settings.cache_dir)
        click.echo(f"Asterisk {install.version}: {'fetched' if install.fetched else 'the one of this machine'}")
    if not settings.database_url:
        postgres = postgres_runtime.find()
        click.echo(f"Postgres {postgres.version}: {postgres.bin}")
    try:
        voicebundle.build(settings.cache_dir)
        click.echo("Calls from web pages: built")
    except SetupError as error:
        click.echo(f"Calls from web pages: off, all else works. {error}", err=True)


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look for what would keep calls from working, and say what to do; exit code 1 when something would."""
    config = load_config(context.obj)
    settings = stack_settings(config)
    login = {"ari_user": config.asterisk.ari_user, "ari_password": config.asterisk.ari_password}
    checks = asyncio.run(examination.examine(settings, **login))
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for check in checks:
        click.secho(f"{check.verdict:<5}", fg=colours[check.verdict], nl=False)
        click.echo(f"{check.name}: {check.seen}")
        if check.advice:
            click.echo(f"      → {check.advice}")
    if any(check.verdict == "fail" for check in checks):
        sys.exit(1)


@click.command()
@click.pass_context
def accounts(context: click.Context) -> None:
    """Show the SIP accounts of the embedded Asterisk with their passwords, for your softphone."""
    settings = stack_settings(load_config(context.obj))
    secrets = stack_secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    click.echo(f"SIP server {settings.external_address or settings.bind}:{settings.sip_port} (UDP or TCP)")
    for phone in settings.softphones:
        click.echo(f"user {phone.extension}  password {secrets.softphones[phone.extension]}  ({phone.name})")
    known = example_agents.passwords(settings.state_dir / example_agents.FILE)
    for agent in example_agents.AGENTS:
        if agent.agent in known:
            click.echo(f"user {agent.extension}  password {known[agent.agent]}  (agent {agent.agent}, {agent.name})")


@click.command("render-asterisk")
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_context
def render_asterisk(context: click.Context, folder: Path) -> None:
    """Write Asterisk's configuration for these settings into FOLDER, for an Asterisk that you run yourself."""
    settings = stack_settings(load_config(context.obj))
    secrets = stack_secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths = asterisk_runtime.AsteriskPaths.system()
    render_folder(folder, asterisk_runtime.template_values(settings, secrets, paths))
    click.echo(f"Written to {folder}.")


COMMANDS = (db, setup, doctor, accounts, render_asterisk)
