"""The record of calls and the figures over the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec

from controller.acd.staffing import Staffing, staffing
from controller.callback.figures import CallbackConversion, CallbackFigures
from controller.cdr.entries import Disposition, Party, StepTaken
from controller.cdr.figures import AgentFigures, NumberFigures, QueueFigures, history_of
from controller.cdr.fold import LegSummary
from controller.cdr.visits import DispositionSummary, EventSummary, OfferSummary, TalkSummary, VisitSummary
from controller.web.api.access import Scope
from controller.web.api.problems import CONFLICT, NOT_FOUND, UNPROCESSABLE, Problem
from controller.web.api.recordings import RecordingView
from controller.web.api.routes import ApiRequest, Nothing, Route, missing

_CALLBACKS = "Counted where they were asked for. Columns and formulas: docs/callbacks.md."


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
    visitor: dict[str, Any] | None = None
    """Of a call from a web page: its site, where the visitor came from, what they said of themselves."""


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

    since: Annotated[
        datetime, msgspec.Meta(tz=True, description="the first moment, such as 2026-11-24T00:00:00+01:00")
    ]
    until: Annotated[datetime, msgspec.Meta(tz=True, description="the moment after the last")]
    interval: Annotated[Literal["15m", "30m", "60m", "day"], msgspec.Meta(description="length of an interval")] = (
        "day"
    )
    zone: Annotated[str, msgspec.Meta(max_length=60, description="IANA zone whose days and hours count")] = "UTC"
    only: Annotated[str, msgspec.Meta(max_length=60, description="of this queue, agent or number alone")] = ""


class ConversionQuery(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}
):
    """A span of time, whole."""

    since: Annotated[datetime, msgspec.Meta(tz=True, description="the first moment")]
    until: Annotated[datetime, msgspec.Meta(tz=True, description="the moment after the last")]
    only: Annotated[str, msgspec.Meta(max_length=60, description="of this queue alone")] = ""


class StaffingQuery(FiguresQuery, frozen=True, forbid_unknown_fields=True):
    """What is to be reached, on top of the history to learn from (`only` names the queue)."""

    level: Annotated[float, msgspec.Meta(ge=0, lt=1, description="service level to reach, 0 to 1")] = 0.8
    within_s: Annotated[float, msgspec.Meta(ge=0, le=3600, description="answered within so many seconds")] = 20.0
    growth: Annotated[float, msgspec.Meta(ge=0.1, le=10, description="times as many calls")] = 1.0
    occupancy: Annotated[float, msgspec.Meta(gt=0, le=1, description="nobody busier than that, 0 to 1")] = 0.9


class RecordBook(Protocol):
    """The record in Postgres; methods raise `StoreError` while it is away."""

    async def calls(self, limit: int) -> Sequence[CallLine]:
        """Return the newest calls, newest first."""

    async def call(self, call_id: str) -> CallDetail | None:
        """Return everything of one."""

    async def queue_figures(self, asked: FiguresQuery) -> Sequence[QueueFigures]:
        """Return the rows; `StoreConflict` for a zone or a span that cannot be."""

    async def agent_figures(self, asked: FiguresQuery) -> Sequence[AgentFigures]:
        """Return the rows."""

    async def number_figures(self, asked: FiguresQuery) -> Sequence[NumberFigures]:
        """Return the rows."""

    async def callback_figures(self, asked: FiguresQuery) -> Sequence[CallbackFigures]:
        """Return the rows."""

    async def callback_conversion(self, asked: ConversionQuery) -> Sequence[CallbackConversion]:
        """Return the rows."""


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
                query=FiguresQuery, answer=list[QueueFigures], note=note, problems=(CONFLICT,),
            ),
            Route(
                "GET", "/figures/agents", "agentFigures", "Figures of the agents by interval", figures, self.agents,
                query=FiguresQuery, answer=list[AgentFigures], note=note, problems=(CONFLICT,),
            ),
            Route(
                "GET", "/figures/numbers", "numberFigures", "Figures of the called numbers by interval", figures,
                self.numbers, query=FiguresQuery, answer=list[NumberFigures], note=note, problems=(CONFLICT,),
            ),
            Route(
                "GET", "/figures/callbacks", "callbackFigures", "Figures of call-backs by interval", figures,
                self.callbacks, query=FiguresQuery, answer=list[CallbackFigures], note=_CALLBACKS,
                problems=(CONFLICT,),
            ),
            Route(
                "GET", "/figures/callbacks/conversion", "callbackConversion",
                "What became of call-backs by where they came from", figures, self.conversion,
                query=ConversionQuery, answer=list[CallbackConversion], note=_CALLBACKS, problems=(CONFLICT,),
            ),
            Route(
                "GET", "/figures/staffing", "staffing", "How many agents a queue would have needed", figures,
                self.staffing, query=StaffingQuery, answer=list[Staffing], problems=(CONFLICT,),
                note="By Erlang A, or C where nobody gave up; from the queue's own history (docs/figures.md).",
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

    async def queues(self, request: ApiRequest[FiguresQuery, None]) -> list[QueueFigures]:
        """By queue."""
        return list(await self._book.queue_figures(request.query))

    async def agents(self, request: ApiRequest[FiguresQuery, None]) -> list[AgentFigures]:
        """By agent."""
        return list(await self._book.agent_figures(request.query))

    async def numbers(self, request: ApiRequest[FiguresQuery, None]) -> list[NumberFigures]:
        """By called number."""
        return list(await self._book.number_figures(request.query))

    async def callbacks(self, request: ApiRequest[FiguresQuery, None]) -> list[CallbackFigures]:
        """Of call-backs."""
        return list(await self._book.callback_figures(request.query))

    async def conversion(self, request: ApiRequest[ConversionQuery, None]) -> list[CallbackConversion]:
        """Of call-backs by where they came from."""
        return list(await self._book.callback_conversion(request.query))

    async def staffing(self, request: ApiRequest[StaffingQuery, None]) -> list[Staffing]:
        """Agents needed, interval by interval."""
        asked = request.query
        if not asked.only or asked.interval == "day":
            detail = "staffing is for one queue, in intervals of an hour at most"
            raise Problem(UNPROCESSABLE, "invalid", detail, "give only=<queue> and interval=30m")
        rows = history_of(await self._book.queue_figures(asked))
        try:
            return staffing(
                rows, within_s=asked.within_s, target=asked.level, growth=asked.growth, occupancy_max=asked.occupancy
            )
        except ValueError as error:
            raise Problem(UNPROCESSABLE, "invalid", str(error)) from None
