"""Calls outside on the command line: who is not called, why a call would be refused, what calls cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from controller.calls.releases import read_recordings, read_sources
from controller.cli.common import completed, open_store
from controller.config import Config, load_config
from controller.errors import RappelError
from controller.flow.loader import compile_release
from controller.numbering.model import NotANumber, Number, NumberFacts
from controller.numbering.numbers import understand
from controller.numberkey import number_key
from controller.outbound.gate import judge, recognise
from controller.outbound.model import OutboundAsk, OutboundRules, Purpose, Usage, Verdict
from controller.postgres.outbound import NumberCost, OutboundDay, PostgresOutbound

_DAY = "%Y-%m-%d"
_EXIT_REFUSED = 1
_MINUTE_S = 60.0
_PURPOSES = [purpose.value for purpose in Purpose]
_purpose = click.option(
    "--purpose", type=click.Choice(_PURPOSES), help="Only calls for this purpose (default: all of them)."
)
_country = click.option(
    "--country", default="FR", show_default=True, help="Where a number without a plus sign is from."
)


@click.group("optout")
def optout() -> None:
    """The list of those who do not want to be called."""


@optout.command()
@click.argument("number")
@_purpose
@_country
@click.option("--source", default="cli", show_default=True, help="How it is known.")
@click.pass_context
def add(context: click.Context, number: str, purpose: str | None, country: str, source: str) -> None:
    """Put NUMBER on the list."""
    found = _number(number, country)
    config = completed(context.obj)

    async def work() -> None:
        async with open_store(config.postgres.url) as store:
            await PostgresOutbound(store, number_key(config)).opt_out(
                found, Purpose(purpose) if purpose else None, datetime.now(UTC), source
            )

    asyncio.run(work())
    click.echo(f"{found} is not called any more{f' for {purpose}' if purpose else ''}.")


@optout.command()
@click.argument("number")
@_purpose
@_country
@click.option("--by", default="cli", show_default=True, help="Who does it, for the record.")
@click.pass_context
def remove(context: click.Context, number: str, purpose: str | None, country: str, by: str) -> None:
    """Take NUMBER off the list, because the person said so."""
    found = _number(number, country)
    config = completed(context.obj)

    async def work() -> bool:
        async with open_store(config.postgres.url) as store:
            return await PostgresOutbound(store, number_key(config)).opt_in(
                found, Purpose(purpose) if purpose else None, by
            )

    if not asyncio.run(work()):
        click.echo(f"{found} was not on the list{f' for {purpose}' if purpose else ''}.", err=True)
        context.exit(1)
    click.echo(f"{found} is off the list{f' for {purpose}' if purpose else ''}.")


@optout.command("list")
@click.argument("number", required=False)
@_country
@click.pass_context
def list_all(context: click.Context, number: str | None, country: str) -> None:
    """Show the list, or what it says of NUMBER. A number that was erased is found by its hash."""
    config = completed(context.obj)
    wanted = _number(number, country) if number else None

    async def ask() -> list[tuple[str, ...]]:
        async with open_store(config.postgres.url) as store:
            entries = await PostgresOutbound(store, number_key(config)).opt_outs(wanted)
            return [
                (
                    f"{each.at:%Y-%m-%d %H:%M}",
                    each.number or "(erased)",
                    "refused once" if each.kind == "refusal" else "not called",
                    each.purpose or "all purposes",
                    each.source,
                )
                for each in entries
            ]

    rows = asyncio.run(ask())
    _table(("since (UTC)", "number", "what", "for", "source"), rows, "Nobody is on the list.")


@click.group()
def outbound() -> None:
    """Calls outside: what the gate says of one, what was refused, what they cost."""


@outbound.command("judge")
@click.argument("number")
@click.option("--purpose", type=click.Choice(_PURPOSES), required=True, help="Why the person is called.")
@click.option("--consent", is_flag=True, help="There is a recorded consent.")
@click.option("--caller-id", default="", help="The number that is shown (default: the centre's).")
@click.option("--zone", default="", help="Where the person is, if they said it: an IANA zone.")
@click.option("--at", type=click.DateTime(), help="When, by the centre's clock (default: now).")
@click.option("--lasts", default=5.0, show_default=True, type=click.FloatRange(0.1, 240), help="Minutes expected.")
@click.option("--offline", is_flag=True, help="By the rules alone, as if nothing had been done before.")
@click.pass_context
def explain(
    context: click.Context,
    /,
    number: str,
    purpose: str,
    caller_id: str,
    zone: str,
    at: datetime | None,
    lasts: float,
    *,
    consent: bool,
    offline: bool,
) -> None:
    """Say whether NUMBER would be called, and why not. Nothing is called, nothing written down. Exit code 1: no."""
    config = load_config(context.obj) if offline else completed(context.obj)
    rules = _rules(config)
    now = at.replace(tzinfo=ZoneInfo(rules.zone)).astimezone(UTC) if at is not None else datetime.now(UTC)
    ask = OutboundAsk(
        number=number,
        purpose=Purpose(purpose),
        consent=consent,
        caller_id=caller_id,
        zone=zone,
        expected_s=lasts * _MINUTE_S,
    )
    found = recognise(rules, ask)
    usage = None
    if isinstance(found, NumberFacts) and not offline:
        usage = asyncio.run(_usage(config, found.number, ask.purpose, now))
    verdict = judge(rules, ask, usage or Usage(), now)
    for line in _told(verdict, usage, rules, lasts):
        click.echo(line)
    if not verdict.allowed:
        context.exit(_EXIT_REFUSED)


async def _usage(config: Config, number: Number, purpose: Purpose, now: datetime) -> Usage:
    async with open_store(config.postgres.url) as store:
        return await PostgresOutbound(store, number_key(config)).usage(number, purpose, now)


def _told(verdict: Verdict, usage: Usage | None, rules: OutboundRules, lasts: float) -> list[str]:
    lines = []
    if verdict.facts is not None:
        facts = verdict.facts
        where = ", ".join(facts.zones[:3]) or "no zone"
        lines.append(
            f"{facts.number}  {facts.national}: {facts.kind.value}, {facts.country or 'no country'}, {where}"
        )
    if verdict.allowed:
        lines += [
            f"allowed, shown as {verdict.caller_id}",
            f"costs about {verdict.cost:g} {verdict.currency} for {lasts:g} min ({verdict.rate_per_min:g} a minute)",
        ]
        if usage is not None:
            limits = rules.ceilings
            lines.append(
                f"spent: {usage.spent_hour:.2f} of {limits.hour:g} in the last hour, {usage.spent_day:.2f} of "
                f"{limits.day:g} in 24 h, {usage.spent_number_day:.2f} of {limits.number:g} for this number; called "
                f"{usage.calls_number_day} of {limits.calls} times in 24 h"
            )
        return lines
    lines += [
        f"refused ({verdict.code}): {verdict.message}",
        f"rule: {verdict.rule}",
        f"what to do: {verdict.advice}",
    ]
    if verdict.not_before is not None:
        lines.append(f"not before: {verdict.not_before.astimezone(ZoneInfo(rules.zone)):%Y-%m-%d %H:%M} {rules.zone}")
    return lines


@outbound.command()
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 366))
@click.pass_context
def refusals(context: click.Context, days: int) -> None:
    """Show calls that the gate refused, newest first."""
    config = completed(context.obj)

    async def ask() -> list[tuple[str, ...]]:
        async with open_store(config.postgres.url) as store:
            found = await PostgresOutbound(store, number_key(config)).refusals(
                datetime.now(UTC) - timedelta(days=days)
            )
            return [
                (f"{each.at:%Y-%m-%d %H:%M:%S}", each.number or "-", each.purpose, each.code, each.message)
                for each in found
            ]

    _table(("at (UTC)", "number", "purpose", "code", "why"), asyncio.run(ask()), "No call was refused.")


@outbound.command()
@click.option("--from", "begin", type=click.DateTime([_DAY]), help="First day (default: today).")
@click.option("--to", "end", type=click.DateTime([_DAY]), help="Last day, counted whole (default: the first).")
@click.pass_context
def costs(context: click.Context, begin: datetime | None, end: datetime | None) -> None:
    """Show what calls outside cost, by day and source, and what calls to our own numbers cost us."""
    config = completed(context.obj)
    rules = _rules(config)
    zone = ZoneInfo(rules.zone)
    first = (begin or datetime.now(zone)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=zone)
    last = (end.replace(tzinfo=zone) if end is not None else first) + timedelta(days=1)

    async def ask() -> tuple[Sequence[OutboundDay], Sequence[NumberCost]]:
        async with open_store(config.postgres.url) as store:
            book = PostgresOutbound(store, number_key(config))
            classes = {name: each.company for name, each in rules.tariffs.incoming.items()}
            return await book.days(first, last, rules.zone), await book.incoming(first, last, classes)

    days, own = asyncio.run(ask())
    _table(
        ("day", "shown", "source", "campaign", "to", "purpose", "calls", "answered", "minutes", "cost"),
        [
            (
                *(f"{day.day}", day.caller_id, day.source, day.campaign or "-", f"{day.country} {day.kind}"),
                *(day.purpose, str(day.calls), str(day.answered), f"{day.talk_s / _MINUTE_S:.1f}"),
                f"{day.cost:.2f} {day.currency}",
            )
            for day in days
        ],
        "Nobody was called in that time.",
    )
    click.echo()
    _table(
        ("number", "class", "calls", "minutes", "cost"),
        [
            (
                *(each.number or "-", each.tariff_class or "-", str(each.calls), f"{each.talk_s / _MINUTE_S:.1f}"),
                f"{each.cost:.2f} {rules.tariffs.currency}" if each.priced else "not known",
            )
            for each in own
        ],
        "No call came in in that time.",
    )


def _rules(config: Config) -> OutboundRules:
    folder = Path(config.centre.folder)
    return compile_release(read_sources(folder), read_recordings(folder)).outbound


def _number(text: str, country: str) -> Number:
    found = understand(text, country)
    if isinstance(found, NotANumber):
        raise RappelError(f"{text!r}: {found.message}; {found.advice}")
    return found.number


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> None:
    if not rows:
        click.echo(nothing)
        return
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


COMMANDS = (optout, outbound)
