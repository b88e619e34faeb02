"""Figures over time, as structures: a row of `docs/figures.md` each, its columns as fields."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from controller.acd.staffing import Interval

INTERVALS = {
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "60m": timedelta(minutes=60),
    "day": timedelta(days=1),
}
"""The intervals there are, by their names in the API and on the command line."""


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in an interval. Shares and means are None where there is nothing to divide by."""

    queue: str
    starts_at: datetime
    ends_at: datetime
    entered: int
    waiting: int
    refused: int
    moved: int
    offered: int
    answered: int
    in_level: int
    abandoned: int
    short_abandoned: int
    timeouts: int
    no_agents: int
    callbacks: int
    messages: int
    failed: int
    answered_wait_s: float
    abandoned_wait_s: float
    longest_wait_s: float
    estimated: int
    estimate_error_sum_s: float
    estimate_missed_by_sum_s: float
    offers: int
    offers_missed: int
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    service_level: float | None
    abandonment: float | None
    speed_of_answer_s: float | None
    handling_s: float | None
    transfer_rate: float | None
    offers_missed_rate: float | None
    estimate_error_s: float | None
    estimate_missed_by_s: float | None
    workload: float | None


class AgentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in an interval."""

    agent: str
    starts_at: datetime
    ends_at: datetime
    logged_in_s: float
    free_s: float
    ringing_s: float
    talking_s: float
    wrapping_up_s: float
    paused_s: float
    unreachable_s: float
    busy_s: float
    offers: int
    offers_answered: int
    offers_missed: int
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    occupancy: float | None
    handling_s: float | None
    transfer_rate: float | None
    offers_missed_rate: float | None


class NumberFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A called number in an interval."""

    called_number: str
    starts_at: datetime
    ends_at: datetime
    calls: int
    calls_answered: int
    calls_queued: int
    calls_talked: int
    calls_abandoned: int
    duration_s: float
    visits_offered: int
    visits_answered: int
    in_level: int
    abandoned: int
    short_abandoned: int
    answered_wait_s: float
    talks: int
    talk_s: float
    hold_s: float
    wrap_up_s: float
    transferred: int
    service_level: float | None
    abandonment: float | None
    speed_of_answer_s: float | None
    handling_s: float | None
    transfer_rate: float | None


def history_of(rows: Iterable[QueueFigures]) -> list[Interval]:
    """Return a queue's figures as the history that `controller.acd.staffing` learns from."""
    return [
        Interval(
            start=row.starts_at,
            seconds=(row.ends_at - row.starts_at).total_seconds(),
            offered=row.offered,
            answered=row.answered,
            handling_s=row.talk_s + row.hold_s + row.wrap_up_s,
            abandoned=row.abandoned,
            waited_s=row.answered_wait_s + row.abandoned_wait_s,
        )
        for row in rows
        if row.ends_at > row.starts_at
    ]
