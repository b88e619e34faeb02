"""Which state follows which, and why: the one table that the store, its constraints and the tests go by."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from controller.callback.model import FINAL, AttemptState, RequestState

_S = RequestState


class Cause(StrEnum):
    """What moves a request."""

    DUE = "due"  # its time has come
    CLAIMED = "claimed"  # an attempt is written down
    ENDED = "ended"  # the attempt is over: `controller.callback.retry` says what follows
    CHANGED = "changed"  # another time, by the customer or an agent
    CANCELLED = "cancelled"  # by the customer or an agent, while nobody is dialled
    EXPIRED = "expired"  # its time is over
    REFUSED = "refused"  # the rules will never allow it


TRANSITIONS: Final[dict[tuple[RequestState, Cause], frozenset[RequestState]]] = {
    (_S.SCHEDULED, Cause.DUE): frozenset({_S.WAITING}),
    (_S.SCHEDULED, Cause.CHANGED): frozenset({_S.SCHEDULED}),
    (_S.SCHEDULED, Cause.CANCELLED): frozenset({_S.CANCELLED}),
    (_S.SCHEDULED, Cause.EXPIRED): frozenset({_S.EXPIRED}),
    (_S.SCHEDULED, Cause.REFUSED): frozenset({_S.REFUSED}),
    (_S.WAITING, Cause.CLAIMED): frozenset({_S.DIALLING}),
    (_S.WAITING, Cause.CHANGED): frozenset({_S.WAITING, _S.SCHEDULED}),
    (_S.WAITING, Cause.CANCELLED): frozenset({_S.CANCELLED}),
    (_S.WAITING, Cause.EXPIRED): frozenset({_S.EXPIRED}),
    (_S.WAITING, Cause.REFUSED): frozenset({_S.REFUSED}),
    (_S.DIALLING, Cause.ENDED): frozenset({_S.SCHEDULED, _S.WAITING, *FINAL}),
}
"""Where a request may go from a state, by what moves it. What is not here does not happen: a final state is the end,
and a request that is being dialled is moved by the end of its attempt and by nothing else.
"""

ATTEMPT_ORDER: Final = tuple(AttemptState)
"""An attempt's states in the order in which they come; any may be left out, none comes again."""


def may_follow(was: RequestState, becomes: RequestState) -> bool:
    """Tell whether a request may go from one state to the other, for whatever cause; staying is allowed."""
    return was is becomes or any(becomes in targets for (state, _), targets in TRANSITIONS.items() if state is was)


def further(was: AttemptState, told: AttemptState) -> AttemptState:
    """Return how far an attempt has come that was at `was` and is said to be at `told`: news may come late."""
    return max(was, told, key=ATTEMPT_ORDER.index)
