"""Calls from the command line: place one, look at what was recorded."""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from controller.calls.releases import Releases
from controller.cli.common import completed, open_store
from controller.cli.record import show_record
from controller.config import Config
from controller.errors import RappelError, StoreError, TelephonyError
from controller.flow.release import Release
from controller.flow.spoken import FRAGMENTS
from controller.ids import CallId
from controller.postgres import queries
from controller.postgres.queries import CallRecord
from controller.postgres.store import PostgresStore
from controller.softphone.ear import Ear, load_prompts
from controller.softphone.phone import Phone
from controller.softphone.place import CallReport, place_call
from controller.softphone.script import parse_script
from controller.speech.release import prepare_release

DEMONSTRATION = (
    "1000",
    "wait 4s, press 1, wait 3s, press 504718, wait 3s, press 2580, wait 4s, press 2, quiet, hangup",
)
"""What `make call` does without arguments: into the example centre as its customer Claire Vautrin, who asks for her
balance. The same keys lead there by day and when the shop is closed."""
_RECORD_WAIT_S = 10.0
_RING_TIMEOUT_S = 30.0
_CLOCKS_APART = timedelta(seconds=1)
_CALLER = "+33199001234"


@click.command()
@click.argument("number", default=DEMONSTRATION[0])
@click.option("--keys", "script", help='What to do, as "press 1, wait 2s, hear fr/menu*, press 2, hangup".')
@click.option("--from", "caller", default=_CALLER, show_default=True, help="The number the call shows.")
@click.option("--max", "max_s", default=90.0, show_default=True, help="Hang up after so many seconds.")
@click.pass_context
def call(context: click.Context, number: str, script: str | None, caller: str, max_s: float) -> None:
    """Place a real call to NUMBER of the running centre; show what was heard and what was recorded."""
    config = completed(context.obj)
    steps = script if script is not None else DEMONSTRATION[1]
    asyncio.run(_call(config, number, steps, caller, max_s))


async def _call(config: Config, number: str, script: str, caller: str, max_s: float) -> None:
    ear, texts = ear_of(config)
    target = f"sip:{number}@{config.sip.bind}:{config.sip.port}"
    here = address_towards(config.sip.bind, config.sip.port)
    click.echo(f"Calling {target} from {caller}: {script}\n")
    since = datetime.now(UTC) - _CLOCKS_APART
    async with Phone((here, 0), user=caller) as phone:
        report = await place_call(
            parse_script(script),
            target,
            phone=phone,
            ear=ear,
            texts=texts,
            ring_timeout_s=min(max_s, _RING_TIMEOUT_S),
            max_s=max_s,
        )
    for line in report.lines():
        click.echo(line)
    _summary(report)
    if report.answered_s is None:
        sys.exit(1)
    click.echo("")
    async with open_store(config.postgres.url) as store:
        show_record(await _record_of(store, caller, since, report))


def ear_of(config: Config) -> tuple[Ear, dict[str, str]]:
    """Return an ear for everything that the centre says, and the words of each."""
    releases = Releases(
        Path(config.centre.folder).absolute(),
        Path(config.node.state_dir) / "releases",
        lambda folder, release: prepare_release(folder, Path(config.node.cache_dir), release),
    )
    live = releases.load()
    paths = {media: Path(f"{path}.alaw") for media, (path, _) in live.stored.audio.items() if "silence" not in media}
    return Ear(load_prompts(paths)), _texts(live.release)


def address_towards(host: str, port: int) -> str:
    """Return the address of this machine from which `host` is reached, which is `host` where that is ours."""
    try:
        kind, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(target)  # sends nothing: the kernel only chooses the way
            return str(probe.getsockname()[0])
    except OSError as error:
        raise TelephonyError(f"{host} cannot be reached ({error}): look at [sip] bind.") from error


def _texts(release: Release) -> dict[str, str]:
    fragments = {f"say/{code}/{name}": text for code, each in FRAGMENTS.items() for name, text in each.items()}
    return fragments | {media: text for _, text, media in release.texts()}


def _summary(report: CallReport) -> None:
    if report.answered_s is None:
        click.echo(f"Not answered: {report.status} {report.reason}. Is `make run` running (rappel doctor)?")
        return
    delays = [answer.delay_s for answer in report.digits if answer.delay_s is not None]
    click.echo(
        f"\nAnswered after {report.answered_s * 1000:.0f} ms, lasted {report.duration_s:.1f} s, "
        f"{report.packets} packets of audio at {report.level_dbfs:.0f} dBFS."
    )
    if delays:
        shown = ", ".join(f"{delay * 1000:.0f} ms" for delay in delays)
        click.echo(f"From a key's last packet to the next prompt's first: {shown}.")


async def _record_of(store: PostgresStore, caller: str, since: datetime, report: CallReport) -> CallRecord:
    """Return the record of the call that was just placed, `since` then."""
    pool = await store.pool()
    try:
        async with asyncio.timeout(_RECORD_WAIT_S):
            while True:
                for row in await queries.recent_calls(pool, 20):
                    if row.caller_number == caller and row.ended_at is not None and row.started_at >= since:
                        record = await queries.call_record(pool, row.call_id)
                        if record is not None:
                            return record
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StoreError(
            f"no record of this call ({report.sip_call_id}) within {_RECORD_WAIT_S:.0f} s: no controller had it, or "
            "its record is still on the way; look at /readyz"
        ) from None


@click.command()
@click.option("-n", "limit", default=20, show_default=True, help="How many.")
@click.pass_context
def calls(context: click.Context, limit: int) -> None:
    """List the newest calls in the database."""
    config = completed(context.obj)

    async def show() -> None:
        async with open_store(config.postgres.url) as store:
            for row in await queries.recent_calls(await store.pool(), limit):
                ended = row.ended_at or row.started_at
                click.echo(
                    f"{row.started_at:%Y-%m-%d %H:%M:%S}  {row.call_id}  {row.caller_number or 'withheld':>16} → "
                    f"{row.called_number:<14} {row.flow:<14} {(ended - row.started_at).total_seconds():7.1f} s  "
                    f"{row.disposition or 'in progress'}"
                )

    asyncio.run(show())


@click.command("show")
@click.argument("call_id")
@click.pass_context
def show_call(context: click.Context, call_id: str) -> None:
    """Show everything recorded of one call."""
    config = completed(context.obj)

    async def show() -> None:
        async with open_store(config.postgres.url) as store:
            record = await queries.call_record(await store.pool(), CallId(call_id))
        if record is None:
            raise RappelError(f"there is no call {call_id}; `rappel calls` lists the newest")
        show_record(record)

    asyncio.run(show())


COMMANDS = (call, calls, show_call)
