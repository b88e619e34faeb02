from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from controller.cdr.entries import (
    AgentChanged,
    AsteriskCdr,
    AudioErased,
    AudioKept,
    CallStarted,
    Entry,
    LegStarted,
    Role,
)
from controller.cli import cli
from controller.errors import StoreError
from controller.ports import ExpiredAudio
from controller.postgres import retention as retention_module
from controller.postgres.history import PostgresHistory
from controller.postgres.retention import PostgresRetention, Retention, number_hash
from controller.postgres.store import PostgresStore
from controller.postgres.webhooks import PostgresWebhooks
from tests.unit.cdr.distribution import visit
from tests.unit.cdr.histories import START, history

KEY = b"a key of sixteen"
DAY = timedelta(days=1)
YEAR = Retention(records_days=365)
CALLER = "+33123456789"


@pytest.fixture
def keeper(store: PostgresStore) -> PostgresRetention:
    return PostgresRetention(store)


async def counts(store: PostgresStore, *tables: str) -> dict[str, int]:
    pool = await store.pool()
    return {table: await pool.fetchval(f"select count(*) from {table}") for table in tables}


async def test_what_is_old_goes_and_what_is_not_stays(keeper: PostgresRetention, store: PostgresStore):
    old = [*history(0), *visit(0), AudioErased("r0", START, "rule"), AsteriskCdr("1.1", START, {})]
    later = 200 * 86_400
    new = [*history(later), *visit(later), AsteriskCdr("1.2", START + 200 * DAY, {})]
    await store.write([*old, *new])
    every = ("calls", "legs", "call_steps", "queue_visits", "offers", "talks", "talk_events", "dispositions")
    rest = ("recordings", "asterisk_cdr")
    before = await counts(store, *every, *rest)
    assert sum((await keeper.purge(YEAR, START + 100 * DAY)).values()) == 0
    gone = await keeper.purge(YEAR, START + 366 * DAY)
    assert (gone["calls"], gone["asterisk_cdr"], gone["recordings"]) == (1, 1, 1)
    assert await counts(store, *every, *rest) == {table: number // 2 for table, number in before.items()}
    assert sum((await keeper.purge(YEAR, START + 366 * DAY)).values()) == 0


async def test_running_calls_and_those_with_a_recording_stay(keeper: PostgresRetention, store: PostgresStore):
    lost = [entry for entry in history(3)[:9] if not hasattr(entry, "state")]
    await store.write([*history(1), *visit(1), *history(2)[:9], *lost])
    assert (await keeper.purge(YEAR, START + 1000 * DAY))["calls"] == 1  # the one nobody runs any more
    assert await counts(store, "calls", "live_calls", "recordings") == {"calls": 2, "live_calls": 1, "recordings": 1}
    await store.write([AudioErased("r1", START + 999 * DAY, "rule")])
    assert (await keeper.purge(YEAR, START + 1000 * DAY))["calls"] == 1


async def test_what_an_agent_was_doing_then_stays_known(keeper: PostgresRetention, store: PostgresStore):
    times = [START + timedelta(days=days) for days in (0, 1, 2, 3)]
    await store.write([AgentChanged("claire.d", at, "free", "ready") for at in times])
    gone = await keeper.purge(YEAR, START + timedelta(days=365 + 2.5))
    assert gone["agent_states"] == 2
    rows = await (await store.pool()).fetch("select since from agent_states order by since")
    assert [row[0] for row in rows] == times[2:]


async def test_kept_for_ever(keeper: PostgresRetention, store: PostgresStore):
    await store.write(history(0))
    assert await keeper.purge(Retention(records_days=0, deliveries_days=0), START + 9999 * DAY) == {}


async def test_a_purge_goes_in_steps_and_ends(
    keeper: PostgresRetention, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
):
    await store.write([entry for number in range(25) for entry in history(number)])
    monkeypatch.setattr(retention_module, "STEP_ROWS", 4)
    monkeypatch.setattr(retention_module, "MAX_STEPS", 3)
    assert [(await keeper.purge(YEAR, START + 999 * DAY))["calls"] for _ in range(4)] == [12, 12, 1, 0]


async def test_deliveries_and_tokens_go_too(keeper: PostgresRetention, store: PostgresStore):
    hooks = PostgresWebhooks(store)
    await hooks.create("https://crm.example/", ("*",), "", "s" * 40)
    await store.write(visit(0))
    for delivery in await hooks.claim(3, 60):
        await hooks.delivered(delivery.delivery_id)
    pool = await store.pool()
    await pool.execute(
        "insert into api_tokens (name, sha256, scopes, expires_at) values ('x', $1, '{}', $2)", bytes(32), START
    )
    now: datetime = await pool.fetchval("select now()")
    assert (await keeper.purge(Retention(records_days=0), now + 29 * DAY)) == {"deliveries": 0}
    assert (await keeper.purge(Retention(records_days=1), now + 31 * DAY))["deliveries"] == 3
    assert await counts(store, "api_tokens") == {"api_tokens": 0}


async def test_recordings_go_after_their_kinds_days_at_the_latest(store: PostgresStore):
    kept = next(entry for entry in visit(0) if isinstance(entry, AudioKept))
    lasting = msgspec.structs.replace(kept, keep_until=START + 9999 * DAY)
    message = msgspec.structs.replace(lasting, recording_id="m0", kind="message", path="m0.wav")
    await store.write([lasting, message])
    past = PostgresHistory(store, Retention(recordings_days=30, messages_days=10))
    assert await past.expired_audio(START + 9 * DAY, 10) == []
    assert await past.expired_audio(START + 11 * DAY, 10) == [ExpiredAudio("m0", "m0.wav")]
    assert len(await past.expired_audio(START + 31 * DAY, 10)) == 2
    assert len(await past.expired_audio(START + 31 * DAY, 1)) == 1
    for_ever = PostgresHistory(store, Retention(recordings_days=0, messages_days=0))
    assert await for_ever.expired_audio(START + 999 * DAY, 10) == []
    assert len(await for_ever.expired_audio(START + 10_000 * DAY, 10)) == 2


async def everything(store: PostgresStore) -> str:
    """All that the database holds, as text."""
    pool = await store.pool()
    tables = await pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    rows: list[Any] = []
    for (table,) in tables:
        rows += [row[0] for row in await pool.fetch(f"select to_jsonb(t)::text from {table} t")]
    return "\n".join(rows)


def told() -> list[Entry]:
    entries: list[Entry] = [*history(0), *visit(0)]
    transferred = next(
        entry for entry in history(1) if isinstance(entry, LegStarted) and entry.role is Role.EXTENSION
    )
    other = history(1)
    start = other[0]
    assert isinstance(start, CallStarted)
    other[0] = msgspec.structs.replace(start, caller_number="+33987654321", caller_name="Luc")
    other = [
        msgspec.structs.replace(entry, number=CALLER, role=Role.TRANSFER) if entry == transferred else entry
        for entry in other
        if not (isinstance(entry, LegStarted) and entry.role is Role.CALLER)
    ]
    cdr = AsteriskCdr("1772442000.0", START, {"Source": CALLER, "CallerID": f'"Jean" <{CALLER}>', "Duration": "35"})
    return [*entries, *other, cdr]


async def test_a_number_is_taken_out_of_everything(keeper: PostgresRetention, store: PostgresStore):
    await PostgresWebhooks(store).create("https://crm.example/", ("*",), "", "s" * 40)
    await store.write(told())
    pool = await store.pool()
    figures = "select to_jsonb(f) from number_figures('2026-03-01', '2026-03-04') f"
    before = await pool.fetch(figures)
    assert CALLER in await everything(store)
    erased = await keeper.erase(["0123456789", CALLER], KEY, "agent:claire.d")
    assert (erased.calls, erased.running) == (2, ())
    assert erased.recordings == (ExpiredAudio("r0", "2026/r0.wav"),)
    left = await everything(store)
    assert CALLER not in left
    assert "Jean" not in left
    assert "two of them" not in left
    assert "+33987654321" in left
    assert await pool.fetch(figures) == before
    assert len(await keeper.erasures(CALLER, KEY)) == 1
    assert len(await keeper.erasures("0123456789", KEY)) == 1
    assert await keeper.erasures(CALLER, b"another key of theirs") == []
    await store.write(told())  # a batch that is written again brings nothing back but what is told anew by its nature
    assert CALLER not in str(await pool.fetch("select caller_number, caller_name from calls"))
    assert CALLER not in str(await pool.fetch("select number from legs"))


async def test_a_running_call_is_left_and_told(keeper: PostgresRetention, store: PostgresStore):
    running = history(1)[:9]
    await store.write([*history(0), *running])
    erased = await keeper.erase([CALLER], KEY, "cli")
    assert (erased.calls, erased.running) == (1, (running[0].call_id,))
    await store.write(history(1)[9:])
    assert (await keeper.erase([CALLER], KEY, "cli")).calls == 1
    assert len(await keeper.erasures(CALLER, KEY)) == 2


async def test_an_erasure_needs_a_number_a_name_and_a_key(keeper: PostgresRetention):
    for numbers, key, by in (([], KEY, "cli"), ([""], KEY, "cli"), ([CALLER], KEY, ""), ([CALLER], b"short", "cli")):
        with pytest.raises(StoreError):
            await keeper.erase(numbers, key, by)
    assert number_hash(CALLER, KEY) != number_hash(CALLER, KEY + b"2")


async def test_recordings_of_an_erased_number_are_due_at_once(keeper: PostgresRetention, store: PostgresStore):
    await store.write([*history(0), *visit(0)])
    await (await store.pool()).execute(
        "update recordings set keep_until = now() + interval '1 year', kept_at = now()"
    )
    past = PostgresHistory(store)
    assert await past.expired_audio(datetime.now(UTC), 10) == []
    erased = await keeper.erase([CALLER], KEY, "cli")
    assert await past.expired_audio(datetime.now(UTC), 10) == list(erased.recordings) != []


async def test_purging_goes_on_in_the_background(
    keeper: PostgresRetention, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
):
    await store.write([entry for number in range(9) for entry in history(number)])
    monkeypatch.setattr(retention_module, "STEP_ROWS", 2)
    monkeypatch.setattr(retention_module, "MAX_STEPS", 2)
    pool = await store.pool()
    await pool.execute("alter table asterisk_cdr rename to gone")  # and a failure is only put off
    running = asyncio.create_task(keeper.run(YEAR, lambda: START + 999 * DAY, every_s=0.02))
    async with asyncio.timeout(10):
        while await pool.fetchval("select count(*) from calls") > 5:
            await asyncio.sleep(0.01)
        await pool.execute("alter table gone rename to asterisk_cdr")
        while await pool.fetchval("select count(*) from calls"):
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def erase(*words: str, **settings: str) -> Result:
    environ = {"RAPPEL_ARI_URL": "http://127.0.0.1:9", "RAPPEL_ASTERISK_ARI_PASSWORD": "x" * 20}
    environ |= {"RAPPEL_ASTERISK_AMI_PASSWORD": "x" * 20, "RAPPEL_ASTERISK_SOCKET_PASSWORD": "x" * 20, **settings}
    return await asyncio.to_thread(CliRunner().invoke, cli, ["erase", *words], env=environ)


async def test_the_command_erases_and_keeps_its_key(store: PostgresStore, database: str, tmp_path: Path):
    await store.write([*history(0), *visit(0), *history(1)[:9]])
    here = {"RAPPEL_POSTGRES_URL": database, "RAPPEL_NODE_STATE_DIR": str(tmp_path / "state")}
    asked = await erase(CALLER, "--by", "cli", **here)
    assert asked.exit_code == 1
    assert "Aborted" in asked.output
    done = await erase(CALLER, "0123456789", "--by", "cli", "--yes", **here)
    assert "Taken out of 1 calls; 1 recordings are erased within minutes." in done.output
    assert f"Call {history(1)[0].call_id} still runs" in done.output
    assert done.exit_code == 1
    await store.write(history(1)[9:])
    again = await erase(CALLER, "--by", "cli", "--yes", **here)
    assert (again.exit_code, again.output) == (0, "Taken out of 1 calls; 0 recordings are erased within minutes.\n")
    key = tmp_path / "state" / "number.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(await PostgresRetention(store).erasures(CALLER, key.read_bytes())) == 2
    configured = await erase(CALLER, "--by", "cli", "--yes", **here, RAPPEL_RETENTION_NUMBER_KEY=KEY.decode())
    assert configured.exit_code == 0
    assert len(await PostgresRetention(store).erasures(CALLER, KEY)) == 1
    short = await erase(CALLER, "--by", "cli", "--yes", **here, RAPPEL_RETENTION_NUMBER_KEY="short")
    assert "too short" in str(short.exception)


async def test_postgres_away_is_a_store_error(tmp_path):
    store = PostgresStore(f"postgresql://u:sekret@/x?host={tmp_path}")
    keeper = PostgresRetention(store)
    for attempt in (keeper.purge(YEAR, START), keeper.erase([CALLER], KEY, "cli"), keeper.erasures(CALLER, KEY)):
        with pytest.raises(StoreError, match="check that it runs"):
            await attempt
    await store.close()
