"""One call's record as people read it in the terminal: what happened, in the order in which it did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from controller.postgres.queries import CallRecord


def show_record(record: CallRecord) -> None:
    """Print a record: the call, its legs, its way through the flow, and its time in queues and with agents."""
    row = record.call
    click.echo(f"call        {row.call_id}  ({row.driver}, node {row.node}, release {row.release})")
    click.echo(f"            {row.caller_number or 'withheld'} → {row.called_number}  flow {row.flow}")
    click.echo(f"began       {row.started_at:%Y-%m-%d %H:%M:%S.%f} UTC")
    if row.answered_at:
        click.echo(f"answered    after {(row.answered_at - row.started_at).total_seconds() * 1000:.0f} ms")
    if row.ended_at:
        length = (row.ended_at - row.started_at).total_seconds()
        click.echo(
            f"ended       after {length:.1f} s: {row.disposition}, by {row.ended_by}, cause {row.caller_cause}"
        )
    if row.reason:
        click.echo(f"reason      {row.reason}")
    for leg in record.legs:
        click.echo(f"leg         {leg.role or '?'} {leg.number}  {leg.channel_name}  cause {leg.cause}")
    for step in record.steps:
        took = (step.left_at - step.entered_at).total_seconds()
        digits = f"  keys {step.digits}" if step.digits else ""
        where = f"{step.flow}.{step.step}"
        click.echo(f"step {step.seq:>3}    {where:<32} {step.type:<9} {took:6.2f} s  → {step.exit}{digits}")
    for line in _with_agents(record):
        click.echo(line)


def _with_agents(record: CallRecord) -> Iterator[str]:
    """Queues, offers and conversations, visit by visit."""
    began = record.call.started_at
    for visit in record.visits:
        place = f", place {visit.position}" if visit.position else ""
        came = f", from {visit.from_agent}" if visit.from_agent else ""
        yield (
            f"queue {visit.visit:>2}    {visit.queue or '?':<32} {_took(visit.began_at, visit.exited_at)}"
            f"  → {visit.exit or 'waits'}{place}{came}"
        )
        for offer in record.offers:
            if offer.visit == visit.visit:
                yield (
                    f"offer {offer.offer:>2}    {offer.agent or '?':<32} {_took(offer.made_at, offer.ended_at)}"
                    f"  → {offer.outcome or 'rings'}"
                )
        for talk in record.talks:
            if talk.visit != visit.visit:
                continue
            by = f" by {talk.ended_by}" if talk.ended_by else ""
            hold = f", {talk.hold_s:.0f} s of it on hold" if talk.hold_s else ""
            yield (
                f"talk {talk.talk:>3}    {talk.agent or '?':<32} {_took(talk.started_at, talk.ended_at)}"
                f"  → {talk.how or 'talks'}{by}{hold}"
            )
    for event in record.events:
        who = f" {event.agent}" if event.agent else ""
        said = "".join(f"  {name} {value}" for name, value in event.detail.items() if value not in ("", None))
        yield f"event {event.seq:>2}    after {(event.at - began).total_seconds():.1f} s: {event.kind}{who}{said}"
    for each in record.dispositions:
        note = f"  ({each.note})" if each.note else ""
        yield f"result      {each.code} by {each.agent}{note}"
    for kept in record.recordings:
        erased = "  erased" if kept.erased_at else ""
        yield f"recording   {kept.recording_id}  {kept.kind}  {kept.duration_s or 0:.1f} s{erased}"


def _took(begins: datetime | None, ends: datetime | None) -> str:
    if begins is None or ends is None:
        return f"{'':<9} {'':>8}"
    return f"{'':<9} {(ends - begins).total_seconds():6.2f} s"
