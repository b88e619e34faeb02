"""A run's visits to the queues: where the numbers of what they make go on, and how long a place is kept.

A place is the time a caller entered a queue first. A caller who leaves it without having talked (to hear an offer, to
answer a menu after a long wait) and comes back to the same queue within `KEPT_S` has the same place; the longest wait
counts from the return.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from controller.flow.commands import Enqueue, QueueExit, QueueLeft, VisitProgress
from controller.flow.release import Release
from controller.flow.runstate import Place, State

KEPT_S = 120.0
NEW = "new"
"""The phase of a visit that has not begun."""
LONGEST_WAIT_S = 14_400.0
"""In all queues of one call together: a flow that leads from one wait to the next must end too."""
_GIVEN_UP = frozenset({QueueExit.TALKED, QueueExit.FULL, QueueExit.CLOSED})
Offer = tuple[str, float]
"""The key of an offer, and after how many seconds of waiting it is made."""


def enqueue(
    release: Release,
    state: State,
    at: datetime,
    queue: str,
    *,
    priority: int = 0,
    needs: Mapping[str, int] | None = None,
    wait_s: float | None = None,
    callback: Offer | None = None,
    message: Offer | None = None,
    no_agents: bool = False,
) -> Enqueue:
    """Return the command for the next visit of a call, to `queue`; `wait_s` is at most the queue's own."""
    longest_s = release.queues[queue].rules.wait_s
    place = kept(state, queue, at) or Place(at, at)
    entered_at = place.entered_at
    state.visits += 1
    callback_key, callback_after_s = callback or ("", 0.0)
    message_key, message_after_s = message or ("", 0.0)
    return Enqueue(
        queue=queue,
        number=state.visits,
        entered_at=entered_at,
        language=state.language,
        priority=max(priority, place.priority),
        needs={**place.needs, **(needs or {})},
        wait_s=(at - entered_at).total_seconds() + min(longest_s, wait_s or longest_s),
        callback_key=callback_key,
        callback_after_s=callback_after_s,
        message_key=message_key,
        message_after_s=message_after_s,
        no_agents=no_agents,
        progress=_renewed(state.visit, queue, state.visits),
    )


def kept(state: State, queue: str, at: datetime) -> Place | None:
    """Return the place in `queue` that a call left a short time ago, and has again if it comes back by now."""
    place = state.places.get(queue)
    return place if place is not None and (at - place.left_at).total_seconds() <= KEPT_S else None


def left(state: State, command: Enqueue, event: QueueLeft, at: datetime) -> None:
    """Take over from a visit that is over what the call goes on with: numbers used, time spent, the place kept."""
    if command.progress is not None:
        state.visit = command.progress
        state.visits = max(state.visits, command.progress.visit)
    state.waited_s += event.waited_s
    state.talked_s += event.talk_s
    state.talked = state.talked or event.exit is QueueExit.TALKED or event.talk_s > 0
    state.places.pop(command.queue, None)
    if event.exit not in _GIVEN_UP:
        state.places[command.queue] = Place(command.entered_at, at)


def _renewed(last: VisitProgress | None, queue: str, visit: int) -> VisitProgress | None:
    """Return what the next visit goes on from: the numbers of the last one, and none of its legs."""
    if last is None:
        return None
    return msgspec.structs.replace(last, queue=queue, visit=visit, phase=NEW, agent="", legs=(), connected_at=None)
