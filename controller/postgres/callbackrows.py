"""Requests and attempts as rows, and rows as requests and attempts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from controller.acd.model import AgentId
from controller.callback.model import (
    Attempt,
    AttemptId,
    AttemptState,
    Consent,
    Customer,
    First,
    Origin,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Source,
    When,
)
from controller.outbound.model import Number, Purpose

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # Postgres text holds no NUL, and nothing holds half a character
_encode = msgspec.json.encode
_decode_grades = msgspec.json.Decoder(dict[str, int]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode


class _Row(msgspec.Struct, kw_only=True):
    """A row of `callback_requests`, column by column."""

    request_id: RequestId
    queue: str
    number: Number
    when: When
    source: Source
    purpose: Purpose
    language: str
    zone: str
    created_at: datetime
    entered_at: datetime
    due_at: datetime
    promised_at: datetime | None
    expires_at: datetime
    slot_at: datetime | None
    slot_s: float
    first: First
    agent: AgentId | None
    priority: int
    needs: dict[str, int]
    customer_name: str
    customer_reference: str
    customer_reason: str
    customer_data: dict[str, str]
    page: str
    campaign: str
    medium: str
    referrer: str
    consent_text: str | None
    consent_version: str | None
    consent_at: datetime | None
    consent_ip: str | None
    consent_call_id: str | None
    call_id: str
    state: RequestState
    fence: int
    tries: int
    outcome: Outcome | None
    ended_at: datetime | None
    reason: str
    erased_at: datetime | None = None


def request_row(request: Request) -> str:
    """Return `request` as JSON, column by column; characters that no text in Postgres can hold are replaced."""
    customer, origin, consent = request.customer, request.origin, request.consent
    return _encode(
        _Row(
            request_id=request.request_id,
            queue=_text(request.queue),
            number=request.number,
            when=request.when,
            source=request.source,
            purpose=request.purpose,
            language=_text(request.language),
            zone=_text(request.zone),
            created_at=request.created_at,
            entered_at=request.entered_at,
            due_at=request.due_at,
            promised_at=request.promised_at,
            expires_at=request.expires_at,
            slot_at=request.slot_at,
            slot_s=request.slot_s,
            first=request.first,
            agent=request.agent,
            priority=request.priority,
            needs={_text(skill): grade for skill, grade in request.needs.items()},
            customer_name=_text(customer.name),
            customer_reference=_text(customer.reference),
            customer_reason=_text(customer.reason),
            customer_data={_text(name): _text(value) for name, value in customer.data.items()},
            page=_text(origin.page),
            campaign=_text(origin.campaign),
            medium=_text(origin.medium),
            referrer=_text(origin.referrer),
            consent_text=None if consent is None else _text(consent.text),
            consent_version=None if consent is None else _text(consent.version),
            consent_at=None if consent is None else consent.at,
            consent_ip=None if consent is None else _text(consent.ip),
            consent_call_id=None if consent is None else _text(consent.call_id),
            call_id=_text(request.call_id),
            state=request.state,
            fence=request.fence,
            tries=request.tries,
            outcome=request.outcome,
            ended_at=request.ended_at,
            reason=_text(request.reason),
        )
    ).decode()


def request_of(row: asyncpg.Record) -> Request:
    """Return the request that a row of `callback_requests` holds."""
    return Request(
        request_id=RequestId(row["request_id"].hex),
        queue=row["queue"],
        number=Number(row["number"]),
        when=When(row["when"]),
        source=Source(row["source"]),
        purpose=Purpose(row["purpose"]),
        language=row["language"],
        zone=row["zone"],
        created_at=row["created_at"],
        entered_at=row["entered_at"],
        due_at=row["due_at"],
        promised_at=row["promised_at"],
        expires_at=row["expires_at"],
        slot_at=row["slot_at"],
        slot_s=row["slot_s"],
        first=First(row["first"]),
        agent=None if row["agent"] is None else AgentId(row["agent"]),
        priority=row["priority"],
        needs=_decode_grades(row["needs"]),
        customer=Customer(
            name=row["customer_name"],
            reference=row["customer_reference"],
            reason=row["customer_reason"],
            data=_decode_texts(row["customer_data"]),
        ),
        origin=Origin(row["page"], row["campaign"], row["medium"], row["referrer"]),
        consent=None if row["consent_at"] is None else _consent(row),
        call_id=row["call_id"],
        state=RequestState(row["state"]),
        fence=row["fence"],
        tries=row["tries"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        ended_at=row["ended_at"],
        reason=row["reason"],
    )


def attempt_of(row: asyncpg.Record) -> Attempt:
    """Return the attempt that a row of `callback_attempts` holds."""
    return Attempt(
        attempt_id=AttemptId(row["attempt_id"].hex),
        request_id=RequestId(row["request_id"].hex),
        fence=row["fence"],
        number=Number(row["number"]),
        caller_id=row["caller_id"],
        agent=AgentId(row["agent"]),
        node=row["node"],
        claimed_at=row["claimed_at"],
        state=AttemptState(row["state"]),
        dialled_at=row["dialled_at"],
        ringing_at=row["ringing_at"],
        answered_at=row["answered_at"],
        connected_at=row["connected_at"],
        ended_at=row["ended_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        cause=row["cause"],
        cost=row["cost"],
    )


def uuid_of(told: str) -> UUID | None:
    """Return an id as Postgres takes it; None for what is no id at all (anybody may ask for anything)."""
    try:
        return UUID(told)
    except ValueError:
        return None


def _consent(row: asyncpg.Record) -> Consent:
    return Consent(
        text=row["consent_text"],
        version=row["consent_version"],
        at=row["consent_at"],
        ip=row["consent_ip"],
        call_id=row["consent_call_id"],
    )


def _text(told: str) -> str:
    return _UNSTORABLE.sub("�", told)


def plain(told: Any) -> Any:
    """Return a text that Postgres can hold; anything else as it is."""
    return _text(told) if isinstance(told, str) else told
