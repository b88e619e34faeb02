from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from controller.cdr.entries import AudioErased, DistributionEntry, QueueEntered, TalkEvent
from controller.errors import StoreConflict
from controller.ports import WebhookStore
from controller.postgres.store import PostgresStore
from controller.postgres.webhooks import PostgresWebhooks
from tests.unit.cdr.distribution import visit
from tests.unit.cdr.histories import START, history

URL = "https://crm.example/hook"
SECRET = "whsec_" + "a" * 44


@pytest.fixture
def hooks(store: PostgresStore) -> PostgresWebhooks:
    return PostgresWebhooks(store)


async def events(hooks: PostgresWebhooks, limit: int = 100) -> list[dict[str, Any]]:
    return [msgspec.json.decode(each.body) for each in await hooks.claim(limit, 60)]


async def test_webhooks_are_kept_and_removed(hooks: PostgresWebhooks):
    store: WebhookStore = hooks
    first = await store.create(URL, ("talk.*", "queue.left"), "sales", SECRET)
    second = await store.create(URL, ("*",), "", SECRET)
    assert (first.url, first.kinds, first.queue, first.enabled) == (URL, ("talk.*", "queue.left"), "sales", True)
    assert await store.webhooks() == [first, second]
    assert await store.remove(first.webhook_id)
    assert not await store.remove(first.webhook_id)
    assert await store.webhooks() == [second]
    with pytest.raises(StoreConflict):
        await store.create("ftp://crm.example", ("*",), "", SECRET)


async def test_every_event_is_noted_once_and_counted_without_gaps(hooks: PostgresWebhooks, store: PostgresStore):
    await hooks.create(URL, ("*",), "", SECRET)
    entries: list[DistributionEntry] = [*visit(0), AudioErased("r0", START, "rule")]
    for batch in (entries[:5], entries[:9], entries, entries, entries[5:], *([each] for each in entries)):
        assert await store.write(batch) == []
    sent = await events(hooks)
    assert [each["seq"] for each in sent] == list(range(1, len(visit(0)) + 1))
    assert [each["kind"] for each in sent] == [
        "queue.entered", "offer.made", "offer.ended", "offer.made", "agent.changed", "offer.ended", "queue.left",
        "talk.started", "agent.changed", "talk.event", "talk.event", "talk.ended", "agent.changed", "call.disposed",
        "recording.kept", "agent.changed",
    ]  # fmt: skip
    assert {each["queue"] for each in sent[:-1]} == {"sales"}
    assert len({each["id"] for each in sent}) == len(sent)
    assert sent[6]["data"]["exit"] == "connected"
    assert sent[6]["agent"] == "claire.d"
    assert sent[0]["at"] == "2026-03-02T09:00:02Z"
    assert "entry" not in sent[0]["data"]


async def test_a_webhook_gets_what_it_asked_for(hooks: PostgresWebhooks, store: PostgresStore):
    await hooks.create(URL, ("talk.*", "queue.left"), "support", SECRET)
    await store.write([*visit(0, queue="sales"), *visit(100, queue="support")])
    sent = await events(hooks)
    assert [each["kind"] for each in sent] == ["queue.left", "talk.started", "talk.event", "talk.event", "talk.ended"]
    assert {each["queue"] for each in sent} == {"support"}
    assert [each["seq"] for each in sent] == [1, 2, 3, 4, 5]


async def test_what_is_rejected_is_no_event(hooks: PostgresWebhooks, store: PostgresStore):
    await hooks.create(URL, ("queue.entered",), "", SECRET)
    entered = visit(0)[0]
    assert isinstance(entered, QueueEntered)
    bad = msgspec.structs.replace(entered, visit=0)
    assert len(await store.write([*history(0), bad, entered])) == 1
    assert [each["data"]["visit"] for each in await events(hooks)] == [1]


async def test_controllers_that_write_at_once_leave_no_gap(hooks: PostgresWebhooks, database: str):
    await hooks.create(URL, ("*",), "", SECRET)
    stores = [PostgresStore(database) for _ in range(4)]
    entries = visit(0)
    try:
        # The same entries from several, as after a call was taken over, and others besides.
        await asyncio.gather(
            *(store.write([*entries, *visit(10 + number)]) for number, store in enumerate(stores)),
        )
        sent = await events(hooks, 1000)
    finally:
        for store in stores:
            await store.close()
    assert sorted(each["seq"] for each in sent) == list(range(1, 5 * len(entries) + 1))


async def test_a_claim_holds_and_several_take_different_ones(hooks: PostgresWebhooks, store: PostgresStore):
    await hooks.create(URL, ("*",), "", SECRET)
    await store.write(visit(0))
    taken = await asyncio.gather(*(hooks.claim(4, 60) for _ in range(4)))
    ids = [each.delivery_id for some in taken for each in some]
    assert len(ids) == len(set(ids)) == 16
    assert await hooks.claim(4, 60) == []
    await (await store.pool()).execute("update webhook_deliveries set next_try_at = now() - interval '1 second'")
    again = await hooks.claim(100, 60)
    assert {each.attempt for each in again} == {2}
    assert [each.event_id for each in again] == [
        row["event_id"]
        for row in await (await store.pool()).fetch("select event_id from webhook_deliveries order by sequence")
    ]
    assert (again[0].url, again[0].secret) == (URL, SECRET)
    assert SECRET not in repr(again[0])


async def test_what_becomes_of_a_delivery(hooks: PostgresWebhooks, store: PostgresStore):
    await hooks.create(URL, ("talk.event",), "", SECRET)
    event = next(entry for entry in visit(0) if isinstance(entry, TalkEvent))
    await store.write([event])
    (delivery,) = await hooks.claim(1, 60)
    await hooks.failed(delivery.delivery_id, "answered 500", datetime.now(UTC) - timedelta(seconds=1))
    assert (await hooks.webhooks())[0].problem == "answered 500"
    (delivery,) = await hooks.claim(1, 60)
    assert delivery.attempt == 2
    await hooks.delivered(delivery.delivery_id)
    assert (await hooks.webhooks())[0].problem == ""
    await hooks.failed(delivery.delivery_id, "too late to tell", None)
    status = "select status, attempts, ended_at is not null from webhook_deliveries"
    assert tuple(await (await store.pool()).fetchrow(status) or ()) == ("delivered", 2, True)
    await store.write([msgspec.structs.replace(event, seq=9)])
    (delivery,) = await hooks.claim(1, 60)
    await hooks.failed(delivery.delivery_id, "answered 410", None)
    assert (
        await (await store.pool()).fetchval("select count(*) from webhook_deliveries where status = 'given_up'") == 1
    )
    assert await hooks.claim(1, 60) == []
