"""Figures and the staffing aid on the command line; formulas in docs/figures.md."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from controller.acd.staffing import staffing as staffed
from controller.cdr.figures import INTERVALS, QueueFigures, history_of
from controller.cli.common import completed, open_store
from controller.errors import ConfigError
from controller.postgres.figures import PostgresFigures

_DAY = "%Y-%m-%d"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
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
@click.option("--from", "begin", type=click.DateTime([_DAY]), help="First day (default: today).")
@click.option("--to", "end", type=click.DateTime([_DAY]), help="Last day, counted whole (default: the first).")
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
    since, until = _span(begin, end, zone)

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
        _write_csv(rows)
        return
    if not rows:
        click.echo("Nothing happened in that time.")
        return
    columns = _SHOWN[what]
    shown = [columns, *([_cell(name, row[name], zone) for name in columns] for row in rows)]
    widths = [max(len(line[column]) for line in shown) for column in range(len(columns))]
    for line in shown:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


@click.command()
@click.argument("queue")
@click.option("--from", "begin", type=click.DateTime([_DAY]), help="First day of the history (default: a week ago).")
@click.option("--to", "end", type=click.DateTime([_DAY]), help="Last day (default: yesterday).")
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
    since, until = _span(begin or today - timedelta(days=7), end or today - timedelta(days=1), zone)

    async def ask() -> Sequence[QueueFigures]:
        async with open_store(completed(context.obj).postgres.url) as store:
            return await PostgresFigures(store).queues(since, until, interval=interval, zone=zone, queue=queue)

    rows = history_of(asyncio.run(ask()))
    needed = staffed(rows, within_s=within, target=level / 100, growth=growth, occupancy_max=occupancy / 100)
    if not needed:
        click.echo(
            f"Nobody was answered in {queue} from {since:{_DAY}} to {until:{_DAY}}: there is nothing to learn from."
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


def _span(begin: datetime | None, end: datetime | None, zone: str) -> tuple[datetime, datetime]:
    """Return midnight before the first day and after the last, by the clock of `zone`."""
    try:
        where = ZoneInfo(zone)
    except (KeyError, ValueError):
        raise ConfigError(f"there is no time zone '{zone}': write one such as Europe/Paris") from None
    first = begin or datetime.now(where)
    last = end or first
    if last.date() < first.date():
        raise ConfigError("--to is before --from: give the earlier day first")
    since = datetime(first.year, first.month, first.day, tzinfo=where)
    after = last.date() + timedelta(days=1)
    return since, datetime(after.year, after.month, after.day, tzinfo=where)


def _cell(name: str, value: Any, zone: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.1f}" if name.endswith("_s") else f"{value:.1%}"
    return str(value)


def _write_csv(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(rows[0])
    for row in rows:
        # A spreadsheet takes what begins with these for a formula.
        writer.writerow(
            [
                f"'{each}" if isinstance(each, str) and each[:1] in ("=", "+", "-", "@") else each
                for each in row.values()
            ]
        )


COMMANDS = (figures, staffing)
