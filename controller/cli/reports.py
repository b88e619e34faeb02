"""Figures and the staffing aid on the command line; formulas in docs/figures.md."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import msgspec

from controller.acd.staffing import staffing as staffed
from controller.cdr.figures import INTERVALS, QueueFigures, history_of
from controller.cli.common import completed, open_store
from controller.cli.tables import DAY, show_table, span, write_csv
from controller.postgres.figures import PostgresFigures

_SHOWN = {
    "queues": (
        "queue", "starts_at", "offered", "answered", "service_level", "abandoned", "abandonment",
        "speed_of_answer_s", "longest_wait_s", "handling_s",
    ),
    "agents": ("agent", "starts_at", "logged_in_s", "talks", "occupancy", "handling_s", "offers_missed", "paused_s"),
    "numbers": (
        "called_number", "starts_at", "calls", "calls_answered", "calls_talked", "calls_abandoned", "service_level",
    ),
}  # fmt: skip


@click.command()
@click.argument("what", type=click.Choice(list(_SHOWN)))
@click.option("--from", "begin", type=click.DateTime([DAY]), help="First day (default: today).")
@click.option("--to", "end", type=click.DateTime([DAY]), help="Last day, counted whole (default: the first).")
@click.option("--interval", type=click.Choice(list(INTERVALS)), default="day", show_default=True)
@click.option("--zone", default="Europe/Paris", show_default=True, help="Whose days and hours count.")
@click.option("--csv", "as_csv", is_flag=True, help="All columns, as CSV.")
@click.pass_context
def figures(
    context: click.Context,
    /,
    what: str,
    begin: datetime | None,
    end: datetime | None,
    interval: str,
    zone: str,
    *,
    as_csv: bool,
) -> None:
    """Show what queues, agents or called numbers did: service level, abandonment, waits, occupancy."""
    since, until = span(begin, end, zone)

    async def ask() -> Sequence[msgspec.Struct]:
        async with open_store(completed(context.obj).postgres.url) as store:
            book = PostgresFigures(store)
            if what == "queues":
                return await book.queues(since, until, interval=interval, zone=zone)
            if what == "agents":
                return await book.agents(since, until, interval=interval, zone=zone)
            return await book.numbers(since, until, interval=interval, zone=zone)

    rows = [msgspec.structs.asdict(row) for row in asyncio.run(ask())]
    if as_csv:
        write_csv(rows)
    elif rows:
        show_table(_SHOWN[what], rows, zone)
    else:
        click.echo("Nothing happened in that time.")


@click.command()
@click.argument("queue")
@click.option("--from", "begin", type=click.DateTime([DAY]), help="First day of the history (default: a week ago).")
@click.option("--to", "end", type=click.DateTime([DAY]), help="Last day (default: yesterday).")
@click.option("--interval", type=click.Choice(["15m", "30m", "60m"]), default="30m", show_default=True)
@click.option("--zone", default="Europe/Paris", show_default=True)
@click.option("--level", default=80.0, show_default=True, type=click.FloatRange(0, 99.9), help="Service level, %.")
@click.option(
    "--within", default=20.0, show_default=True, type=click.FloatRange(0), help="… answered within, seconds."
)
@click.option("--growth", default=1.0, show_default=True, type=click.FloatRange(0.1, 10), help="Times as many calls.")
@click.option("--occupancy", default=90.0, show_default=True, type=click.FloatRange(10, 100), help="At most, %.")
@click.pass_context
def staffing(
    context: click.Context,
    /,
    queue: str,
    begin: datetime | None,
    end: datetime | None,
    interval: str,
    zone: str,
    level: float,
    within: float,
    growth: float,
    occupancy: float,
) -> None:
    """Say how many agents QUEUE would have needed, interval by interval, by Erlang A or C from its own history."""
    today = datetime.now(UTC)
    since, until = span(begin or today - timedelta(days=7), end or today - timedelta(days=1), zone)

    async def ask() -> Sequence[QueueFigures]:
        async with open_store(completed(context.obj).postgres.url) as store:
            return await PostgresFigures(store).queues(since, until, interval=interval, zone=zone, queue=queue)

    rows = history_of(asyncio.run(ask()))
    needed = staffed(rows, within_s=within, target=level / 100, growth=growth, occupancy_max=occupancy / 100)
    if not needed:
        click.echo(
            f"Nobody was answered in {queue} from {since:{DAY}} to {until:{DAY}}: there is nothing to learn from."
        )
        return
    patience = needed[0].patience_s
    model = f"Erlang A, patience {patience:.0f} s" if patience else "Erlang C, nobody gave up"
    click.echo(
        f"{model}; handling {needed[0].handling_s:.0f} s. Agents at work: plan more, for pauses and training.\n"
    )
    click.echo("interval           calls  agents  service level  give up  mean wait  occupancy")
    for each in needed:
        told = each.forecast
        click.echo(
            f"{each.start.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {each.calls:7.1f} {told.agents:7}"
            f"{told.service_level:14.0%} {told.abandoned:8.1%} {told.mean_wait_s:8.1f} s {told.occupancy:10.0%}"
        )


COMMANDS = (figures, staffing)
