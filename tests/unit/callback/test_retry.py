from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.acd.model import AgentId
from controller.callback.model import (
    FINAL,
    Attempt,
    AttemptId,
    CallbackPlan,
    NextStep,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Source,
    When,
)
from controller.callback.retry import DEFAULT_DELAYS, HELD_BACK, next_step
from controller.outbound.model import Number, Purpose, Verdict
from tests.unit.callback.plain import plain_wait

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLAN = CallbackPlan(flow="called_back")
REQUEST = Request(
    request_id=RequestId("1" * 32),
    queue="sales",
    number=Number("+33199000001"),
    when=When.ASAP,
    source=Source.WEB,
    purpose=Purpose.REQUESTED,
    language="fr",
    zone="Europe/Paris",
    created_at=NOW,
    entered_at=NOW,
    due_at=NOW,
    expires_at=NOW + timedelta(days=1),
    state=RequestState.DIALLING,
)
RETRIED = sorted(set(Outcome) - {Outcome.RESCHEDULED})


def after(*before: Outcome | None) -> list[Attempt]:
    """Attempts that ended so, oldest first; None: one that is not over."""
    return [
        Attempt(
            attempt_id=AttemptId(f"{number:032x}"),
            request_id=REQUEST.request_id,
            fence=number + 1,
            number=REQUEST.number,
            caller_id="",
            agent=AgentId("claire.d"),
            node="one",
            claimed_at=NOW,
            outcome=outcome,
        )
        for number, outcome in enumerate(before)
    ]


def plan(**more: object) -> CallbackPlan:
    return msgspec.structs.replace(PLAN, **more)


def step(outcome: Outcome, *before: Outcome, of: CallbackPlan = PLAN, **more: object) -> NextStep:
    return next_step(of, REQUEST, outcome, NOW, after(*before), **more)


def waits(outcome: Outcome, times: int, of: CallbackPlan = PLAN) -> list[float | str]:
    """What follows the first, second … time of the same outcome: seconds, or the final state."""
    found: list[float | str] = []
    for number in range(times):
        told = step(outcome, *[outcome] * number, of=of)
        found.append(str(told.state) if told.due_at is None else (told.due_at - NOW).total_seconds())
    return found


def test_every_outcome_has_its_delays_or_its_end():
    over = {Outcome.TALKED, Outcome.CANCELLED, Outcome.DECLINED, Outcome.RESCHEDULED}
    assert set(DEFAULT_DELAYS) == set(Outcome) - over


def test_a_busy_line_is_tried_again_quickly_and_not_for_ever():
    assert waits(Outcome.BUSY, 10) == [20, 30, 60, 60, 120, 180, 300, 600, 600, "failed"]
    assert waits(Outcome.BUSY, 3, plan(busy_tries=2)) == [20, "failed", "failed"]


def test_other_outcomes_use_up_the_tries_together():
    assert waits(Outcome.NO_ANSWER, 3) == [900, 3600, "failed"]
    assert step(Outcome.VOICEMAIL, Outcome.NO_ANSWER, Outcome.LOST).state is RequestState.FAILED
    assert step(Outcome.VOICEMAIL, Outcome.NO_ANSWER, Outcome.BUSY).state is RequestState.SCHEDULED
    assert step(Outcome.BUSY, Outcome.NO_ANSWER, Outcome.NO_ANSWER).state is RequestState.SCHEDULED


def test_the_customer_who_accepted_and_lost_patience_is_called_soon_and_keeps_the_place():
    told = step(Outcome.LEFT)
    assert (told.state, told.due_at, told.entered_at) == (
        RequestState.SCHEDULED,
        NOW + timedelta(seconds=30),
        None,
    )


def test_without_an_agent_it_goes_back_to_the_line_at_once_and_uses_up_nothing():
    told = step(Outcome.NO_AGENT, *[Outcome.NO_AGENT] * 50)
    assert (told.state, told.due_at, told.entered_at) == (RequestState.WAITING, NOW, None)
    assert step(Outcome.NO_ANSWER, *[Outcome.NO_AGENT] * 50).state is RequestState.SCHEDULED


@pytest.mark.parametrize("outcome", [Outcome.TALKED, Outcome.CANCELLED, Outcome.DECLINED])
@pytest.mark.parametrize("tries", [1, 99])
def test_never_again_after_a_talk_or_a_no(outcome: Outcome, tries: int):
    told = step(outcome, of=plan(tries=tries, delays={outcome: (1.0,)}))
    assert (told.state in FINAL, told.due_at) == (True, None)


def test_another_time_is_a_new_place_a_new_promise_and_new_tries():
    chosen = NOW + timedelta(days=3)
    told = step(Outcome.RESCHEDULED, Outcome.NO_ANSWER, chosen_at=chosen)
    assert told.state is RequestState.SCHEDULED
    assert (told.due_at, told.entered_at, told.expires_at) == (chosen, chosen, chosen + timedelta(days=1))
    worn = (Outcome.NO_ANSWER, Outcome.NO_ANSWER, Outcome.RESCHEDULED)
    assert step(Outcome.NO_ANSWER, *worn).state is RequestState.SCHEDULED
    assert step(Outcome.NO_ANSWER, *worn, Outcome.LOST, Outcome.LOST).state is RequestState.FAILED
    with pytest.raises(ValueError, match="chosen_at"):
        step(Outcome.RESCHEDULED)


def blocked(code: str, not_before: datetime | None = None) -> NextStep:
    verdict = Verdict(allowed=False, code=code, message=f"not allowed: {code}", not_before=not_before)
    return step(Outcome.BLOCKED, *[Outcome.BLOCKED] * 20, verdict=verdict)


def test_what_the_dialplan_held_back_is_soon_tried_again_and_less_and_less_often():
    verdict = Verdict(allowed=False, code=HELD_BACK, message="full")
    for row, delay_s in enumerate((5, 15, 60, 300, 300)):
        told = step(Outcome.BLOCKED, Outcome.BUSY, *[Outcome.BLOCKED] * row, verdict=verdict)
        assert told.due_at == NOW + timedelta(seconds=delay_s), row
        assert told.reason == "full"
    assert step(Outcome.BLOCKED, Outcome.BLOCKED, Outcome.BUSY, verdict=verdict).due_at == NOW + timedelta(seconds=5)


def test_what_the_gate_allows_later_is_tried_then_and_what_it_never_allows_is_refused():
    told = blocked("window", NOW + timedelta(hours=5))
    assert (told.state, told.due_at) == (RequestState.SCHEDULED, NOW + timedelta(hours=5))
    assert told.reason == "not allowed: window"
    assert blocked("kind").state is RequestState.REFUSED
    assert blocked("opted_out").state is RequestState.REFUSED
    assert blocked("cost").due_at == NOW + timedelta(hours=1)
    assert blocked("caller_id").due_at == NOW + timedelta(hours=1)  # the centre's fault, which is corrected
    assert blocked("unavailable").due_at == NOW + timedelta(seconds=5)
    assert blocked("window", NOW - timedelta(hours=5)).due_at == NOW + timedelta(seconds=1)
    assert blocked("window", NOW + timedelta(days=2)).state is RequestState.EXPIRED


def test_a_try_that_would_come_too_late_is_not_promised():
    late = msgspec.structs.replace(REQUEST, expires_at=NOW + timedelta(seconds=900))
    told = next_step(PLAN, late, Outcome.NO_ANSWER, NOW, [])
    assert (told.state, told.due_at) == (RequestState.EXPIRED, None)
    assert told.reason == "nobody answered, and the next try would come too late"
    assert next_step(PLAN, late, Outcome.BUSY, NOW, []).state is RequestState.SCHEDULED


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.RESCHEDULED}))
def test_an_agent_who_dials_dials_once(outcome: Outcome):
    dialled = msgspec.structs.replace(REQUEST, source=Source.AGENT, when=When.NOW)
    assert next_step(PLAN, dialled, outcome, NOW, []).state in FINAL
    promised = msgspec.structs.replace(dialled, when=When.SLOT)
    assert next_step(PLAN, promised, Outcome.NO_ANSWER, NOW, []).state is RequestState.SCHEDULED


delays = st.lists(st.floats(1, 5000), max_size=4).map(tuple)
plans = st.builds(
    CallbackPlan,
    flow=st.just("called_back"),
    tries=st.integers(1, 5),
    busy_tries=st.integers(1, 5),
    delays=st.dictionaries(st.sampled_from(sorted(DEFAULT_DELAYS)), delays, max_size=4),
)


@given(plans, st.lists(st.sampled_from(sorted(Outcome)), max_size=12), st.sampled_from(RETRIED))
def test_as_the_plain_rule_says(of: CallbackPlan, before: list[Outcome], outcome: Outcome):
    told = next_step(of, REQUEST, outcome, NOW, after(*before, None))
    expected = plain_wait(of, before, outcome)
    if isinstance(expected, str):
        assert (told.state, told.due_at) == (expected, None)
    else:
        assert told.due_at == NOW + timedelta(seconds=expected)
        assert told.state == ("waiting" if expected == 0 else "scheduled")
        assert (told.entered_at, told.expires_at) == (None, None)


@given(plans, st.data())
def test_it_ends_whatever_happens(of: CallbackPlan, data: st.DataObject):
    now, before, dialled = NOW, [], 0
    request = REQUEST
    for _ in range(2000):
        outcome = data.draw(st.sampled_from(sorted(set(RETRIED) - {Outcome.NO_AGENT, Outcome.TALKED})))
        dialled += outcome is not Outcome.BLOCKED
        told = next_step(of, request, outcome, now, after(*before))
        before.append(outcome)
        if told.due_at is None:
            break
        assert now < told.due_at < request.expires_at
        now = told.due_at
    assert told.state in FINAL
    assert dialled <= of.tries + of.busy_tries
