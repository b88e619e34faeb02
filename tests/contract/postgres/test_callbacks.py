from __future__ import annotations

import asyncio

import msgspec
import pytest

from controller.acd.model import AgentId
from controller.callback.model import (
    FINAL,
    AttemptId,
    AttemptState,
    Consent,
    Customer,
    First,
    NextStep,
    Origin,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Source,
    When,
)
from controller.calls.callback.store import (
    NOT_BEGUN,
    OUT_OF_TIME,
    Added,
    CallbackStore,
    Lease,
    NumberTaken,
    SlotTaken,
)
from controller.calls.clock import SystemClock
from controller.errors import StoreConflict, StoreError
from controller.outbound.model import Number, Purpose
from controller.postgres import callbacks as callbacks_module
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import DAY, MINUTE, NOW, attempt, claimed, ended, held, request
from tests.rig.callbackstore import MemoryCallbacks, Tables

WHOLE = {
    "when": When.SLOT,
    "slot_at": NOW + DAY,
    "slot_s": 1800.0,
    "due_at": NOW + DAY,
    "entered_at": NOW + DAY,
    "promised_at": NOW + DAY + 30 * MINUTE,
    "expires_at": NOW + 2 * DAY,
    "state": RequestState.SCHEDULED,
    "first": First.AGENT,
    "agent": AgentId("claire.d"),
    "priority": 3,
    "needs": {"english": 4},
    "customer": Customer("Zoé <b>", "=1+1", "l'écran\n'); drop table", {"dossier": "4711"}),
    "origin": Origin("https://shop.example/pay", "winter", "mail", "https://search.example/"),
    "consent": Consent("Call me", "3", NOW - MINUTE, "192.0.2.7", "0" * 32),
    "call_id": "0" * 32,
    "source": Source.SVI,
    "purpose": Purpose.SERVICE,
    "reason": "",
}


@pytest.fixture(params=["postgres", "memory"])
def callbacks(request: pytest.FixtureRequest) -> CallbackStore:
    """The real one, and the one that simulations run on: they keep the same rules."""
    if request.param == "memory":
        return MemoryCallbacks(Tables(SystemClock()))
    return PostgresCallbacks(request.getfixturevalue("store"))


@pytest.fixture
def postgres(store: PostgresStore) -> PostgresCallbacks:
    return PostgresCallbacks(store)


async def test_a_request_is_kept_whole(callbacks: CallbackStore):
    store: CallbackStore = callbacks
    asked = request(**WHOLE)
    assert await store.add(asked) == Added(asked, new=True)
    assert await store.get(asked.request_id) == asked
    plain = request()
    assert (await store.add(plain)).request == plain
    assert await store.get(RequestId("f" * 32)) is None
    assert await store.get(RequestId("'; --")) is None


async def test_what_no_text_can_hold_costs_nobody_the_call(callbacks: CallbackStore):
    asked = request(customer=Customer("a\0b", data={"\ud800x": "\0"}), origin=Origin(page="\udfff"))
    kept = (await callbacks.add(asked, idempotency_key="k\0")).request
    assert kept.customer == Customer("a�b", data={"�x": "�"})
    assert kept.origin.page == "�"


async def test_the_same_request_again_is_the_same(callbacks: CallbackStore):
    asked = request()
    await callbacks.add(asked)
    again = msgspec.structs.replace(asked, number=Number("+33199123456"))
    assert await callbacks.add(again) == Added(asked, new=False)


async def test_a_number_has_one_open_request_for_a_queue(callbacks: CallbackStore):
    first = await claimed(callbacks, request(7))
    other = request(7)
    told = await callbacks.add(other, idempotency_key="another")
    assert (told.request.request_id, told.new, told.same_key) == (first.request_id, False, False)
    told = await callbacks.add(other, idempotency_key="another")  # not theirs: its ticket is not for them
    assert (told.request.request_id, told.new, told.same_key) == (first.request_id, False, False)
    assert (await callbacks.add(request(7, queue="support"))).new
    await ended(callbacks, first, Outcome.TALKED, RequestState.DONE)
    assert (await callbacks.add(other)).new


async def test_a_key_brings_back_its_request_even_when_it_is_over(callbacks: CallbackStore):
    asked = request(8)
    assert (await callbacks.add(asked, idempotency_key="key")).new
    await callbacks.cancel(asked.request_id, "changed my mind", NOW)
    told = await callbacks.add(request(9), idempotency_key="key")
    assert (told.request.request_id, told.new, told.same_key) == (asked.request_id, False, True)
    assert told.request.state is RequestState.CANCELLED


async def test_a_key_is_forgotten(postgres: PostgresCallbacks, store: PostgresStore):
    await postgres.add(request(8), idempotency_key="key")
    await (await store.pool()).execute("update callback_keys set expires_at = now()")
    assert (await postgres.add(request(9), idempotency_key="key")).new


async def test_equal_requests_at_once_are_one(callbacks: CallbackStore):
    told = await asyncio.gather(*(callbacks.add(request(5), idempotency_key="one click") for _ in range(20)))
    assert sum(each.new for each in told) == 1
    assert len({each.request.request_id for each in told}) == 1
    assert all(each.new or each.same_key for each in told)
    told = await asyncio.gather(*(callbacks.add(request(6), idempotency_key=f"{n}") for n in range(20)))
    assert sum(each.new for each in told) == 1
    assert not any(each.same_key for each in told)


async def test_one_key_for_other_numbers_at_once_is_one_request(callbacks: CallbackStore):
    told = await asyncio.gather(*(callbacks.add(request(), idempotency_key="one click") for _ in range(20)))
    assert sum(each.new for each in told) == 1
    assert len({each.request.request_id for each in told}) == 1
    assert len(await callbacks.find()) == 1


async def test_a_slot_s_last_places_go_to_so_many_and_no_more(callbacks: CallbackStore):
    asked = [request(**{**WHOLE, "agent": None}) for _ in range(20)]
    told = await asyncio.gather(*(callbacks.add(each, slot_limit=3) for each in asked), return_exceptions=True)
    assert sum(isinstance(each, Added) and each.new for each in told) == 3
    assert sum(isinstance(each, SlotTaken) for each in told) == 17
    assert await callbacks.booked("sales", NOW, NOW + 2 * DAY) == [(NOW + DAY, 3)]
    assert await callbacks.booked("sales", NOW, NOW + DAY) == []
    assert await callbacks.booked("support", NOW, NOW + 2 * DAY) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "0199001234"}, "callback_requests_number_is_e164"),
        ({"number": "+33199001234;ext=1"}, "callback_requests_number_is_e164"),
        ({"queue": ""}, "callback_requests_queue_is_named"),
        ({"slot_at": NOW}, "callback_requests_slot_is_whole"),
        ({"priority": 99_999}, "out of range"),
    ],
)
async def test_what_cannot_be_is_refused(callbacks: CallbackStore, change: dict[str, object], said: str):
    with pytest.raises(StoreConflict, match=said):
        await callbacks.add(request(**change))


async def test_the_line_is_ordered_as_the_floor_orders_it(callbacks: CallbackStore):
    def at(minutes: float, **more: object) -> Request:
        return request(entered_at=NOW - minutes * MINUTE, **more)

    elder, eldest = at(11), at(30)
    young, younger, urgent = at(5), at(4), at(1, priority=2)
    support = at(2, queue="support")
    for each in (young, urgent, elder, support, eldest, younger):
        await callbacks.add(each)
    assert await callbacks.due(NOW) == [eldest, elder, urgent, young, younger, support]
    assert await callbacks.due(NOW, 1) == [eldest, support]
    assert await callbacks.due(NOW, 3) == [eldest, elder, urgent, support]


async def test_a_line_that_was_read_before_is_read_again_where_it_changed(callbacks: CallbackStore):
    first, second, third = (request() for _ in range(3))
    for each in (first, second):
        await callbacks.add(each)
    assert await callbacks.due(NOW) == [first, second]
    changed = await callbacks.change(first.request_id, {"customer": Customer("Ann")}, at=NOW)
    await callbacks.cancel(second.request_id, "", NOW)
    await callbacks.add(third)
    assert await callbacks.due(NOW) == [changed, third]
    assert await callbacks.due(NOW) == [changed, third]


async def test_what_falls_due_waits_and_what_is_over_expires(callbacks: CallbackStore):
    soon = request(state=RequestState.SCHEDULED, due_at=NOW + MINUTE, entered_at=NOW + MINUTE)
    late = request(state=RequestState.SCHEDULED, due_at=NOW + DAY, entered_at=NOW + DAY, expires_at=NOW + 2 * DAY)
    waiting = request(expires_at=NOW + 2 * MINUTE)
    for each in (soon, late, waiting):
        await callbacks.add(each)
    assert await callbacks.next_due_at() == NOW + MINUTE
    assert await callbacks.due(NOW) == [waiting]
    assert await callbacks.expire(NOW + MINUTE) == []
    due = await callbacks.due(NOW + MINUTE)
    assert due == [waiting, msgspec.structs.replace(soon, state=RequestState.WAITING)]
    assert await callbacks.due(NOW + 2 * MINUTE) == due[1:]  # the other one is over
    over = await callbacks.expire(NOW + 2 * MINUTE)
    assert [(each.request_id, each.state, each.ended_at) for each in over] == [
        (waiting.request_id, RequestState.EXPIRED, NOW + 2 * MINUTE)
    ]
    assert await callbacks.expire(NOW + 2 * MINUTE) == []
    assert await callbacks.next_due_at() == NOW + DAY


async def test_why_nobody_was_called_in_time_is_told(callbacks: CallbackStore):
    click = request(expires_at=NOW + MINUTE, source=Source.AGENT, when=When.NOW, agent=AgentId("claire.d"))
    promised = request(expires_at=NOW + MINUTE, source=Source.AGENT, agent=AgentId("claire.d"))
    for each in (click, promised):
        await callbacks.add(each)
    over = await callbacks.expire(NOW + MINUTE)
    assert {each.request_id: each.reason for each in over} == {
        click.request_id: NOT_BEGUN,
        promised.request_id: OUT_OF_TIME,
    }


async def test_many_that_fall_due_at_once_come_in_steps(postgres: PostgresCallbacks, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(callbacks_module, "WAKE_ROWS", 4)
    for number in range(6):
        await postgres.add(request(state=RequestState.SCHEDULED, due_at=NOW + number * MINUTE))
    assert len(await postgres.due(NOW + DAY / 2)) == 4
    assert len(await postgres.due(NOW + DAY / 2)) == 6


STEPS = [
    (Outcome.TALKED, RequestState.DONE, 1),
    (Outcome.BUSY, RequestState.SCHEDULED, 1),
    (Outcome.NO_AGENT, RequestState.WAITING, 0),
    (Outcome.BLOCKED, RequestState.SCHEDULED, 0),
    (Outcome.BLOCKED, RequestState.REFUSED, 0),
    (Outcome.LOST, RequestState.FAILED, 1),
    (Outcome.DECLINED, RequestState.CANCELLED, 1),
    (Outcome.NO_ANSWER, RequestState.EXPIRED, 1),
]


@pytest.mark.parametrize(("outcome", "state", "tries"), STEPS)
async def test_an_attempt_ends_once_and_its_request_goes_on(
    callbacks: CallbackStore, outcome: Outcome, state: RequestState, tries: int
):
    one = await claimed(callbacks)
    due_at = None if state in FINAL else NOW + 5 * MINUTE
    after = await ended(callbacks, one, outcome, state, due_at=due_at, reason="so")
    assert after is not None
    assert (after.state, after.tries, after.outcome, after.reason) == (state, tries, outcome, "so")
    assert (after.due_at, after.entered_at) == (due_at or NOW, NOW)
    assert after.ended_at == (NOW + MINUTE if state in FINAL else None)
    assert await ended(callbacks, one, Outcome.LOST, RequestState.WAITING) is None
    assert await callbacks.get(after.request_id) == after
    [kept] = await callbacks.attempts(after.request_id)
    assert (kept.state, kept.outcome, kept.cause, kept.ended_at) == (AttemptState.ENDED, outcome, 16, NOW + MINUTE)
    assert await callbacks.in_flight() == []


async def test_the_next_attempt_has_the_next_fence(callbacks: CallbackStore):
    one = await claimed(callbacks)
    back = await ended(callbacks, one, Outcome.BUSY, RequestState.SCHEDULED, due_at=NOW + MINUTE)
    assert back is not None
    await callbacks.due(NOW + MINUTE)
    two = await callbacks.claim(attempt(back), await held(callbacks))
    assert two is not None
    assert two.fence == 2
    assert await ended(callbacks, one, Outcome.TALKED, RequestState.DONE) is None
    assert [each.fence for each in await callbacks.attempts(back.request_id)] == [1, 2]
    assert await callbacks.in_flight() == [two]


async def test_another_time_moves_place_and_promise(callbacks: CallbackStore):
    one = await claimed(callbacks)
    later = NOW + 3 * DAY
    moved = await ended(
        callbacks, one, Outcome.RESCHEDULED, RequestState.SCHEDULED,
        due_at=later, entered_at=later, expires_at=later + DAY,
    )  # fmt: skip
    assert moved is not None
    assert (moved.due_at, moved.entered_at, moved.expires_at) == (later, later, later + DAY)


@pytest.mark.parametrize("state", [RequestState.SCHEDULED, RequestState.WAITING, RequestState.FAILED])
async def test_nobody_is_called_again_after_a_talk(callbacks: CallbackStore, state: RequestState):
    one = await claimed(callbacks)
    with pytest.raises(StoreConflict, match="nobody_again_after_a_talk"):
        await ended(callbacks, one, Outcome.TALKED, state, due_at=NOW)
    assert await callbacks.in_flight() == [one]  # nothing of it was written


async def test_an_attempt_goes_forward_whatever_order_the_news_come_in(callbacks: CallbackStore):
    one = await claimed(callbacks)
    await callbacks.progress(one.attempt_id, AttemptState.ANSWERED, NOW + 3 * MINUTE)
    await callbacks.progress(one.attempt_id, AttemptState.RINGING, NOW + 2 * MINUTE, cost=0.25)
    await callbacks.progress(one.attempt_id, AttemptState.DIALLED, NOW + MINUTE)
    await callbacks.progress(one.attempt_id, AttemptState.CONNECTED, NOW + 4 * MINUTE)
    [now] = await callbacks.in_flight()
    assert (now.state, now.cost) == (AttemptState.CONNECTED, 0.25)
    assert [now.dialled_at, now.ringing_at, now.answered_at, now.connected_at] == [
        NOW + minutes * MINUTE for minutes in (3, 2, 3, 4)
    ]
    await ended(callbacks, one, Outcome.TALKED, RequestState.DONE)
    before = await callbacks.attempts(one.request_id)
    await callbacks.progress(one.attempt_id, AttemptState.RINGING, NOW + 9 * MINUTE, cost=9.0)
    assert await callbacks.attempts(one.request_id) == before
    with pytest.raises(ValueError, match="end_attempt"):
        await callbacks.progress(one.attempt_id, AttemptState.ENDED, NOW)


async def test_changed_until_it_is_dialled(callbacks: CallbackStore):
    asked = request()
    await callbacks.add(asked)
    at = NOW + DAY
    slot = {"when": When.SLOT, "slot_at": at, "slot_s": 900.0, "due_at": at, "entered_at": at}
    changed = await callbacks.change(asked.request_id, slot, at=NOW)
    assert changed == msgspec.structs.replace(asked, state=RequestState.SCHEDULED, **slot)
    assert await callbacks.due(NOW) == []
    number = Number("+33199777777")
    now = {"when": When.ASAP, "slot_at": None, "due_at": NOW, "number": number, "customer": Customer("Ann\0")}
    changed = await callbacks.change(asked.request_id, now, at=NOW)
    assert changed is not None
    assert (changed.number, changed.customer.name) == (number, "Ann�")
    [due] = await callbacks.due(NOW)
    one = await callbacks.claim(attempt(due), await held(callbacks))
    assert one is not None
    assert one.number == number
    assert await callbacks.change(asked.request_id, slot, at=NOW) is None
    assert await callbacks.cancel(asked.request_id, "too late", NOW) is None
    assert await callbacks.change(RequestId("nobody"), {}, at=NOW) is None


async def test_a_change_that_cannot_be(callbacks: CallbackStore):
    mine, other = request(), request()
    await callbacks.add(mine)
    await callbacks.add(other)
    with pytest.raises(NumberTaken):
        await callbacks.change(mine.request_id, {"number": other.number}, at=NOW)
    with pytest.raises(ValueError, match="fence, state cannot be changed"):
        await callbacks.change(mine.request_id, {"state": "done", "fence": 9}, at=NOW)
    at = NOW + DAY
    slot = {"when": When.SLOT, "slot_at": at, "due_at": at}
    assert await callbacks.change(mine.request_id, slot, at=NOW, slot_limit=1)
    assert await callbacks.change(mine.request_id, slot, at=NOW, slot_limit=1)  # its own place does not count
    with pytest.raises(SlotTaken):
        await callbacks.change(other.request_id, slot, at=NOW, slot_limit=1)
    assert await callbacks.get(other.request_id) == other


async def test_cancelled_once(callbacks: CallbackStore):
    asked = request()
    await callbacks.add(asked)
    told = await callbacks.cancel(asked.request_id, "by the customer\0", NOW + MINUTE)
    assert told is not None
    assert (told.state, told.ended_at, told.reason) == (RequestState.CANCELLED, NOW + MINUTE, "by the customer�")
    assert await callbacks.cancel(asked.request_id, "again", NOW) is None
    assert await callbacks.claim(attempt(asked), await held(callbacks)) is None


async def test_found_newest_first_page_by_page(callbacks: CallbackStore):
    asked = [request(created_at=NOW + number // 2 * MINUTE) for number in range(9)]
    for each in asked:
        await callbacks.add(each)
    await callbacks.cancel(asked[0].request_id, "", NOW)
    seen: list[Request] = []
    while page := await callbacks.find(limit=4, after=seen[-1].request_id if seen else ""):
        seen += page
    assert [each.request_id for each in seen] == [each.request_id for each in reversed(asked)]
    assert [each.request_id for each in await callbacks.find(states=[RequestState.CANCELLED])] == [
        asked[0].request_id
    ]
    assert await callbacks.find(number=asked[3].number, queue="sales", since=NOW) == [asked[3]]
    assert await callbacks.find(number=asked[3].number, since=NOW + 2 * MINUTE) == []
    assert await callbacks.find(queue="support") == []
    assert await callbacks.find(after="none") == []
    assert await callbacks.last_number(asked[3].number, NOW) == [asked[3]]
    assert await callbacks.last_number(asked[3].number, NOW + DAY) == []


async def test_postgres_away_is_one_error(tmp_path):
    away = PostgresStore(f"postgresql://u:sekret@/rappel?host={tmp_path}&port=20001")
    callbacks = PostgresCallbacks(away)
    lease = Lease("one", 1, 0.0)
    for each in (
        callbacks.add(request()),
        callbacks.due(NOW),
        callbacks.claim(attempt(request()), lease),
        callbacks.change(RequestId("0" * 32), {}, at=NOW),
        callbacks.lease("one", 5),
        callbacks.end_attempt(AttemptId("0" * 32), Outcome.LOST, 0, NOW, NextStep(state=RequestState.WAITING)),
    ):
        with pytest.raises(StoreError, match="check that it runs") as caught:
            await each
        assert "sekret" not in str(caught.value)
    await away.close()
