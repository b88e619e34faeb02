"""What the end of a dial comes to, for every cause and status that Asterisk gives."""

from __future__ import annotations

import pytest

from controller.callback.model import NOT_DIALLED, Outcome
from controller.callback.outcomes import CAUSES, OF_THE_GATE, outcome_of


@pytest.mark.parametrize(
    ("cause", "status", "outcome"),
    [
        (17, "BUSY", Outcome.BUSY),  # 486, 600
        (19, "NOANSWER", Outcome.NO_ANSWER),  # 480, and our own ring time
        (18, "CHANUNAVAIL", Outcome.UNREACHABLE),  # 408
        (1, "CHANUNAVAIL", Outcome.UNREACHABLE),  # 404
        (22, "CHANUNAVAIL", Outcome.UNREACHABLE),  # 410
        (20, "CHANUNAVAIL", Outcome.UNREACHABLE),  # nobody is registered there
        (21, "CHANUNAVAIL", Outcome.REFUSED),  # 403, 603
        (38, "CHANUNAVAIL", Outcome.FAILED),  # 500
        (34, "CONGESTION", Outcome.FAILED),  # 503
        (58, "CHANUNAVAIL", Outcome.FAILED),  # 488
        (127, "CHANUNAVAIL", Outcome.FAILED),
        (16, "", Outcome.NO_ANSWER),
        (16, "CANCEL", Outcome.NO_ANSWER),
        (16, "BUSY", Outcome.BUSY),
        (0, "BUSY", Outcome.BUSY),
        (0, "NO ANSWER", Outcome.NO_ANSWER),  # Asterisk's records write it so
        (0, "CHANUNAVAIL", Outcome.FAILED),
        (0, "", Outcome.LOST),
    ],
)
def test_outcomes(cause: int, status: str, outcome: Outcome) -> None:
    assert outcome_of(cause, status) is outcome


@pytest.mark.parametrize("status", sorted(OF_THE_GATE))
def test_what_the_gate_stopped_costs_no_try_whatever_its_cause(status: str) -> None:
    outcome = outcome_of(38, status, overrides={38: Outcome.UNREACHABLE})
    assert outcome is Outcome.BLOCKED
    assert outcome in NOT_DIALLED


def test_an_attempt_that_had_been_dialled_before_is_lost() -> None:
    assert outcome_of(38, "", already=True) is Outcome.LOST


def test_a_trunk_may_mean_something_else() -> None:
    meant = {19: Outcome.UNREACHABLE, 38: Outcome.BUSY}
    assert outcome_of(19, "NOANSWER", overrides=meant) is Outcome.UNREACHABLE
    assert outcome_of(38, "CHANUNAVAIL", overrides=meant) is Outcome.BUSY
    assert outcome_of(17, "BUSY", overrides=meant) is Outcome.BUSY


def test_no_cause_says_that_somebody_was_reached() -> None:
    assert set(CAUSES.values()) <= {Outcome.BUSY, Outcome.NO_ANSWER, Outcome.UNREACHABLE, Outcome.REFUSED}
