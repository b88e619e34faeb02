from __future__ import annotations

import pytest

from controller.callback.model import FINAL, AttemptState, RequestState
from controller.callback.transitions import TRANSITIONS, Cause, further, may_follow


def test_a_final_state_is_the_end():
    assert [state for state, _ in TRANSITIONS if state in FINAL] == []
    for final in FINAL:
        assert [state for state in RequestState if may_follow(final, state)] == [final]


def test_every_state_is_reached_and_every_other_one_is_left():
    reached = set().union(*TRANSITIONS.values()) | {RequestState.SCHEDULED, RequestState.WAITING}
    assert reached == set(RequestState)
    assert {state for state, _ in TRANSITIONS} == set(RequestState) - FINAL


def test_only_a_claim_leads_to_dialling_and_only_the_end_of_the_attempt_leads_out_of_it():
    into = [(state, cause) for (state, cause), targets in TRANSITIONS.items() if RequestState.DIALLING in targets]
    assert into == [(RequestState.WAITING, Cause.CLAIMED)]
    assert [cause for state, cause in TRANSITIONS if state is RequestState.DIALLING] == [Cause.ENDED]
    assert [key for key, targets in TRANSITIONS.items() if {RequestState.DONE, RequestState.FAILED} & targets] == [
        (RequestState.DIALLING, Cause.ENDED)
    ]


@pytest.mark.parametrize("was", list(AttemptState))
@pytest.mark.parametrize("told", list(AttemptState))
def test_an_attempt_never_goes_back(was: AttemptState, told: AttemptState):
    order = ["claimed", "dialled", "ringing", "answered", "connected", "ended"]
    assert further(was, told) == order[max(order.index(was), order.index(told))]
