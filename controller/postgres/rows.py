"""What a batch of entries tells, as rows in JSON for the statements under `sql/write`.

JSON, because asyncpg spends five times as long on arrays of the same values; Postgres turns it back into rows.
A structure here is a row there: its fields are the columns the statement names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec

from controller.cdr.entries import AsteriskCdr, Disposition, Party, ReleaseUsed, Role
from controller.cdr.fold import CallSummary, LegSummary
from controller.cdr.visits import VisitsFolded
from controller.postgres.hookevents import HookEvent

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # not where the text itself holds a backslash, u and zeros
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Call(msgspec.Struct, kw_only=True):
    """A row of `calls`; `channel_id` is None where the start was not seen."""

    call_id: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None = None
    channel_id: str | None = None
    called_number: str = ""
    caller_number: str = ""
    caller_name: str = ""
    flow: str = ""
    release: str = ""
    start_language: str = ""
    end_language: str = ""
    driver: str = ""
    node: str = ""
    tariff_class: str = ""
    disposition: Disposition | None = None
    ended_by: Party | None = None
    cause: int | None = None
    reason: str = ""
    direction: str = "inbound"
    request_id: str | None = None
    visitor: dict[str, Any] | None = None


class _Leg(msgspec.Struct):
    """A row of `legs`; `role` is None where the start was not seen."""

    call_id: str
    leg_id: str
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    channel_id: str
    channel_name: str
    role: Role | None
    number: str
    cause: int | None
    cause_text: str
    ended_by: Party | None


class _Step(msgspec.Struct):
    """A row of `call_steps`."""

    call_id: str
    seq: int
    flow: str
    step: str
    type: str
    entered_at: datetime
    left_at: datetime
    exit: str
    digits: str
    detail: dict[str, Any]


class _State(msgspec.Struct):
    """A row of `live_calls`."""

    call_id: str
    channel_id: str
    driver: str
    release: str
    node: str
    state: bytes
    saved_at: datetime


class _Batch(msgspec.Struct):
    """The argument of `sql/write/batch.sql`."""

    calls: list[_Call]
    legs: list[_Leg]
    steps: list[_Step]
    states: list[_State]
    void: list[str]


def batch_rows(calls: Collection[CallSummary]) -> str:
    """Return the argument of `sql/write/batch.sql`: everything that is known of `calls`."""
    return _json(
        _Batch(
            calls=[_call(call) for call in calls],
            legs=[_leg(call, leg) for call in calls for leg in call.legs],
            steps=[
                _Step(s.call_id, s.seq, s.flow, s.step, s.type, s.entered_at, s.left_at, s.exit, s.digits, s.detail)
                for call in calls
                for s in call.steps
            ],
            states=[
                _State(s.call_id, s.channel_id, s.driver, s.release, s.node, s.state, s.at)
                for s in (call.state for call in calls)
                if s is not None
            ],
            void=[call.call_id for call in calls if call.state_dropped and call.state is None],
        )
    )


def distribution_rows(folded: VisitsFolded) -> str:
    """Return the argument of `sql/write/distribution.sql`: its summaries are the rows, field by column."""
    return _json(folded)


def event_rows(events: Iterable[HookEvent]) -> str:
    """Return the argument of `sql/write/webhook_events.sql`."""
    return _json(list(events))


def release_rows(releases: Iterable[ReleaseUsed]) -> str:
    """Return the argument of `sql/write/releases.sql`."""
    return _json([{"release": r.release, "sources": r.sources, "first_seen": r.at} for r in releases])


def cdr_rows(cdrs: Iterable[AsteriskCdr]) -> str:
    """Return the argument of `sql/write/asterisk_cdr.sql`; the fingerprint does not depend on the fields' order."""
    return _json(
        [
            {
                "uniqueid": cdr.uniqueid,
                "fingerprint": hashlib.sha256(_encode(cdr.fields)).digest(),
                "received_at": cdr.at,
                "fields": cdr.fields,
            }
            for cdr in cdrs
        ]
    )


def _call(call: CallSummary) -> _Call:
    row = _Call(call_id=call.call_id, started_at=call.started_at, answered_at=call.answered_at)
    start, end = call.start, call.end
    if start is not None:
        row.channel_id = start.channel_id
        row.called_number = start.called_number
        row.caller_number = start.caller_number
        row.caller_name = start.caller_name
        row.flow = start.flow
        row.release = start.release
        row.start_language = start.language
        row.driver = start.driver
        row.node = start.node
        row.tariff_class = start.tariff_class
        row.direction = start.direction
        row.request_id = start.request_id or None
        row.visitor = start.visitor
    if end is not None:
        row.ended_at = end.at
        row.end_language = end.language
        row.disposition = end.disposition
        row.ended_by = end.ended_by
        row.cause = end.cause
        row.reason = end.reason
    return row


def _leg(call: CallSummary, leg: LegSummary) -> _Leg:
    return _Leg(
        call.call_id,
        leg.leg_id,
        leg.started_at,
        leg.answered_at,
        leg.ended_at,
        leg.channel_id,
        leg.channel_name,
        leg.role,
        leg.number,
        leg.cause,
        leg.cause_text,
        leg.ended_by,
    )


def _json(value: object) -> str:
    """Postgres text holds no NUL: a caller's name with one must not cost the call its record."""
    text = _encode(value).decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text
