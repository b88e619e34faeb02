"""`rappel board`: the live state of queues and agents in the terminal, from the same events as every other board."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from controller.acd.model import AgentState, AgentView
from controller.calls.desk import QueueView, TalkView, WaitingView
from controller.cli.common import completed, open_store
from controller.config import Config
from controller.errors import RappelError
from controller.postgres.tokens import PostgresTokens
from controller.web.api.access import Scope, new_secret
from controller.web.api.events import ASK_SNAPSHOT, EventMessage, Snapshot
from controller.web.api.server import PREFIX

_REFRESH_S = 1.0
_WIDTH = 120
"""Of what is printed into a file or a pipe, in characters."""
_COLOURS = {
    AgentState.FREE: "green",
    AgentState.OFFERED: "yellow",
    AgentState.TALKING: "cyan",
    AgentState.WRAP_UP: "blue",
    AgentState.PAUSED: "magenta",
    AgentState.BUSY: "cyan",
    AgentState.UNREACHABLE: "red",
    AgentState.LOGGED_OUT: "bright_black",
}
_decode = msgspec.json.Decoder(Snapshot | EventMessage).decode


@click.command()
@click.option("--url", help="The controller's pages, such as http://127.0.0.1:8080 (default: this machine's).")
@click.option("--queue", default="", help="Only this queue.")
@click.option("--once", is_flag=True, help="Print it once and end.")
@click.pass_context
def board(context: click.Context, url: str | None, queue: str, once: bool) -> None:
    """Watch queues and agents live. The token comes from RAPPEL_TOKEN, else one is made for this look."""
    config = completed(context.obj)
    base = (url or f"http://{config.web.host}:{config.web.port}").rstrip("/")
    asyncio.run(_board(config, base, queue, once=once))


async def _board(config: Config, base: str, queue: str, *, once: bool) -> None:
    given = os.environ.get("RAPPEL_TOKEN", "")
    if given:
        await _watch(base, given, queue, once=once)
        return
    # Who can reach the database may look: a token of the shortest useful life, revoked at the end.
    secret, digest = new_secret()
    scopes = [Scope.EVENTS_READ.value]
    async with open_store(config.postgres.url) as store:
        tokens = PostgresTokens(store)
        made = await tokens.create(digest, "board", scopes, None, datetime.now(UTC) + timedelta(hours=12))
        try:
            await _watch(base, secret, queue, once=once)
        finally:
            await tokens.revoke(made.token_id)


async def _watch(base: str, secret: str, queue: str, *, once: bool) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    address = f"{base}{PREFIX}/events"
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(
                address, params={"queue": queue} if queue else {}, heartbeat=10, max_msg_size=0
            ) as feed,
        ):
            console = Console()
            if not console.is_terminal:
                console.width = _WIDTH
            first = _decode((await feed.receive(timeout=10)).data)
            if not isinstance(first, Snapshot):
                raise RappelError(f"{address} does not begin with a snapshot: is it a Rappel of this version?")
            if once:
                console.print(render(first, datetime.now(UTC), queue))
                return
            await _follow(feed, console, first, queue)
    except aiohttp.WSServerHandshakeError as error:
        raise RappelError(
            f"{address} refuses ({error.status}): check RAPPEL_TOKEN and its scope events:read"
        ) from None
    except (aiohttp.ClientError, TimeoutError, TypeError) as error:
        raise RappelError(
            f"{address} cannot be watched ({error}): is the controller running (rappel doctor)?"
        ) from None


async def _follow(feed: aiohttp.ClientWebSocketResponse, console: Console, shown: Snapshot, queue: str) -> None:
    """Draw until Ctrl-C. Events only say that something has changed; what is shown is a snapshot, asked for anew."""
    stale = False
    loop = asyncio.get_running_loop()
    with Live(render(shown, datetime.now(UTC), queue), console=console, screen=True, auto_refresh=False) as live:
        draw_at = loop.time() + _REFRESH_S
        while True:
            try:
                message = await feed.receive(timeout=max(0.01, draw_at - loop.time()))
            except TimeoutError:
                if stale:
                    stale = False
                    await feed.send_str(ASK_SNAPSHOT)
                live.update(render(shown, datetime.now(UTC), queue), refresh=True)
                draw_at = loop.time() + _REFRESH_S
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise RappelError("the controller has let go of this board: start it again")
            told = _decode(message.data)
            if isinstance(told, Snapshot):
                shown = told
                live.update(render(shown, datetime.now(UTC), queue), refresh=True)
            else:
                stale = True


# --- drawing ----------------------------------------------------------------------------------------------------


def render(shown: Snapshot, now: datetime, queue: str = "") -> Group:
    """Return the board as it is drawn: queues, who waits, agents, conversations."""
    title = Text(f"Rappel  {now.astimezone():%H:%M:%S}", style="bold")
    talks = {talk.call_id: talk for talk in shown.talks}
    return Group(
        title,
        _queues([each for each in shown.queues if queue in ("", each.queue)]),
        _agents(shown.agents, talks, now),
        _waiting(shown.waiting),
    )


def _queues(queues: Iterable[QueueView]) -> Table:
    table = _table(
        "Queue", "Open", "Waiting>", "Longest>", "Free>", "Talking>", "In>", "Answered>", "Lost>", "Level>"
    )
    for each in queues:
        offered = each.today_offered - each.today_short_abandoned
        level = f"{100 * each.today_in_level / offered:.0f} %" if offered > 0 else "-"
        table.add_row(
            each.title or each.queue,
            Text("open", "green") if each.open else Text("closed", "bright_black"),
            Text(str(each.waiting), "bold red" if each.waiting and not each.agents_free else ""),
            _clock(each.longest_wait_s),
            str(each.agents_free),
            str(each.agents_talking),
            str(each.agents_logged_in),
            str(each.today_answered),
            str(each.today_abandoned),
            level,
        )
    return table


def _agents(agents: Iterable[AgentView], talks: dict[str, TalkView], now: datetime) -> Table:
    table = _table("Agent", "Phone", "State", "For>", "Queue", "With", "Calls>")
    for each in agents:
        state = each.state.value.replace("_", " ") + (f": {each.reason}" if each.reason else "")
        talk = talks.get(each.call_id)
        table.add_row(
            each.name,
            each.extension,
            Text(state, _COLOURS[each.state]),
            _clock((now - each.since).total_seconds()),
            each.queue,
            (talk.number or "withheld") + (" (on hold)" if talk.on_hold else "") if talk else "",
            str(each.calls),
        )
    return table


def _waiting(waiting: Iterable[WaitingView]) -> Table:
    table = _table("Waits in", "Place>", "Since>", "Number", "Priority>", "Rings at")
    for each in list(waiting)[:20]:
        table.add_row(
            each.queue,
            str(each.position),
            _clock(each.waited_s),
            each.number or "withheld",
            str(each.priority),
            ", ".join(each.offered_to),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(expand=True, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        options: dict[str, Any] = {"justify": "right"} if name.endswith(">") else {}
        table.add_column(name.rstrip(">"), **options)
    return table


def _clock(seconds: float) -> str:
    """Return a length of time as 1:02 or 1:00:02."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


COMMANDS = (board,)
