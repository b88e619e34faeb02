"""What a Q.850 cause says about a dial that was never answered; one table for every driver."""

from __future__ import annotations

from controller.flow.commands import DialOutcome

_OUTCOMES = {
    1: DialOutcome.UNREACHABLE,  # unallocated number
    3: DialOutcome.UNREACHABLE,  # no route to destination
    16: DialOutcome.REFUSED,  # cleared before an answer: the callee's side declined
    17: DialOutcome.BUSY,
    18: DialOutcome.NO_ANSWER,  # no user responding
    19: DialOutcome.NO_ANSWER,  # alerting, no answer
    20: DialOutcome.UNREACHABLE,  # subscriber absent
    21: DialOutcome.REFUSED,
    22: DialOutcome.UNREACHABLE,  # number changed
    27: DialOutcome.UNREACHABLE,  # destination out of order
    28: DialOutcome.UNREACHABLE,  # invalid number format
}


def outcome_of(cause: int) -> DialOutcome:
    """Return how a dial that was never answered ended; an unlisted cause is a failure of the way there."""
    return _OUTCOMES.get(cause, DialOutcome.FAILED)
