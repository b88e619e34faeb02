"""Call-backs from the command line: who asked, what became of it, and figures; formulas in docs/callbacks.md."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

import click
import msgspec

from controller.callback.model import Attempt, Request, RequestId, RequestState
from controller.cdr.figures import INTERVALS
from controller.cli.common import completed, open_store
from controller.cli.tables import DAY, cell, plain, show_table, span, write_csv, zone_of
from controller.errors import StoreError
from controller.postgres.callbackfigures import PostgresCallbackFigures
from controller.postgres.callbacks import PostgresCallbacks

_LISTED = ("request_id", "queue", "number", "when", "source", "state", "due_at", "tries", "outcome")
_FIGURES = (
    "queue", "starts_at", "requests", "open", "done", "reach", "kept_rate", "mean_wait_s", "attempts", "answer_rate",
    "cost",
)  # fmt: skip
_CONVERSION = (
    "queue", "source", "campaign", "page", "requests", "called", "talked", "conversion", "cost", "cost_each",
)  # fmt: skip


@click.group()
def callbacks() -> None:
    """Requests to be called, and what became of them."""


@callbacks.command("list")
@click.option(
    "--state", "states", type=click.Choice([str(each) for each in RequestState]), multiple=True, help="Only these."
)
@click.option("--queue", default="", help="Only those of one queue.")
@click.option("--number", default="", help="Only those of one number, as +33199001234.")
@click.option("--from", "begin", type=click.DateTime([DAY]), help="Only those asked for since that day.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--zone", default="Europe/Paris", show_default=True, help="By whose clock.")
@click.pass_context
def list_(
    context: click.Context,
    /,
    states: tuple[str, ...],
    queue: str,
    number: str,
    begin: datetime | None,
    limit: int,
    zone: str,
) -> None:
    """List requests, newest first."""
    where = zone_of(zone)
    since = begin.replace(tzinfo=where) if begin else None

    async def ask() -> Sequence[Request]:
        async with open_store(completed(context.obj).postgres.url) as store:
            wanted = [RequestState(state) for state in states]
            return await PostgresCallbacks(store).find(
                states=wanted, queue=queue, number=number, since=since, limit=limit
            )

    rows = [msgspec.structs.asdict(each) for each in asyncio.run(ask())]
    if not rows:
        click.echo("There are no such requests.")
        return
    show_table(_LISTED, rows, zone)


@callbacks.command()
@click.argument("request_id")
@click.option("--zone", default="", help="By whose clock (default: the customer's).")
@click.pass_context
def show(context: click.Context, request_id: str, zone: str) -> None:
    """Show one request with all its attempts."""

    async def ask() -> tuple[Request | None, Sequence[Attempt]]:
        async with open_store(completed(context.obj).postgres.url) as store:
            book = PostgresCallbacks(store)
            return await book.get(RequestId(request_id)), await book.attempts(RequestId(request_id))

    request, attempts = asyncio.run(ask())
    if request is None:
        raise StoreError(f"there is no request {plain(request_id)[:40]}: look for it with rappel callbacks list")
    clock = zone_of(zone or request.zone or "UTC").key
    for line in (*_told(request, clock), *(_attempt(each, clock) for each in attempts)):
        click.echo(line)


@callbacks.command()
@click.option("--from", "begin", type=click.DateTime([DAY]), help="First day (default: today).")
@click.option("--to", "end", type=click.DateTime([DAY]), help="Last day, counted whole (default: the first).")
@click.option("--interval", type=click.Choice(list(INTERVALS)), default="day", show_default=True)
@click.option("--queue", default="", help="Only one queue.")
@click.option("--zone", default="Europe/Paris", show_default=True, help="Whose days and hours count.")
@click.option("--csv", "as_csv", is_flag=True, help="All columns, as CSV.")
@click.pass_context
def figures(
    context: click.Context,
    /,
    begin: datetime | None,
    end: datetime | None,
    interval: str,
    queue: str,
    zone: str,
    *,
    as_csv: bool,
) -> None:
    """Show how many asked, how long they waited, whether promises were kept, and how the calls ended."""
    since, until = span(begin, end, zone)

    async def ask() -> Sequence[msgspec.Struct]:
        async with open_store(completed(context.obj).postgres.url) as store:
            book = PostgresCallbackFigures(store)
            return await book.queues(since, until, interval=interval, zone=zone, queue=queue)

    _print(asyncio.run(ask()), _FIGURES, zone, as_csv=as_csv)


@callbacks.command()
@click.option("--from", "begin", type=click.DateTime([DAY]), help="First day (default: today).")
@click.option("--to", "end", type=click.DateTime([DAY]), help="Last day, counted whole (default: the first).")
@click.option("--queue", default="", help="Only one queue.")
@click.option("--zone", default="Europe/Paris", show_default=True, help="Whose days count.")
@click.option("--csv", "as_csv", is_flag=True, help="All columns, as CSV.")
@click.pass_context
def conversion(
    context: click.Context,
    /,
    begin: datetime | None,
    end: datetime | None,
    queue: str,
    zone: str,
    *,
    as_csv: bool,
) -> None:
    """Show what became of requests by where they came from: source, campaign and page."""
    since, until = span(begin, end, zone)

    async def ask() -> Sequence[msgspec.Struct]:
        async with open_store(completed(context.obj).postgres.url) as store:
            return await PostgresCallbackFigures(store).conversion(since, until, queue=queue)

    _print(asyncio.run(ask()), _CONVERSION, zone, as_csv=as_csv)


def _print(found: Sequence[msgspec.Struct], columns: Sequence[str], zone: str, *, as_csv: bool) -> None:
    rows = [msgspec.structs.asdict(row) for row in found]
    if as_csv:
        write_csv(rows)
    elif rows:
        show_table(columns, rows, zone)
    else:
        click.echo("Nobody asked in that time.")


def _told(request: Request, zone: str) -> Iterator[str]:
    """A request, line by line. What the customer wrote is shown and nothing else."""
    yield f"request     {request.request_id}  {request.state}  {plain(request.reason)}".rstrip()
    yield f"queue       {plain(request.queue)}  for {request.number or 'an erased number'}, {request.purpose}"
    asked = f"asked       {cell('', request.created_at, zone)} {zone}, {request.when}, by {request.source}"
    yield asked + (f", in call {plain(request.call_id)}" if request.call_id else "")
    if request.slot_at is not None:
        yield f"slot        {cell('', request.slot_at, zone)}, {request.slot_s / 60:.0f} min"
    if request.promised_at is not None:
        yield f"promised    by {cell('', request.promised_at, zone)}"
    if request.ended_at is None:
        yield f"due         {cell('', request.due_at, zone)}, given up at {cell('', request.expires_at, zone)}"
    else:
        yield f"ended       {cell('', request.ended_at, zone)}"
    customer, origin = request.customer, request.origin
    said = {"name": customer.name, "reference": customer.reference, "reason": customer.reason, **customer.data}
    yield from (f"{plain(name)[:11]:<11} {plain(value)}" for name, value in said.items() if value)
    came = [plain(each) for each in (origin.page, origin.campaign, origin.medium) if each]
    if came:
        yield f"from        {', '.join(came)}"
    if request.consent is not None:
        yield f"consent     {cell('', request.consent.at, zone)}, version {plain(request.consent.version)}"


def _attempt(attempt: Attempt, zone: str) -> str:
    took = []
    began = attempt.claimed_at
    for name in ("dialled", "ringing", "answered", "connected", "ended"):
        at: datetime | None = getattr(attempt, f"{name}_at")
        if at is not None:
            took.append(f"{name} {(at - began).total_seconds():+.1f} s")
    how = attempt.outcome or attempt.state
    return (
        f"attempt {attempt.fence:<3} {cell('', began, zone)}  {attempt.agent}  {', '.join(took) or 'not dialled'}"
        f"  → {how}" + (f" (cause {attempt.cause})" if attempt.cause else "")
    )


COMMANDS = (callbacks,)
