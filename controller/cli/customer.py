"""`rappel customer`: the telephone of whoever is called back, without a telephone and without a carrier.

With the simulated carrier (`[sip] trunk`, docs/sysadmins.md) one softphone rings for every call out: this is it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass

import click

from controller.cli.calls import address_towards, ear_of
from controller.cli.common import completed, stack_settings
from controller.config import Config
from controller.errors import RappelError, TelephonyError
from controller.runtime import secrets
from controller.softphone.ear import Ear
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone
from controller.softphone.place import go_through
from controller.softphone.script import Script, parse_script
from controller.softphone.sound import SILENT_DBFS, level_dbfs
from controller.trunks import way_out

KEYS = "quiet 20s, press 1"
"""The example's announcement to whoever is called back asks for this key."""
_TONE_HZ = 600
"""Not the agent's (`rappel answer`)."""
_REFUSALS = {"busy": 486, "refuse": 603, "off": 480}
_RINGS_S = 120.0


@dataclass(frozen=True, slots=True)
class _Customer:
    """What the customer does. `does` is answer, ring, or one of `_REFUSALS`."""

    does: str
    script: Script
    after_s: float
    talk_s: float
    ear: Ear
    texts: dict[str, str]


@click.command()
@click.option("--keys", default=KEYS, show_default=True, help="What to do once it is answered, as of `call`.")
@click.option("--after", default=2.0, show_default=True, help="Seconds to let it ring.")
@click.option("--talk", default=30.0, show_default=True, help="Seconds until the customer hangs up.")
@click.option("--password", help="Of the softphone (default: known on the machine that runs everything).")
@click.option("--count", default=0, help="End after so many calls (default: at Ctrl-C).")
@click.option(
    "--does",
    type=click.Choice(["answer", "ring", *_REFUSALS]),
    default="answer",
    show_default=True,
    help="Answer, let it ring, be busy, refuse, or be switched off.",
)
@click.pass_context
def customer(
    context: click.Context, *, keys: str, after: float, talk: float, password: str | None, count: int, does: str
) -> None:
    """Be the telephone of a customer who is called back: answer, press keys, say what was heard."""
    config = completed(context.obj)
    ear, texts = ear_of(config)
    who = _Customer(does, parse_script(keys), after, talk, ear, texts)
    asyncio.run(_customer(config, who, password, count))


async def _customer(config: Config, who: _Customer, password: str | None, count: int) -> None:
    extension = way_out(config.sip).softphone
    if not extension:
        raise RappelError("calls go to no softphone here: set [sip] trunk to softphone:1002 (docs/sysadmins.md)")
    if not password:
        settings = stack_settings(config)
        known = secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
        password = known.softphones[extension]
    server = f"{config.sip.bind}:{config.sip.port}"
    here = address_towards(config.sip.bind, config.sip.port)
    async with Phone((here, 0), user=extension, password=password) as phone:
        status = await phone.register(f"sip:{server}")
        if status != 200:  # noqa: PLR2004 - SIP OK
            raise TelephonyError(f"{server} refuses extension {extension} ({status}): is the controller running?")
        click.echo(f"Whoever is called, extension {extension} rings: this is it. Ctrl-C ends it.")
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        taking = asyncio.create_task(_take_all(phone, who, count))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({taking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (taking, stopped):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking


async def _take_all(phone: Phone, who: _Customer, count: int) -> None:
    taken = 0
    async for incoming in phone.incoming():
        name = incoming.invite.get("From").partition("<")[0].strip(' "')
        click.echo(f"Rings {name}: {incoming.caller} calls")
        await _take(incoming, who)
        taken += 1
        if taken == count:
            return


async def _take(incoming: IncomingCall, who: _Customer) -> None:
    if who.does in _REFUSALS:
        incoming.reject(_REFUSALS[who.does])
        click.echo(f"  {who.does}: {_REFUSALS[who.does]}")
        return
    incoming.ring()
    stays = await incoming.call.wait_for(who.after_s if who.does == "answer" else _RINGS_S)
    call = incoming.answer(tone(_TONE_HZ)) if stays and who.does == "answer" else None
    if call is None:
        click.echo("  the caller has gone")
        return
    report = await go_through(who.script, call, incoming.caller, ear=who.ear, texts=who.texts, max_s=who.talk_s)
    for line in report.lines():
        click.echo(f"  {line}")
    level = level_dbfs(call.heard.samples[-8000:])
    click.echo(f"  at the end heard {'nothing' if level <= SILENT_DBFS else f'{level:.0f} dBFS'}")


COMMANDS = (customer,)
