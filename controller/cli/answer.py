"""`rappel answer`: an agent's telephone without a telephone, to see a call come through a queue."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import click

from controller.calls.enrolment import account_of
from controller.cli.calls import address_towards
from controller.cli.common import completed, open_store
from controller.config import Config
from controller.errors import RappelError, TelephonyError
from controller.postgres.agents import PostgresAgents
from controller.runtime import example_agents
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone
from controller.softphone.sound import SILENT_DBFS, level_dbfs

LOGIN_CODE, LOGOUT_CODE = "*11", "*12"
"""The example centre's feature codes (ivr_flows/centre.yaml)."""
_TONE_HZ = 800
_CODE_S = 15.0
_REPORT_S = 1.0


@click.command()
@click.argument("agent", default="claire")
@click.option("--password", help="Of the agent's phone (default: the example agents' are known here).")
@click.option("--after", default=2.0, show_default=True, help="Seconds to let it ring.")
@click.option("--talk", default=15.0, show_default=True, help="Seconds until the agent hangs up.")
@click.option("--count", default=0, help="End after so many calls (default: at Ctrl-C).")
@click.pass_context
def answer(context: click.Context, agent: str, password: str | None, after: float, talk: float, count: int) -> None:
    """Be the telephone of AGENT: log in, answer what rings with a tone of 800 Hz, say what is heard."""
    asyncio.run(_answer(completed(context.obj), agent, password, after, talk, count))


async def _answer(
    config: Config, agent: str, password: str | None, after_s: float, talk_s: float, count: int
) -> None:
    extension = await _extension(config, agent)
    known = example_agents.passwords(Path(config.node.state_dir) / example_agents.FILE)
    secret = password or known.get(agent)
    if not secret:
        raise RappelError(f"the password of {agent}'s phone is not known here: give --password")
    server = f"{config.sip.bind}:{config.sip.port}"
    here = address_towards(config.sip.bind, config.sip.port)
    async with Phone((here, 0), user=extension, password=secret) as phone:
        status = await phone.register(f"sip:{server}")
        if status != 200:  # noqa: PLR2004 - SIP OK
            raise TelephonyError(f"{server} refuses extension {extension} ({status}): is the controller running?")
        await _dial_code(phone, server, LOGIN_CODE)
        click.echo(f"{agent} is logged in at extension {extension} and waits for calls. Ctrl-C logs out.")
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        serving = asyncio.create_task(_serve(phone, after_s, talk_s, count))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, stopped):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await _dial_code(phone, server, LOGOUT_CODE)
        click.echo(f"{agent} is logged out.")


async def _extension(config: Config, agent: str) -> str:
    async with open_store(config.postgres.url) as store:
        account = await account_of(PostgresAgents(store), agent)
    if account is None:
        raise RappelError(f"there is no agent {agent}: `rappel agents list` shows them")
    return account.extension


async def _dial_code(phone: Phone, server: str, code: str) -> None:
    """Dial a feature code and listen until Asterisk hangs up."""
    call = await phone.call(f"sip:{code}@{server}", ring_timeout_s=_CODE_S)
    await call.wait_ended(_CODE_S)
    await call.hangup()
    if call.answered_at is None:
        raise TelephonyError(f"{code} was refused ({call.status}): does the centre have this number?")


async def _serve(phone: Phone, after_s: float, talk_s: float, count: int) -> None:
    served = 0
    async for incoming in phone.incoming():
        await _take(incoming, after_s, talk_s)
        served += 1
        if served == count:
            return


async def _take(incoming: IncomingCall, after_s: float, talk_s: float) -> None:
    queue = incoming.invite.get("X-Rappel-Queue") or "no queue"
    click.echo(f"Rings: {incoming.caller} ({queue})")
    incoming.ring()
    if not await incoming.call.wait_for(after_s):
        click.echo("  the caller has gone")
        return
    call = incoming.answer(tone(_TONE_HZ))
    if call is None:
        return
    click.echo("  answered")
    left_s = talk_s
    while left_s > 0 and await call.wait_for(min(_REPORT_S, left_s)):
        left_s -= _REPORT_S
    level = level_dbfs(call.heard.samples)
    await call.hangup()
    heard = "nothing" if level <= SILENT_DBFS else f"{level:.0f} dBFS"
    click.echo(f"  ended after {call.duration_s:.1f} s by {call.ended_by}; heard {heard}")


COMMANDS = (answer,)
