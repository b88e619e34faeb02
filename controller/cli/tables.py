"""What reports on the command line share: spans of days, cells that people read, CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from controller.errors import ConfigError

DAY = "%Y-%m-%d"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def span(begin: datetime | None, end: datetime | None, zone: str) -> tuple[datetime, datetime]:
    """Return midnight before the first day and after the last, by the clock of `zone`."""
    where = zone_of(zone)
    first = begin or datetime.now(where)
    last = end or first
    if last.date() < first.date():
        raise ConfigError("--to is before --from: give the earlier day first")
    since = datetime(first.year, first.month, first.day, tzinfo=where)
    after = last.date() + timedelta(days=1)
    return since, datetime(after.year, after.month, after.day, tzinfo=where)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name; `ConfigError` when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError):
        raise ConfigError(f"there is no time zone '{name}': write one such as Europe/Paris") from None


def cell(name: str, value: Any, zone: str) -> str:
    """Return a value as people read it: times by the clock of `zone`, shares in per cent; no control characters."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        if name.startswith("cost"):
            return f"{value:.2f}"
        return f"{value:.1f}" if name.endswith(("_s", "_each")) else f"{value:.1%}"
    return plain(str(value))


def plain(text: str) -> str:
    """Return a text that a terminal only shows: strangers wrote it, and it may hold commands for the terminal."""
    return "".join(each if each.isprintable() else "�" for each in text)


def show_table(columns: Sequence[str], rows: Sequence[dict[str, Any]], zone: str) -> None:
    """Print some columns of `rows`, one under the other."""
    shown = [list(columns), *([cell(name, row[name], zone) for name in columns] for row in rows)]
    widths = [max(len(line[column]) for line in shown) for column in range(len(columns))]
    for line in shown:
        click.echo("  ".join(each.rjust(width) for each, width in zip(line, widths, strict=True)))


def write_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print all columns of `rows` as CSV; what a spreadsheet would take for a formula begins with an apostrophe."""
    if not rows:
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_csv_cell(each) for each in row.values()])


def _csv_cell(value: Any) -> Any:
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
