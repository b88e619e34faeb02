"""Agents' accounts and the API's tokens from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from controller.acd.model import AgentAccount, AgentId
from controller.calls.enrolment import (
    MAX_FILE_BYTES,
    EnrolmentError,
    NewAgent,
    SipAccount,
    account_of,
    enrol,
    new_sip_account,
    read_agents,
)
from controller.cli.common import completed, open_store
from controller.errors import RappelError
from controller.postgres.agents import PostgresAgents
from controller.postgres.tokens import PostgresTokens
from controller.web.api.access import Scope, new_secret

T = TypeVar("T")


def _with_agents(context: click.Context, work: Callable[[PostgresAgents], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_store(completed(context.obj).postgres.url) as store:
            return await work(PostgresAgents(store))

    return asyncio.run(run())


# --- agents -----------------------------------------------------------------------------------------------------


@click.group()
def agents() -> None:
    """The agents' accounts. A running controller takes changes up at once."""


@agents.command("list")
@click.pass_context
def list_agents(context: click.Context) -> None:
    """List all accounts."""

    async def work(directory: PostgresAgents) -> None:
        accounts = await directory.accounts()
        for each in accounts:
            marks = ("  supervisor" if each.supervisor else "") + ("" if each.enabled else "  disabled")
            click.echo(
                f"{each.agent:<20} {each.extension:>6}  {each.name:<30} queues {_graded(each.queues) or 'none'}  "
                f"skills {_graded(each.skills) or 'none'}  {' '.join(each.languages)}{marks}"
            )
        if not accounts:
            click.echo("There are no agents yet: rappel agents add claire --name 'Claire Vautrin' --extension 2001")

    _with_agents(context, work)


_FIELDS: tuple[Callable[[Any], Any], ...] = (
    click.option("--name", help="As colleagues and supervisors see it."),
    click.option("--extension", help="Digits; also the user name of the SIP phone."),
    click.option(
        "--skill", "skills", multiple=True, metavar="NAME:1-5", help="A skill and its grade; may be repeated."
    ),
    click.option("--queue", "queues", multiple=True, metavar="NAME[:RANK]", help="A queue; rank 1 is asked first."),
    click.option("--language", "languages", multiple=True, metavar="fr", help="A language spoken with customers."),
    click.option("--supervisor/--no-supervisor", default=None, help="May listen, whisper and barge in."),
)


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


@agents.command("add")
@click.argument("agent")
@_fields
@click.pass_context
def add_agent(context: click.Context, /, agent: str, **given: Any) -> None:
    """Create the account AGENT and show what its phone logs in with."""
    new = _read({"agent": agent, **_given(given)})

    async def work(directory: PostgresAgents) -> list[SipAccount]:
        if await account_of(directory, agent) is not None:
            raise RappelError(f"there is an agent {agent} already: `rappel agents set {agent} …` changes it")
        return await enrol(directory, [new])

    _show_accounts(context, _with_agents(context, work))


@agents.command("set")
@click.argument("agent")
@_fields
@click.option("--enable/--disable", "enabled", default=None, help="A disabled agent cannot log in.")
@click.pass_context
def set_agent(context: click.Context, /, agent: str, **given: Any) -> None:
    """Change the account AGENT: what is given replaces what was, the rest stays."""

    async def work(directory: PostgresAgents) -> list[SipAccount]:
        before = await _account(directory, agent)
        changed = _read({**msgspec.to_builtins(before), **_given(given)})
        return await enrol(directory, [changed])

    fresh = _with_agents(context, work)
    click.echo(f"{agent} is changed.")
    if fresh:
        click.echo("The extension is new, so the phone logs in with a new account:")
        _show_accounts(context, fresh)


@agents.command("remove")
@click.argument("agent")
@click.pass_context
def remove_agent(context: click.Context, agent: str) -> None:
    """Delete the account AGENT. A running conversation goes on; records keep the id."""

    async def work(directory: PostgresAgents) -> bool:
        return await directory.remove(AgentId(agent))

    if not _with_agents(context, work):
        raise RappelError(f"there is no agent {agent}: `rappel agents list` shows them")
    click.echo(f"{agent} is removed.")


@agents.command("password")
@click.argument("agent")
@click.pass_context
def reset_password(context: click.Context, agent: str) -> None:
    """Give AGENT's phone a new password and show it. The old one ends at once."""

    async def work(directory: PostgresAgents) -> list[SipAccount]:
        account = await _account(directory, agent)
        sip, secret = new_sip_account(account)
        await directory.put([account], [secret])
        return [sip]

    _show_accounts(context, _with_agents(context, work))


@agents.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_agents(context: click.Context, file: Path) -> None:
    """Create or change all agents in FILE (.csv or .yaml), or none of them if anything is wrong."""
    if file.stat().st_size > MAX_FILE_BYTES:
        raise EnrolmentError(f"{file.name} is larger than {MAX_FILE_BYTES} bytes: split it")
    try:
        listed = read_agents(file.read_text("utf-8"), file.name)
    except UnicodeDecodeError as error:
        raise EnrolmentError(f"{file.name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    fresh = _with_agents(context, lambda directory: enrol(directory, listed))
    click.echo(f"{len(listed)} agents are stored, {len(fresh)} of them with a new SIP account.")
    _show_accounts(context, fresh)


async def _account(directory: PostgresAgents, agent: str) -> AgentAccount:
    account = await account_of(directory, agent)
    if account is None:
        raise RappelError(f"there is no agent {agent}: `rappel agents list` shows them")
    return account


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were given on the command line."""
    given = {key: value for key, value in options.items() if value not in (None, ())}
    for key, default in (("skills", ""), ("queues", "1")):
        if key in given:
            pairs = [each.partition(":") for each in given[key]]
            given[key] = {name: _number(key, name, grade or default) for name, _, grade in pairs}
    return given


def _number(key: str, name: str, text: str) -> int:
    if not text.isdecimal():
        raise EnrolmentError(f"{key.rstrip('s')} '{name}' has no number: write {name}:3")
    return int(text)


def _read(values: dict[str, Any]) -> NewAgent:
    try:
        return msgspec.convert(values, NewAgent)
    except msgspec.ValidationError as error:
        raise EnrolmentError(f"this is no account: {error}; see `rappel agents add --help`") from None


def _graded(grades: dict[str, int]) -> str:
    return " ".join(f"{name}:{grade}" for name, grade in sorted(grades.items()))


def _show_accounts(context: click.Context, accounts: list[SipAccount]) -> None:
    if not accounts:
        return
    sip = completed(context.obj).sip
    server = sip.external_address or sip.bind
    click.echo(f"SIP server {server}:{sip.port}, UDP or TCP. Passwords are shown now and never again:")
    for each in accounts:
        click.echo(f"  {each.agent:<20} user {each.username}  password {each.password}")


# --- tokens -----------------------------------------------------------------------------------------------------


@click.group()
def tokens() -> None:
    """The API's tokens."""


@tokens.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([each.value for each in Scope]),
    help="What it allows; may be repeated.",
)  # fmt: skip
@click.option("--agent", help="It acts for this agent alone.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is valid (default: until it is revoked).")
@click.pass_context
def create_token(
    context: click.Context, name: str, scopes: tuple[str, ...], agent: str | None, days: int | None
) -> None:
    """Make a token called NAME and show it, once."""
    secret, digest = new_secret()
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def run() -> None:
        async with open_store(completed(context.obj).postgres.url) as store:
            if agent is not None:
                await _account(PostgresAgents(store), agent)
            await PostgresTokens(store).create(digest, name, scopes, AgentId(agent) if agent else None, expires_at)

    asyncio.run(run())
    click.echo(f"{secret}\nKeep it: it is not shown again. Use it as `Authorization: Bearer …`.")


@tokens.command("list")
@click.pass_context
def list_tokens(context: click.Context) -> None:
    """List the tokens that are valid, without their secrets."""

    async def run() -> None:
        async with open_store(completed(context.obj).postgres.url) as store:
            for each in await PostgresTokens(store).all():
                until = f"until {each.expires_at:%Y-%m-%d}" if each.expires_at else "until revoked"
                used = f"used {each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else "never used"
                whose = f"  for {each.agent}" if each.agent else ""
                click.echo(
                    f"{each.token_id}  {each.name:<20} {until}, {used}{whose}  {' '.join(sorted(each.scopes))}"
                )

    asyncio.run(run())


@tokens.command("revoke")
@click.argument("token_id")
@click.pass_context
def revoke_token(context: click.Context, token_id: str) -> None:
    """End the token TOKEN_ID (see `rappel tokens list`), within half a minute everywhere."""

    async def run() -> bool:
        async with open_store(completed(context.obj).postgres.url) as store:
            return await PostgresTokens(store).revoke(token_id)

    if not asyncio.run(run()):
        raise RappelError(f"there is no token {token_id}: `rappel tokens list` shows them")
    click.echo("It is revoked.")


COMMANDS = (agents, tokens)
