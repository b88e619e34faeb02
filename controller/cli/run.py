"""`rappel run`: Asterisk, Postgres, the controller and the example's own service on one machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import aiohttp
import click

from controller.cli.common import completed, open_store, stack_settings
from controller.config import Config, load_config
from controller.errors import SetupError
from controller.postgres import versions
from controller.postgres.agents import PostgresAgents
from controller.postgres.tokens import PostgresTokens
from controller.runtime import example_agents, example_crm, voicebundle
from controller.runtime.example_pages import Rappel
from controller.runtime.stack import EmbeddedStack
from controller.trunks import way_out
from controller.web.api.access import Scope, new_secret

_READY_LIMIT_S = 60.0
_TOKEN_FILE = "example-token"  # noqa: S105 - a file name
_POLL_S = 0.2


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Run everything on this machine until Ctrl-C: Asterisk, Postgres, the controller, the example company."""
    sys.exit(asyncio.run(_run(context.obj)))


async def _run(config_path: str | None) -> int:
    began = time.monotonic()
    config = load_config(config_path)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with EmbeddedStack(stack_settings(config)) as stack:
        await versions.bring_up_to_date(stack.dsn)
        token = ""
        if stack.postgres is not None:
            await _seed_agents(stack)
            token = await _intranet_token(stack)
        crm = await example_crm.serve(rappel=Rappel(_pages(completed(config_path)), token))
        command = [
            sys.executable,
            "-m",
            "controller",
            *(["--config", config_path] if config_path else []),
            "controller",
        ]
        supervised = asyncio.create_task(stack.supervise(command, stop))
        try:
            greeting = asyncio.create_task(_greet(config_path, began))
            voice = asyncio.create_task(_build_voice(stack.settings.cache_dir))
            code = await supervised
        finally:
            greeting.cancel()
            voice.cancel()
            await crm.stop()
            if stop.is_set():
                click.echo("\nStopping Asterisk and Postgres ...", err=True)
    click.echo("Stopped.", err=True)
    return 0 if stop.is_set() else code


async def _seed_agents(stack: EmbeddedStack) -> None:
    """Give an empty, embedded database the example company's agents."""
    async with open_store(stack.dsn) as store:
        await example_agents.seed(PostgresAgents(store), stack.settings.state_dir / example_agents.FILE)


async def _intranet_token(stack: EmbeddedStack) -> str:
    """Return the token that the example company's intranet dials with; made once, in a file of mode 0600."""
    file = stack.settings.state_dir / _TOKEN_FILE
    if file.exists():
        return file.read_text(encoding="ascii").strip()
    secret, digest = new_secret()
    async with open_store(stack.dsn) as store:
        await PostgresTokens(store).create(digest, "example intranet", [Scope.CALLS_DIAL], None, None)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as kept:
        kept.write(secret)
    return secret


async def _build_voice(cache: Path) -> None:
    """Build what pages need for calls, beside everything else: the centre does not wait for it."""
    try:
        await asyncio.to_thread(voicebundle.build, cache)
    except SetupError as error:
        click.echo(f"Calls from web pages are off, all else works: {error} Try again with: make setup", err=True)


async def _greet(config_path: str | None, began: float) -> None:
    """Say what to dial and which pages to open, once the controller is ready."""
    config = completed(config_path)
    page = _pages(config)
    async with aiohttp.ClientSession() as session:
        while time.monotonic() - began < _READY_LIMIT_S:
            try:
                async with session.get(f"{page}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                    if answer.status == 200:  # noqa: PLR2004 - HTTP OK
                        click.echo(_greeting(config, page, time.monotonic() - began), err=True)
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # not listening yet
            await asyncio.sleep(_POLL_S)
    click.echo(
        f"Not ready after {_READY_LIMIT_S:.0f} s. What is missing: {page}/readyz, or run: rappel doctor", err=True
    )


def _pages(config: Config) -> str:
    """Return where this machine's browser finds the controller's pages."""
    host = "127.0.0.1" if config.web.host in ("0.0.0.0", "::") else config.web.host  # noqa: S104 - compared
    return f"http://{host}:{config.web.port}"


def _greeting(config: Config, page: str, took_s: float) -> str:
    where = f"{config.sip.bind}:{config.sip.port}"
    return f"""
Rappel runs (ready after {took_s:.1f} s). Ctrl-C stops it.

  Hear it without a telephone   make call          (in a second terminal)
  Be an agent without one       .venv/bin/rappel answer claire, then let a call reach an adviser
  {_calls_out(config)}
  Call with a softphone         SIP server {where}, user 1001, password: make accounts
                                then dial 1000 (French), 1100 (English), 1002 (the other softphone)
  Answer with a softphone       user 2001 (agent claire): *11 logs in, *12 out, *13 pauses, *14 resumes
  Click to be called            http://{example_crm.HOST}:{example_crm.PORT}/shop      the example company's shop
                                http://{example_crm.HOST}:{example_crm.PORT}/contacts  its intranet: click to dial
  Look                          {page}/           calls, numbers, what is up
                                {page}/readyz     {page}/metrics
  Change the SVI                edit {Path(config.centre.folder)}/*.yaml: it is checked and taken up as you save
"""


def _calls_out(config: Config) -> str:
    """Say where calls out go: a newcomer has no carrier."""
    way = way_out(config.sip)
    if way.softphone:
        return (
            f"Be called back                .venv/bin/rappel customer, or a softphone as {way.softphone}: without a\n"
            f"                                carrier it rings, whoever is called ([sip] trunk)"
        )
    return f"Calls out                     {f'by {way.host} ([sip] trunk)' if way.host else 'none: [sip] trunk'}"


COMMANDS = (run,)
