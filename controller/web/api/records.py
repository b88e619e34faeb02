"""The record of calls and the figures over the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

import msgspec

from controller.cdr.entries import Disposition, Party, StepTaken
from controller.cdr.fold import LegSummary
from controller.cdr.visits import DispositionSummary, EventSummary, OfferSummary, TalkSummary, VisitSummary
from controller.flow.calendar import zones
from controller.web.api.access import Scope
from controller.web.api.problems import NOT_FOUND, UNPROCESSABLE, Problem
from controller.web.api.recordings import RecordingView
from controller.web.api.routes import ApiRequest, Nothing, Route, missing

MAX_INTERVALS = 2000
"""Rows a figures request may ask for, by queue, agent or number."""


class CallLine(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a list. The end's fields are null while it runs."""

    call_id: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    called_number: str
    caller_number: str
    caller_name: str
    flow: str
    language: str
    tariff_class: str
    disposition: Disposition | None
    ended_by: Party | None
    caller_cause: int | None
    callee_cause: int | None
    reason: str


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is recorded of one call."""

    call: CallLine
    legs: tuple[LegSummary, ...]
    steps: tuple[StepTaken, ...]
    visits: tuple[VisitSummary, ...]
    offers: tuple[OfferSummary, ...]
    talks: tuple[TalkSummary, ...]
    events: tuple[EventSummary, ...]
    dispositions: tuple[DispositionSummary, ...]
    recordings: tuple[RecordingView, ...]


class CallsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="the newest so many")] = 50


class FiguresQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """A span of time, cut into intervals by the clock of a zone."""

    since: Annotated[datetime, msgspec.Meta(tz=True, description="the first moment, such as 2026-11-24T00:00+01:00")]
    until: Annotated[datetime, msgspec.Meta(tz=True, description="the moment after the last")]
    interval: Annotated[Literal["15m", "30m", "1h", "1d"], msgspec.Meta(description="length of an interval")] = "1d"
    zone: Annotated[str, msgspec.Meta(description="IANA time zone whose days and hours count")] = "UTC"


Figures = list[dict[str, Any]]
_SPANS = {
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}


class RecordBook(Protocol):
    """The record in Postgres; methods raise `StoreError` while it is away."""

    async def calls(self, limit: int) -> Sequence[CallLine]:
        """Return the newest calls, newest first."""

    async def call(self, call_id: str) -> CallDetail | None:
        """Return everything of one."""

    async def figures(self, what: str, since: datetime, until: datetime, span: timedelta, zone: str) -> Figures:
        """Return the rows of `queue_figures`, `agent_figures` or `number_figures`."""


class RecordRoutes:
    """The handlers."""

    def __init__(self, book: RecordBook) -> None:
        self._book = book

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        calls, figures = Scope.CALLS_READ, Scope.FIGURES_READ
        note = "Columns and formulas: docs/figures.md."
        return (
            Route(
                "GET", "/calls", "listCalls", "The newest calls", calls, self.calls, query=CallsQuery,
                answer=list[CallLine],
            ),
            Route(
                "GET", "/calls/{call_id}", "getCall", "Everything recorded of a call", calls, self.call,
                answer=CallDetail, problems=(NOT_FOUND,),
            ),
            Route(
                "GET", "/figures/queues", "queueFigures", "Figures of the queues by interval", figures, self.queues,
                query=FiguresQuery, answer=Figures, note=note,
            ),
            Route(
                "GET", "/figures/agents", "agentFigures", "Figures of the agents by interval", figures, self.agents,
                query=FiguresQuery, answer=Figures, note=note,
            ),
            Route(
                "GET", "/figures/numbers", "numberFigures", "Figures of the called numbers by interval", figures,
                self.numbers, query=FiguresQuery, answer=Figures, note=note,
            ),
        )  # fmt: skip

    async def calls(self, request: ApiRequest[CallsQuery, None]) -> list[CallLine]:
        """The newest."""
        return list(await self._book.calls(request.query.limit))

    async def call(self, request: ApiRequest[Nothing, None]) -> CallDetail:
        """One call."""
        found = await self._book.call(request.path["call_id"])
        if found is None:
            raise missing("call", request.path["call_id"])
        return found

    async def queues(self, request: ApiRequest[FiguresQuery, None]) -> Figures:
        """By queue."""
        return await self._figures("queue", request.query)

    async def agents(self, request: ApiRequest[FiguresQuery, None]) -> Figures:
        """By agent."""
        return await self._figures("agent", request.query)

    async def numbers(self, request: ApiRequest[FiguresQuery, None]) -> Figures:
        """By called number."""
        return await self._figures("number", request.query)

    async def _figures(self, what: str, asked: FiguresQuery) -> Figures:
        span = _SPANS[asked.interval]
        if asked.until <= asked.since:
            raise Problem(UNPROCESSABLE, "invalid", "'to' is not after 'from'", "give a span of time")
        if (asked.until - asked.since) / span > MAX_INTERVALS:
            advice = f"ask for at most {MAX_INTERVALS} intervals at once"
            raise Problem(
                UNPROCESSABLE, "too_many_intervals", f"these are more than {MAX_INTERVALS} intervals", advice
            )
        if asked.zone not in zones():
            raise Problem(
                UNPROCESSABLE, "invalid", f"there is no time zone '{asked.zone[:40]}'", "such as Europe/Paris"
            )
        return await self._book.figures(what, asked.since, asked.until, span, asked.zone)
