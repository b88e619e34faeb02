"""When a customer is called again, and when no more: a policy of data, by queue (`CallbackPlan`) and outcome.

A telephone that was called counts as a try; busy lines are counted apart, because they are tried again quickly. What
was tried before the customer named another time does not count any more. Nobody is called again after a talk.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from controller.callback.model import (
    NOT_DIALLED,
    Attempt,
    CallbackPlan,
    NextStep,
    Outcome,
    Request,
    RequestState,
    Source,
    When,
)
from controller.outbound.model import Verdict

DEFAULT_DELAYS: Final[dict[Outcome, tuple[float, ...]]] = {
    Outcome.BUSY: (20.0, 30.0, 60.0, 60.0, 120.0, 180.0, 300.0, 600.0),
    Outcome.NO_ANSWER: (900.0, 3600.0, 14_400.0),
    Outcome.UNREACHABLE: (1800.0, 7200.0, 14_400.0),
    Outcome.VOICEMAIL: (3600.0, 14_400.0),
    Outcome.REFUSED: (1800.0, 14_400.0),
    Outcome.FAILED: (60.0, 300.0, 900.0),
    Outcome.LEFT: (30.0, 120.0, 600.0),
    Outcome.LOST: (300.0, 1800.0),
    Outcome.BLOCKED: (300.0, 900.0, 3600.0),
    Outcome.NO_AGENT: (0.0,),
}
"""Seconds to the next try: the n-th after the n-th time of the outcome, the last one ever after."""

HELD_BACK: Final = "held_back"
"""The code of a dial that the dialplan's gate let nothing come of (`controller.callback.outcomes`)."""
BUSY_APART_S: Final = (5.0, 5.0, 10.0, 20.0, 30.0)
"""Calls of a busy line are at least so far apart, though somebody says that it is free: by how often it was called.

A telephone that says busy while nobody talks on it would have all its tries gone in seconds.
"""
FOR_THE_MOMENT: Final = frozenset({HELD_BACK, "cost", "off", "caller_id", "unavailable", "window", "frequency"})
"""The gate's codes that may be over later, even when it does not say when: a fault of the configuration is corrected.

Any other is for ever.
"""
UNAVAILABLE_S: Final = 5.0
"""After `unavailable` (Postgres, or the right to dial, was away in that moment) it is soon asked again."""
HELD_BACK_S: Final = (5.0, 15.0, 60.0, 300.0)
"""After `held_back`, by how often in a row it was blocked."""

_SOONEST: Final = timedelta(seconds=1)
"""What the gate refused is not asked again sooner, whatever it says."""
_OVER: Final = {
    Outcome.TALKED: RequestState.DONE,
    Outcome.CANCELLED: RequestState.CANCELLED,
    Outcome.DECLINED: RequestState.CANCELLED,
}
_WORDS: Final = {
    Outcome.BUSY: "the line was busy",
    Outcome.NO_ANSWER: "nobody answered",
    Outcome.UNREACHABLE: "the number could not be reached",
    Outcome.VOICEMAIL: "a machine answered, or nobody who accepted the call",
    Outcome.REFUSED: "the call was rejected",
    Outcome.FAILED: "the call failed",
    Outcome.LEFT: "the customer hung up before an agent was there",
    Outcome.LOST: "nobody saw how the call ended",
    Outcome.BLOCKED: "the rules for outbound calls did not allow it",
    Outcome.NO_AGENT: "the agent did not take it",
    Outcome.CANCELLED: "cancelled",
    Outcome.DECLINED: "the customer does not want to be called any more",
}


def next_step(
    plan: CallbackPlan,
    request: Request,
    outcome: Outcome,
    now: datetime,
    attempts: Sequence[Attempt],
    *,
    verdict: Verdict | None = None,
    chosen_at: datetime | None = None,
) -> NextStep:
    """Return what becomes of `request` after an attempt ended at `now` with `outcome`.

    `attempts` are its earlier ones (those without an outcome do not count). `verdict`: what the gate said, with
    `BLOCKED`. `chosen_at`: the time that the customer named, with `RESCHEDULED`; `ValueError` without.
    """
    if outcome in _OVER:
        return NextStep(state=_OVER[outcome], reason=_WORDS.get(outcome, ""))
    if outcome is Outcome.RESCHEDULED:
        if chosen_at is None:
            raise ValueError("a customer who was called names another time: hand it in as chosen_at")
        return _at_another_time(plan, chosen_at)
    why = verdict.message if verdict is not None and verdict.message else _WORDS[outcome]
    if outcome is Outcome.BLOCKED and verdict is not None and _for_ever(verdict):
        return NextStep(state=RequestState.REFUSED, reason=why)
    if _is_last(plan, request, outcome, attempts):
        return NextStep(state=RequestState.FAILED, reason=why)
    due_at = _due_at(plan, outcome, now, attempts, verdict)
    if due_at >= request.expires_at:
        return NextStep(state=RequestState.EXPIRED, reason=f"{why}, and the next try would come too late")
    state = RequestState.WAITING if due_at <= now else RequestState.SCHEDULED
    return NextStep(state=state, due_at=due_at, reason=why)


def free_from(request: Request, busy_at: datetime) -> datetime:
    """Return when a line that was busy at `busy_at` may be called at the earliest, should it be free."""
    return busy_at + timedelta(seconds=BUSY_APART_S[min(max(request.tries, 1), len(BUSY_APART_S)) - 1])


def delays_after(plan: CallbackPlan, outcome: Outcome) -> tuple[float, ...]:
    """Return the seconds to the next tries after `outcome`; none: it is the last one."""
    return plan.delays.get(outcome, DEFAULT_DELAYS.get(outcome, ()))


def _at_another_time(plan: CallbackPlan, chosen_at: datetime) -> NextStep:
    return NextStep(
        state=RequestState.SCHEDULED,
        due_at=chosen_at,
        entered_at=chosen_at,
        expires_at=chosen_at + timedelta(seconds=plan.expires_s),
        reason="the customer named another time",
    )


def _for_ever(verdict: Verdict) -> bool:
    return verdict.not_before is None and verdict.code not in FOR_THE_MOMENT


def _due_at(
    plan: CallbackPlan, outcome: Outcome, now: datetime, attempts: Sequence[Attempt], verdict: Verdict | None
) -> datetime:
    if outcome is Outcome.BLOCKED and verdict is not None and verdict.not_before is not None:
        return max(verdict.not_before, now + _SOONEST)
    if outcome is Outcome.BLOCKED and verdict is not None and verdict.code == "unavailable":
        return now + timedelta(seconds=UNAVAILABLE_S)
    if outcome is Outcome.BLOCKED and verdict is not None and verdict.code == HELD_BACK:
        ended = [each.outcome for each in attempts if each.outcome is not None]
        row = len(list(takewhile(lambda each: each is Outcome.BLOCKED, reversed(ended))))
        return now + timedelta(seconds=HELD_BACK_S[min(row, len(HELD_BACK_S) - 1)])
    delays = delays_after(plan, outcome)
    times = sum(each.outcome is outcome for each in attempts)
    delay_s = delays[min(times, len(delays) - 1)]
    return now + timedelta(seconds=max(delay_s, BUSY_APART_S[0]) if outcome is Outcome.BUSY else delay_s)


def _is_last(plan: CallbackPlan, request: Request, outcome: Outcome, attempts: Sequence[Attempt]) -> bool:
    """Tell whether there is no try left after `outcome`."""
    if request.source is Source.AGENT and request.when is When.NOW:
        return True  # an agent who dials sees how it ended, and dials again or not
    if not delays_after(plan, outcome):
        return True
    if outcome in NOT_DIALLED:
        return False
    counted = [each.outcome for each in attempts if each.outcome is not None]
    if Outcome.RESCHEDULED in counted:
        counted = counted[len(counted) - counted[::-1].index(Outcome.RESCHEDULED) :]
    busy = counted.count(Outcome.BUSY)
    if outcome is Outcome.BUSY:
        return busy + 1 >= plan.busy_tries
    others = sum(each not in NOT_DIALLED for each in counted) - busy
    return others + 1 >= plan.tries
