from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest

from controller.callback.model import FINAL, AttemptState, RequestState
from controller.callback.transitions import may_follow
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import NOW, claimed, request


@pytest.fixture
def callbacks(store: PostgresStore) -> PostgresCallbacks:
    return PostgresCallbacks(store)


def paths(state: RequestState) -> Sequence[str]:
    """Statements that bring a request that waits to `state`."""
    dialling = "update callback_requests set state = 'dialling', fence = fence + 1"
    talked = ", outcome = 'talked'" if state is RequestState.DONE else ""
    over = "now()" if state in FINAL else "null"
    last = f"update callback_requests set state = '{state}', ended_at = {over}{talked}"
    return [dialling] if state is RequestState.DIALLING else [dialling, last]


@pytest.mark.parametrize("was", list(RequestState))
async def test_the_database_allows_just_the_transitions_of_the_table(
    callbacks: PostgresCallbacks, store: PostgresStore, was: RequestState
):
    await callbacks.add(request())
    pool = await store.pool()
    for each in paths(was):
        await pool.execute(each)
    for becomes in RequestState:
        fence = int(becomes is RequestState.DIALLING and was is RequestState.WAITING)
        talked = "talked" if RequestState.DONE in {was, becomes} else "lost"
        connection = await pool.acquire()
        trial = connection.transaction()
        await trial.start()
        try:
            await connection.execute(
                "update callback_requests set state = $1, fence = fence + $2, outcome = $3, "
                "ended_at = case when $4 then now() end",
                becomes, fence, talked, becomes in FINAL,
            )  # fmt: skip
            refused = ""
        except asyncpg.IntegrityConstraintViolationError as error:
            refused = error.constraint_name or ""
        await trial.rollback()
        await pool.release(connection)
        assert refused == ("" if may_follow(was, becomes) else "callback_requests_go_forward"), becomes


FORBIDDEN = [
    ("update callback_requests set fence = fence + 1", "callback_requests_go_forward"),
    ("update callback_requests set fence = fence - 1", "callback_requests_go_forward"),
    ("update callback_requests set tries = 2", "callback_requests_counts_from_zero"),
    ("update callback_requests set ended_at = now()", "callback_requests_end_is_whole"),
    ("update callback_requests set erased_at = now()", "callback_requests_erased_when_over"),
    ("update callback_requests set number = ''", "callback_requests_number_is_e164"),
    ("update callback_requests set consent_text = 'x'", "callback_requests_consent_is_whole"),
    ("update callback_attempts set state = 'claimed'", "callback_attempts_go_forward"),
    ("update callback_attempts set ended_at = now()", "callback_attempts_end_is_whole"),
    ("update callback_attempts set cause = 128", "callback_attempts_cause_is_q850"),
    (
        """insert into callback_attempts select gen_random_uuid(), request_id, 2, token, number, caller_id, agent,
           node, claimed_at, 'claimed' from callback_attempts""",
        "callback_attempts_one_live",
    ),
    ("insert into callback_lease values (false, 'two', 1, now())", "callback_lease_is_one"),
    ("insert into callback_lease values (true, 'two', 1, now())", "callback_lease_pkey"),
]


@pytest.mark.parametrize(("statement", "constraint"), FORBIDDEN)
async def test_what_can_never_be_true_is_refused(
    callbacks: PostgresCallbacks, store: PostgresStore, statement: str, constraint: str
):
    one = await claimed(callbacks)
    await callbacks.progress(one.attempt_id, AttemptState.RINGING, NOW)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await (await store.pool()).execute(statement)
    assert caught.value.constraint_name == constraint
