"""Call-backs go when their time is over, and are taken out when a customer asks to be forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from controller.callback.model import Customer, NextStep, Origin, Outcome, RequestState
from controller.cdr.entries import CallbackChanged
from controller.cli import cli
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.retention import PostgresRetention, Retention
from controller.postgres.store import PostgresStore
from controller.postgres.webhooks import PostgresWebhooks
from tests.contract.postgres.callbacks import DAY, NOW, attempt, claimed, ended, held, request
from tests.contract.postgres.test_callbacks import WHOLE
from tests.contract.postgres.test_retention import KEY, everything

YEAR = Retention(records_days=365)


@pytest.fixture
def callbacks(store: PostgresStore) -> PostgresCallbacks:
    return PostgresCallbacks(store)


async def test_requests_go_with_their_attempts_when_their_time_is_over(
    callbacks: PostgresCallbacks, store: PostgresStore
):
    keeper = PostgresRetention(store)
    one = await claimed(callbacks)
    await ended(callbacks, one, Outcome.TALKED, RequestState.DONE)
    other = await claimed(callbacks)
    waiting = request(created_at=NOW - 999 * DAY)
    await callbacks.add(waiting, idempotency_key="key")
    assert (await keeper.purge(YEAR, NOW + 365 * DAY))["callbacks"] == 0
    assert (await keeper.purge(YEAR, NOW + 366 * DAY))["callbacks"] == 1
    assert await callbacks.attempts(one.request_id) == []
    assert await callbacks.in_flight() == [other]
    assert await callbacks.get(waiting.request_id) == waiting
    assert "callbacks" not in await keeper.purge(Retention(records_days=0), NOW + 9999 * DAY)


async def test_keys_go_when_they_stand_for_nothing(callbacks: PostgresCallbacks, store: PostgresStore):
    await callbacks.add(request(), idempotency_key="key")
    pool = await store.pool()
    now = await pool.fetchval("select now()")
    for later, left in ((0.9 * DAY, 1), (1.1 * DAY, 0)):
        await PostgresRetention(store).purge(Retention(records_days=0), now + later)
        assert await pool.fetchval("select count(*) from callback_keys") == left


async def test_a_customer_is_taken_out_of_every_request(callbacks: PostgresCallbacks, store: PostgresStore):
    keeper = PostgresRetention(store)
    origin = Origin("https://shop.example/pay?who=zoe#x", "winter", "mail", "https://zoe.example")
    mine = msgspec.structs.replace(request(**WHOLE), state=RequestState.WAITING, due_at=NOW, origin=origin)
    other = request(customer=Customer("Luc"))
    support = request(queue="support", number=mine.number, customer=Customer("Zoé"))
    for each in (mine, other, support):
        await callbacks.add(each, idempotency_key=f"zoe {each.queue}" if each is not other else "")
    one = await callbacks.claim(attempt(mine), await held(callbacks))
    assert one is not None
    erased = await keeper.erase([mine.number], KEY, "cli")
    assert (erased.callbacks, erased.dialling) == (1, (mine.request_id,))
    step = NextStep(state=RequestState.FAILED, reason=f"{mine.number} could not be reached")
    await callbacks.end_attempt(one.attempt_id, Outcome.UNREACHABLE, 1, NOW, step)
    erased = await keeper.erase([mine.number, "0199000000"], KEY, "cli")
    assert (erased.callbacks, erased.dialling) == (1, ())
    left = await everything(store)
    for word in (mine.number, "Zo", "zoe", "4711", "192.0.2.7", "drop table", "who="):
        assert word not in left, word
    assert other.number in left
    kept = await callbacks.get(mine.request_id)
    assert kept is not None
    assert kept.consent is not None
    assert (kept.consent.text, kept.consent.ip, kept.origin.campaign) == ("Call me", "", "winter")
    assert kept.origin.page == "https://shop.example/pay"
    cancelled = await callbacks.get(support.request_id)
    assert cancelled is not None
    assert cancelled.state is RequestState.CANCELLED
    assert (await callbacks.add(request(queue="support"))).new


async def test_the_command_says_what_became_of_requests(callbacks: PostgresCallbacks, database: str, tmp_path: Path):
    dialled = await claimed(callbacks)
    waiting = request(queue="support", number=dialled.number)
    await callbacks.add(waiting)
    environ = {"RAPPEL_ARI_URL": "http://127.0.0.1:9", "RAPPEL_ASTERISK_ARI_PASSWORD": "x" * 20}
    environ |= {"RAPPEL_ASTERISK_AMI_PASSWORD": "x" * 20, "RAPPEL_ASTERISK_SOCKET_PASSWORD": "x" * 20}
    environ |= {"RAPPEL_POSTGRES_URL": database, "RAPPEL_NODE_STATE_DIR": str(tmp_path)}
    words = ["erase", dialled.number, "--by", "cli", "--yes"]
    done = await asyncio.to_thread(CliRunner().invoke, cli, words, env=environ)
    assert "Taken out of 1 requests to be called; those that were open are cancelled." in done.output
    assert f"Request {dialled.request_id} is being dialled" in done.output
    assert done.exit_code == 1


async def test_what_webhooks_were_told_of_a_request_is_emptied(callbacks: PostgresCallbacks, store: PostgresStore):
    await PostgresWebhooks(store).create("https://crm.example/", ("*",), "", "s" * 40)
    mine, other = await claimed(callbacks), await claimed(callbacks)
    for one in (mine, other):
        step = NextStep(state=RequestState.REFUSED, reason=f"{one.number} is a premium number")
        refused = await callbacks.end_attempt(one.attempt_id, Outcome.BLOCKED, 0, NOW, step)
        assert refused is not None
        await store.write([CallbackChanged(one.request_id, NOW, "sales", "refused", reason=refused.reason)])
    assert mine.number in await everything(store)
    await PostgresRetention(store).erase([mine.number], KEY, "cli")
    left = await everything(store)
    assert mine.number not in left
    assert f"{other.number} is a premium number" in left
