"""What the end of an attempt, as it was followed or as the record tells it, comes to as an outcome."""

from __future__ import annotations

from controller.callback.model import Outcome
from controller.callback.outcomes import outcome_of
from controller.calls.callback.flights import Flight
from controller.calls.callback.means import Past


def call_outcome(flight: Flight) -> Outcome:
    """Return the outcome of an answered attempt whose call is over."""
    if flight.talked:
        return Outcome.TALKED
    if flight.reply is not None:
        return flight.reply.outcome
    return Outcome.LEFT if flight.queued else Outcome.VOICEMAIL


def outcome_by_record(flight: Flight, past: Past) -> Outcome | None:
    """Return the outcome of an attempt whose end nobody has seen; None when the record does not tell it (yet)."""
    flight.talked |= past.talked
    flight.queued |= past.queued
    if flight.talked:
        return Outcome.TALKED
    if flight.reply is not None:
        return flight.reply.outcome
    if past.began:
        return call_outcome(flight) if past.ended else None
    if past.status == "ANSWERED":
        return Outcome.VOICEMAIL
    return outcome_of(0, past.status) if past.status else None
