from __future__ import annotations

from controller.callback.model import AttemptState, NextStep, Outcome, RequestState
from controller.calls.callback.store import CallbackStore
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import NOW, attempt, request


async def test_a_request_is_dialled_once_and_done(store: PostgresStore):
    callbacks: CallbackStore = PostgresCallbacks(store)
    asked = request()
    added = await callbacks.add(asked)
    assert (added.request, added.new) == (asked, True)
    assert await callbacks.due(NOW) == [asked]
    lease = await callbacks.lease("one", 5)
    assert lease is not None
    claimed = await callbacks.claim(attempt(asked), lease)
    assert claimed is not None
    assert (claimed.fence, claimed.number) == (1, asked.number)
    assert await callbacks.in_flight() == [claimed]
    await callbacks.progress(claimed.attempt_id, AttemptState.CONNECTED, NOW)
    done = await callbacks.end_attempt(claimed.attempt_id, Outcome.TALKED, 16, NOW, NextStep(state=RequestState.DONE))
    assert done is not None
    assert (done.state, done.tries, done.ended_at) == (RequestState.DONE, 1, NOW)
    assert await callbacks.in_flight() == []
    assert await callbacks.get(asked.request_id) == done
