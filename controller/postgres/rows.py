"""What a batch of entries tells, as columns for the statements under `sql/write`: one list per column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from controller.cdr.entries import AsteriskCdr, ReleaseUsed, StateSaved, StepTaken
from controller.cdr.fold import CallSummary, LegSummary

Columns = Sequence[Sequence[Any]]

_encode_json = msgspec.json.Encoder(order="deterministic").encode
_CALL_COLUMNS, _LEG_COLUMNS, _STEP_COLUMNS, _STATE_COLUMNS = 19, 12, 10, 7


def call_columns(calls: Iterable[CallSummary]) -> Columns:
    """Columns of `sql/write/calls.sql`."""
    return _columns((_call_row(call) for call in calls), _CALL_COLUMNS)


def leg_columns(calls: Iterable[CallSummary]) -> Columns:
    """Columns of `sql/write/legs.sql`."""
    return _columns((_leg_row(call, leg) for call in calls for leg in call.legs), _LEG_COLUMNS)


def step_columns(calls: Iterable[CallSummary]) -> Columns:
    """Columns of `sql/write/call_steps.sql`."""
    return _columns((_step_row(step) for call in calls for step in call.steps), _STEP_COLUMNS)


def state_columns(calls: Iterable[CallSummary]) -> Columns:
    """Columns of `sql/write/live_calls.sql`."""
    return _columns((_state_row(call.state) for call in calls if call.state), _STATE_COLUMNS)


def release_columns(releases: Iterable[ReleaseUsed]) -> Columns:
    """Columns of `sql/write/releases.sql`."""
    return _columns(((_text(used.release), _json(used.sources), used.at) for used in releases), 3)


def cdr_columns(cdrs: Iterable[AsteriskCdr]) -> Columns:
    """Columns of `sql/write/asterisk_cdr.sql`."""
    return _columns((_cdr_row(cdr) for cdr in cdrs), 4)


def _call_row(call: CallSummary) -> tuple[Any, ...]:
    start, end = call.start, call.end
    started: tuple[Any, ...] = (None, "", "", "", "", "", "")
    driven: tuple[Any, ...] = ("", "", "")
    if start is not None:
        started = (
            _text(start.channel_id),
            _text(start.called_number),
            _text(start.caller_number),
            _text(start.caller_name),
            _text(start.flow),
            _text(start.release),
            _text(start.language),
        )
        driven = (_text(start.driver), _text(start.node), _text(start.tariff_class))
    ended: tuple[Any, ...] = (None, None, None, "")
    if end is not None:
        ended = (end.disposition.value, end.ended_by.value, end.cause, _text(end.reason))
    return (
        call.call_id,
        call.started_at,
        call.answered_at,
        end.at if end else None,
        *started,
        _text(end.language) if end else "",
        *driven,
        *ended,
    )


def _leg_row(call: CallSummary, leg: LegSummary) -> tuple[Any, ...]:
    return (
        call.call_id,
        _text(leg.leg_id),
        leg.started_at,
        leg.answered_at,
        leg.ended_at,
        _text(leg.channel_id),
        _text(leg.channel_name),
        leg.role.value if leg.role else None,
        _text(leg.number),
        leg.cause,
        _text(leg.cause_text),
        leg.ended_by.value if leg.ended_by else None,
    )


def _step_row(step: StepTaken) -> tuple[Any, ...]:
    return (
        step.call_id,
        step.seq,
        _text(step.flow),
        _text(step.step),
        _text(step.type),
        step.entered_at,
        step.left_at,
        _text(step.exit),
        _text(step.digits),
        _json(step.detail) if step.detail else "{}",
    )


def _state_row(state: StateSaved) -> tuple[Any, ...]:
    return (
        state.call_id,
        _text(state.channel_id),
        _text(state.driver),
        _text(state.release),
        _text(state.node),
        state.state,
        state.at,
    )


def _cdr_row(cdr: AsteriskCdr) -> tuple[Any, ...]:
    fields = _json(cdr.fields)
    return (_text(cdr.uniqueid), hashlib.sha256(fields.encode()).digest(), cdr.at, fields)


def _text(value: str) -> str:
    """Postgres text holds no NUL: a caller's name with one must not cost the call its record."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in value else value


def _json(value: object) -> str:
    return _encode_json(value).decode().replace("\\u0000", "\\ufffd")


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> Columns:
    columns = list(zip(*rows, strict=True))
    return columns or [()] * count
