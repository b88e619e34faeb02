"""What the end of a dial, or the record of a call, comes to as an outcome."""

from __future__ import annotations

from typing import Final

from controller.callback.model import Outcome
from controller.calls.callback.flights import Flight
from controller.calls.callback.means import Past
from controller.calls.outbound.ports import DialEnded

_CAUSES: Final = {
    1: Outcome.UNREACHABLE,  # unallocated
    2: Outcome.UNREACHABLE,
    3: Outcome.UNREACHABLE,
    16: Outcome.NO_ANSWER,
    17: Outcome.BUSY,
    18: Outcome.UNREACHABLE,  # switched off
    19: Outcome.NO_ANSWER,
    20: Outcome.UNREACHABLE,
    21: Outcome.REFUSED,
    22: Outcome.UNREACHABLE,
    27: Outcome.UNREACHABLE,
    28: Outcome.UNREACHABLE,
}
_STATUSES: Final = {
    "BUSY": Outcome.BUSY,
    "NOANSWER": Outcome.NO_ANSWER,
    "NO ANSWER": Outcome.NO_ANSWER,
    "CANCEL": Outcome.NO_ANSWER,
    "CONGESTION": Outcome.FAILED,
    "CHANUNAVAIL": Outcome.FAILED,
    "FAILED": Outcome.FAILED,
}


def dial_outcome(news: DialEnded) -> Outcome:
    """Return the outcome of a dial that nobody answered, by the carrier's cause, else by Asterisk's word for it."""
    if news.already:
        return Outcome.LOST
    if news.cause in _CAUSES and (news.cause != 16 or news.status in ("", "CANCEL", "NOANSWER")):  # noqa: PLR2004 - normal clearing says little
        return _CAUSES[news.cause]
    return _STATUSES.get(news.status, Outcome.FAILED)


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
    if past.cause in _CAUSES and past.cause != 16:  # noqa: PLR2004 - normal clearing says little
        return _CAUSES[past.cause]
    return _STATUSES.get(past.status)
