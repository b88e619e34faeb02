"""What pages and commands ask of the record: one call whole, the newest calls, the call of a channel.

All raise `StoreError` while Postgres is away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from controller.cdr.entries import Disposition, Party, Role, StepTaken
from controller.cdr.fold import LegSummary
from controller.cdr.visits import DispositionSummary, EventSummary, OfferSummary, TalkSummary, VisitSummary
from controller.ids import CallId, LegId
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, Pool, away
from controller.postgres.history import Recording, recording_of
from controller.postgres.statements import statement

MAX_RECENT = 1000

T = TypeVar("T")

_JSON_COLUMNS = frozenset({"detail", "needs"})
_decode_json = msgspec.json.Decoder(dict[str, Any]).decode


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `calls`. The end's fields are None while the call runs; `channel_id` when its start was not seen.

    `caller_cause` and `callee_cause` are the Q.850 causes of the caller's leg and of the leg dialled last.
    """

    call_id: CallId
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    channel_id: str | None
    called_number: str
    caller_number: str
    caller_name: str
    flow: str
    release: str
    start_language: str
    language: str
    driver: str
    node: str
    tariff_class: str
    disposition: Disposition | None
    ended_by: Party | None
    caller_cause: int | None
    callee_cause: int | None
    reason: str
    visitor: dict[str, Any] | None = None
    """Of a call from a web page: site, where from, what the visitor said."""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is recorded of one call: legs in the order of their start, the rest by its number or time."""

    call: CallRow
    legs: tuple[LegSummary, ...]
    steps: tuple[StepTaken, ...]
    visits: tuple[VisitSummary, ...] = ()
    offers: tuple[OfferSummary, ...] = ()
    talks: tuple[TalkSummary, ...] = ()
    events: tuple[EventSummary, ...] = ()
    dispositions: tuple[DispositionSummary, ...] = ()
    recordings: tuple[Recording, ...] = ()


class Disagreement(msgspec.Struct, frozen=True):
    """One finding of the ledger's comparison; `call_id` is None for a channel only Asterisk knows."""

    call_id: CallId | None
    uniqueid: str
    finding: str
    ours: str | None
    asterisks: str | None


async def call_record(pool: Pool, call_id: CallId) -> CallRecord | None:
    """Return the record of `call_id`, running or ended; None if there is none, or it is no id of a call."""
    try:
        UUID(call_id)
    except ValueError:
        return None
    calls = await _fetch(pool, "call", call_id)
    if not calls:
        return None

    async def rows(name: str, kind: Callable[..., T]) -> tuple[T, ...]:
        return tuple([kind(**_decoded(row)) for row in await _fetch(pool, name, call_id)])

    return CallRecord(
        call=_call(calls[0]),
        legs=tuple(_leg(row) for row in await _fetch(pool, "legs", call_id)),
        steps=await rows("steps", StepTaken),
        visits=await rows("visits", VisitSummary),
        offers=await rows("offers", OfferSummary),
        talks=await rows("talks", _talk),
        events=await rows("talk_events", EventSummary),
        dispositions=await rows("dispositions", DispositionSummary),
        recordings=tuple(recording_of(row) for row in await _fetch(pool, "recordings_of", call_id)),
    )


async def recent_calls(pool: Pool, limit: int = 50) -> Sequence[CallRow]:
    """Return the `limit` calls (at most `MAX_RECENT`) that began last, newest first."""
    return [_call(row) for row in await _fetch(pool, "recent_calls", max(0, min(limit, MAX_RECENT)))]


async def ways(pool: Pool, call_ids: Sequence[CallId]) -> dict[CallId, str]:
    """Return the names of the steps that each call took, as one text; calls that took none are left out."""
    return {CallId(call_id): way for call_id, way in await _fetch(pool, "ways", list(call_ids))}


async def find_call(pool: Pool, channel_id: str) -> CallRecord | None:
    """Return the newest call one of whose legs is Asterisk's channel `channel_id`; None if there is none."""
    found = await _fetch(pool, "find_call", channel_id)
    return await call_record(pool, CallId(found[0][0])) if found else None


async def disagreements(
    pool: Pool, from_time: datetime, to_time: datetime, tolerance_s: int = 2
) -> Sequence[Disagreement]:
    """Return where our calls that began in [`from_time`, `to_time`) and Asterisk's own records differ."""
    return [Disagreement(*row) for row in await _fetch(pool, "disagreements", from_time, to_time, tolerance_s)]


async def _fetch(pool: Pool, name: str, *values: Any) -> list[asyncpg.Record]:
    try:
        async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            return await connection.fetch(statement(f"read/{name}.sql"), *values)
    except AWAY as error:
        raise away(error) from error


def _call(row: asyncpg.Record) -> CallRow:
    return CallRow(
        call_id=CallId(row["call_id"]),
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        channel_id=row["channel_id"],
        called_number=row["called_number"],
        caller_number=row["caller_number"],
        caller_name=row["caller_name"],
        flow=row["flow"],
        release=row["release"],
        start_language=row["start_language"],
        language=row["end_language"] or row["start_language"],
        driver=row["driver"],
        node=row["node"],
        tariff_class=row["tariff_class"],
        disposition=Disposition(row["disposition"]) if row["disposition"] else None,
        ended_by=Party(row["ended_by"]) if row["ended_by"] else None,
        caller_cause=row["cause"],
        callee_cause=row["callee_cause"],
        reason=row["reason"],
        visitor=msgspec.json.decode(row["visitor"]) if row["visitor"] else None,
    )


def _leg(row: asyncpg.Record) -> LegSummary:
    return LegSummary(
        leg_id=LegId(row["leg_id"]),
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        channel_id=row["channel_id"],
        channel_name=row["channel_name"],
        role=Role(row["role"]) if row["role"] else None,
        number=row["number"],
        cause=row["cause"],
        cause_text=row["cause_text"],
        ended_by=Party(row["ended_by"]) if row["ended_by"] else None,
    )


def _decoded(row: asyncpg.Record) -> dict[str, Any]:
    """A row whose JSON columns are decoded."""
    told = dict(row)
    for name in _JSON_COLUMNS & told.keys():
        told[name] = _decode_json(told[name])
    return told


def _talk(ended_by: str | None, **told: Any) -> TalkSummary:
    return TalkSummary(ended_by=Party(ended_by) if ended_by else None, **told)
