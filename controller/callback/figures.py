"""Figures of call-backs, as structures: a row of `docs/callbacks.md` each, its columns as fields."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CallbackFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's requests that were asked for in an interval. Shares and means are None where nothing divides."""

    queue: str
    starts_at: datetime
    ends_at: datetime
    requests: int
    open: int
    done: int
    failed: int
    refused: int
    cancelled: int
    expired: int
    called: int
    wait_s: float
    longest_wait_s: float
    promised: int
    promises_kept: int
    promises_late: int
    promises_broken: int
    attempts: int
    talked: int
    busy: int
    no_answer: int
    unreachable: int
    voicemail: int
    rejected: int
    failed_calls: int
    left_before: int
    lost: int
    blocked: int
    no_agent: int
    other_outcomes: int
    talk_s: float
    cost: float
    reach: float | None
    kept_rate: float | None
    mean_wait_s: float | None
    answer_rate: float | None
    calls_each: float | None
    cost_each: float | None


class CallbackConversion(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests that came from one place: source, campaign, medium and page."""

    queue: str
    source: str
    campaign: str
    medium: str
    page: str
    requests: int
    open: int
    cancelled: int
    called: int
    talked: int
    talk_s: float
    dispositions: dict[str, int]
    """Requests by the code that an agent gave their call."""
    cost: float
    conversion: float | None
    cost_each: float | None
