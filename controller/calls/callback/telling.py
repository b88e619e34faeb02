"""Tells boards, webhooks and the API's stream what becomes of requests and attempts: entries of the record."""

from __future__ import annotations

from collections.abc import Callable

from controller.callback.model import Request
from controller.calls.callback.flights import Flight
from controller.cdr.entries import CallbackAttempted, CallbackChanged, DistributionEntry
from controller.ports import Clock


class Telling:
    """Makes the entries; `told` takes them (`Distributor.told`)."""

    def __init__(self, told: Callable[[DistributionEntry], None], clock: Clock) -> None:
        self._told = told
        self._clock = clock

    def request_changed(self, request: Request) -> None:
        """A request was taken, changed, or has come to its end."""
        self._told(
            CallbackChanged(
                request_id=request.request_id,
                at=self._clock.now(),
                queue=request.queue,
                state=request.state.value,
                source=request.source.value,
                agent=request.agent or "",
                outcome=request.outcome.value if request.outcome is not None else "",
                due_at=request.due_at,
                tries=request.tries,
                reason=request.reason,
            )
        )

    def flight_changed(self, flight: Flight) -> None:
        """An attempt has come further; its request, when the attempt is over."""
        attempt = flight.attempt
        self._told(
            CallbackAttempted(
                attempt_id=attempt.attempt_id,
                request_id=attempt.request_id,
                call_id=flight.call_id,
                at=self._clock.now(),
                queue=flight.request.queue,
                agent=attempt.agent,
                state=attempt.state.value,
                outcome=attempt.outcome.value if attempt.outcome is not None else "",
                cause=attempt.cause,
            )
        )
        if attempt.outcome is not None:
            self.request_changed(flight.request)
