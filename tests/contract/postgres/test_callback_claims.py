from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import asyncpg
import pytest

from controller.callback.model import AttemptState, RequestState
from controller.calls.callback.store import CallbackStore, Lease
from controller.calls.clock import SystemClock
from controller.postgres.callbacks import MOST_LEASE_S, PostgresCallbacks
from controller.postgres.statements import statement
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import DAY, NOW, attempt, held, request
from tests.rig.callbackstore import MemoryCallbacks, Tables


@pytest.fixture(params=["postgres", "memory"])
def process(request: pytest.FixtureRequest) -> Callable[[], CallbackStore]:
    """Gives what one more controller has of the call-backs: of the real ones, and of those of simulations."""
    if request.param == "memory":
        tables = Tables(SystemClock())
        return lambda: MemoryCallbacks(tables)
    store: PostgresStore = request.getfixturevalue("store")
    return lambda: PostgresCallbacks(store)


@pytest.fixture
def callbacks(process: Callable[[], CallbackStore]) -> CallbackStore:
    return process()


@pytest.fixture
def postgres(store: PostgresStore) -> PostgresCallbacks:
    return PostgresCallbacks(store)


async def test_one_of_many_claims_wins(callbacks: CallbackStore):
    asked = [request() for _ in range(10)]
    for each in asked:
        await callbacks.add(each)
    lease = await held(callbacks)
    claims = [attempt(each) for each in asked for _ in range(12)]
    random.Random(4).shuffle(claims)
    won = [each for each in await asyncio.gather(*(callbacks.claim(one, lease) for one in claims)) if each]
    assert sorted(each.request_id for each in won) == sorted(each.request_id for each in asked)
    assert {each.fence for each in won} == {1}
    assert {each.attempt_id for each in await callbacks.in_flight()} == {each.attempt_id for each in won}


async def test_a_claim_needs_one_who_waits(callbacks: CallbackStore):
    lease = await held(callbacks)
    scheduled = request(state=RequestState.SCHEDULED, due_at=NOW + DAY)
    over = request(expires_at=NOW)
    for each in (scheduled, over):
        await callbacks.add(each)
        assert await callbacks.claim(attempt(each), lease) is None
    assert await callbacks.claim(attempt(request()), lease) is None
    assert await callbacks.in_flight() == []


async def test_a_claim_whose_fate_was_unknown_is_sent_again(callbacks: CallbackStore):
    asked = request()
    await callbacks.add(asked)
    lease = await held(callbacks)
    one = attempt(asked)
    assert await callbacks.claim(one, lease) == await callbacks.claim(one, lease)
    await callbacks.progress(one.attempt_id, AttemptState.DIALLED, NOW)
    assert await callbacks.claim(one, lease) is None
    assert len(await callbacks.attempts(asked.request_id)) == 1


async def test_the_right_to_dial_is_one_and_its_token_grows(
    callbacks: CallbackStore, process: Callable[[], CallbackStore]
):
    other = process()
    first = await held(callbacks)
    assert await other.lease("two", 30) is None
    again = await held(callbacks)
    assert again.token == first.token
    assert again.until >= first.until
    await callbacks.release_lease(again)
    taken = await held(other, "two")
    assert taken.token == first.token + 1
    assert await callbacks.lease("one", 30) is None
    await callbacks.release_lease(first)  # not theirs any more
    assert (await held(other, "two")).token == taken.token
    with pytest.raises(ValueError, match="a right to dial lasts"):
        await callbacks.lease("one", 0.5)
    with pytest.raises(ValueError, match="to 120 s"):
        await callbacks.lease("one", 121)


async def test_a_process_that_comes_back_waits_for_its_own_right_to_be_over(
    callbacks: CallbackStore, process: Callable[[], CallbackStore]
):
    first = await held(callbacks, ttl_s=1.0)
    restarted = process()
    assert await restarted.lease("one", 1.0) is None
    async with asyncio.timeout(10):
        while (second := await restarted.lease("one", 1.0)) is None:
            await asyncio.sleep(0.05)
    assert second.token == first.token + 1


async def test_whose_forerunner_has_ended_has_the_right_at_once_and_the_dead_one_has_none(
    callbacks: CallbackStore, process: Callable[[], CallbackStore]
):
    asked = request()
    await callbacks.add(asked)
    first = await held(callbacks)
    successor = process()
    assert await successor.lease("one", 30, forerunner=first.token + 1) is None
    second = await successor.lease("one", 30, forerunner=first.token)
    assert second is not None
    assert second.token == first.token + 1
    assert await callbacks.claim(attempt(asked), first) is None  # still on its way when the process was killed
    assert await successor.claim(attempt(asked), second) is not None
    assert await process().lease("two", 30, forerunner=first.token) is None


async def test_after_the_databases_clock_was_set_back_a_dead_ones_right_ends_all_the_same(
    postgres: PostgresCallbacks, store: PostgresStore
):
    asked = request()
    await postgres.add(asked)
    first = await held(postgres)
    pool = await store.pool()
    await pool.execute("update callback_lease set until = until + interval '1 hour'")  # as it looks an hour earlier
    other = PostgresCallbacks(store)
    assert await other.lease("two", 30) is None
    left = await pool.fetchval("select extract(epoch from until - clock_timestamp()) from callback_lease")
    assert 100 < left <= MOST_LEASE_S
    assert await postgres.claim(attempt(asked), first) is not None  # who lives on has lost nothing
    await pool.execute("update callback_lease set until = until - interval '2 minutes'")  # they pass
    assert await other.lease("two", 30) is not None


async def test_a_right_that_is_over_by_a_clock_set_forward_is_given_once(
    postgres: PostgresCallbacks, store: PostgresStore
):
    """The one who had it believes in it still, on a clock of its own: its claims fail all the same."""
    asked = request()
    await postgres.add(asked)
    first = await held(postgres)
    await (await store.pool()).execute("update callback_lease set until = until - interval '1 hour'")
    other = PostgresCallbacks(store)
    second = await held(other, "two")
    assert await postgres.claim(attempt(asked), first) is None
    assert await postgres.lease("one", 30) is None
    assert await other.claim(attempt(asked), second) is not None


async def test_a_claim_without_the_right_is_refused(postgres: PostgresCallbacks, store: PostgresStore):
    asked = request()
    await postgres.add(asked)
    lease = await held(postgres)
    pool = await store.pool()
    await pool.execute("update callback_lease set until = now()")
    assert await postgres.claim(attempt(asked), lease) is None  # over by the database's clock
    other = PostgresCallbacks(store)
    await held(other, "two")
    assert await postgres.claim(attempt(asked), lease) is None  # another one's
    assert await postgres.claim(attempt(asked), Lease("one", 99, lease.until)) is None
    found = await postgres.get(asked.request_id)
    assert found is not None
    assert found.state is RequestState.WAITING


async def test_a_right_that_changes_hands_during_a_claim(postgres: PostgresCallbacks, store: PostgresStore):
    """The claim waits for the other one to have taken it, and fails."""
    asked = request()
    await postgres.add(asked)
    lease = await held(postgres)
    async with (await store.pool()).acquire() as other:
        taking = other.transaction()
        await taking.start()
        await other.execute("update callback_lease set token = token + 1, node = 'two'")
        claim = asyncio.create_task(postgres.claim(attempt(asked), lease))
        await waits_for_a_lock(store)
        assert not claim.done()
        await taking.commit()
        assert await claim is None


async def waits_for_a_lock(store: PostgresStore) -> None:
    """Return once a statement waits for another transaction."""
    async with asyncio.timeout(10):
        while not await (await store.pool()).fetchval("select count(*) from pg_locks where not granted"):
            await asyncio.sleep(0.01)


async def test_nobody_takes_the_right_in_the_middle_of_a_claim(store: PostgresStore, database: str):
    """What the claim locks: a taker waits until the claim is durable, and then sees its attempt."""
    callbacks, other = PostgresCallbacks(store), PostgresCallbacks(store)
    asked = request()
    await callbacks.add(asked)
    lease = await held(callbacks)
    claimer = await asyncpg.connect(database, timeout=5)
    claim = claimer.transaction()
    await claim.start()
    one = attempt(asked)
    await claimer.execute(
        statement("callbacks/claim.sql"),
        one.attempt_id, one.request_id, "", "", "one", NOW, lease.token,
    )  # fmt: skip
    taking = asyncio.create_task(_expired_then_taken(store, other))
    await waits_for_a_lock(store)
    assert not taking.done()
    await claim.commit()
    await claimer.close(timeout=5)
    assert (await taking).token == lease.token + 1
    assert [each.attempt_id for each in await other.in_flight()] == [one.attempt_id]


async def _expired_then_taken(store: PostgresStore, other: PostgresCallbacks) -> Lease:
    await (await store.pool()).execute("update callback_lease set until = now()")
    return await held(other, "two")
