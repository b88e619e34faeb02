"""What queues, agents and recordings leave is in Postgres as the pure fold says, however it is cut into batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings

from controller.cdr.entries import (
    CallStarted,
    DistributionEntry,
    Entry,
    OfferEnded,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkStarted,
)
from controller.cdr.visits import close_lost, fold_visits
from controller.postgres.store import PostgresStore
from tests.unit.cdr.distribution import any_visit_batches, visit
from tests.unit.cdr.histories import START, history

TABLES = {
    "visits": ("queue_visits", "call_id, visit"),
    "offers": ("offers", "call_id, offer"),
    "talks": ("talks", "call_id, talk"),
    "events": ("talk_events", "call_id, seq"),
    "dispositions": ("dispositions", 'call_id, agent collate "C"'),
    "states": ("agent_states", 'agent collate "C", since'),
    "recordings": ("recordings", 'recording_id collate "C"'),
    "calls": ("calls", "call_id"),
}  # fmt: skip


def plain(value: Any) -> Any:
    """A value of a column as the fold has it."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if type(value).__name__ == "UUID" else value


async def stored(store: PostgresStore, name: str, fields: Iterable[str]) -> list[dict[str, Any]]:
    table, order = TABLES[name]
    columns = ", ".join(f"{field}::text" if field in ("needs", "detail") else field for field in fields)
    rows = await (await store.pool()).fetch(f"select {columns} from {table} order by {order}")
    found = [{key: plain(value) for key, value in row.items()} for row in rows]
    for row in found:
        for field in {"needs", "detail"} & row.keys():
            row[field] = msgspec.json.decode(row[field])
    return found


async def check(store: PostgresStore, entries: Iterable[DistributionEntry]) -> None:
    folded = fold_visits(entries)
    close_lost(folded.talks)
    for name in folded.__struct_fields__:
        expected = [msgspec.structs.asdict(each) for each in getattr(folded, name)]
        if expected:
            assert await stored(store, name, expected[0]) == expected
        else:
            assert await (await store.pool()).fetchval(f"select count(*) from {TABLES[name][0]}") == 0


async def test_a_visit(store: PostgresStore):
    entries = [entry for number in range(0, 1000, 100) for entry in visit(number)]
    assert await store.write(entries) == []
    await check(store, entries)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_visit_batches())
async def test_postgres_holds_what_the_fold_says(store: PostgresStore, batches: list[list[DistributionEntry]]):
    entries = [entry for batch in batches for entry in batch]
    await (await store.pool()).execute("truncate calls, agent_states, recordings cascade")
    for batch in batches:
        assert await store.write(batch) == []
    await check(store, entries)
    for batch in batches:  # again, as after a crash before the acknowledgement
        assert await store.write(batch) == []
    await check(store, entries)
    assert await store.write(entries) == []
    await check(store, entries)


async def test_the_calls_start_may_come_after(store: PostgresStore):
    start, entries = history()[0], visit()
    assert isinstance(start, CallStarted)
    await store.write(entries)
    await store.write([start])
    row = await (await store.pool()).fetchrow("select started_at, called_number from calls")
    assert tuple(row or ()) == (start.at, "0800123456")
    await store.write(entries)
    assert await (await store.pool()).fetchval("select started_at from calls") == start.at


async def test_calls_and_visits_are_stored_together_or_not_at_all(store: PostgresStore):
    first = visit()[0]
    assert isinstance(first, QueueEntered)
    bad = msgspec.structs.replace(first, visit=0)
    whole: list[Entry] = [*history(), *visit(), bad, *history(1)]
    (rejection,) = await store.write(whole)
    assert whole[rejection.index] == bad
    assert rejection.reason.startswith("CheckViolationError")
    await check_counts(store, calls=2, queue_visits=1, talks=1, offers=2)


async def check_counts(store: PostgresStore, **wanted: int) -> None:
    pool = await store.pool()
    assert {table: await pool.fetchval(f"select count(*) from {table}") for table in wanted} == wanted


async def test_refused_entries_do_not_take_others_with_them(store: PostgresStore):
    good = visit()
    bad: list[DistributionEntry] = []
    for entry in good:
        match entry:
            case QueueExited():
                bad.append(msgspec.structs.replace(entry, visit=2, exit="bored"))
            case OfferEnded(offer=1):
                bad.append(msgspec.structs.replace(entry, offer=9, outcome="42"))
            case TalkEnded():
                bad.append(msgspec.structs.replace(entry, talk=0))
    mixed = [*good[:3], bad[0], *good[3:8], bad[1], bad[2], *good[8:]]
    rejections = await store.write(mixed)
    assert [mixed[rejection.index] for rejection in rejections] == bad
    await check(store, good)


async def test_two_controllers_that_write_at_once_leave_one_open_talk(database: str):
    stores = [PostgresStore(database) for _ in range(4)]
    talks = [
        [entry for entry in visit(number, agent="claire.d") if isinstance(entry, TalkStarted)]
        for number in range(60)
    ]  # fmt: skip
    try:
        for first in range(0, 60, 4):
            refused = await asyncio.gather(
                *(store.write(talk) for store, talk in zip(stores, talks[first : first + 4], strict=True))
            )
            assert list(refused) == [[], [], [], []]
        pool = await stores[0].pool()
        assert await pool.fetchval("select count(*) from talks where ended_at is null") == 1
        await check(stores[0], [talk for each in talks for talk in each])
    finally:
        for store in stores:
            await store.close()


async def test_an_end_that_was_seen_replaces_a_lost_one(store: PostgresStore):
    def talk(number: int) -> list[DistributionEntry]:
        return [entry for entry in visit(number) if isinstance(entry, (TalkStarted, TalkEnded))]

    await store.write([talk(0)[0]])
    await store.write([talk(30)[0]])
    pool = await store.pool()
    ends = "select how, ended_at from talks order by started_at"
    lost, running = await pool.fetch(ends)
    assert tuple(lost) == ("lost", START + timedelta(seconds=40))
    assert tuple(running) == (None, None)
    await store.write([talk(0)[1]])
    assert [row["how"] for row in await pool.fetch(ends)] == ["hangup", None]


async def test_a_message_is_new_when_it_is_kept(store: PostgresStore):
    kept = next(entry for entry in visit() if type(entry).__name__ == "AudioKept")
    await store.write([msgspec.structs.replace(kept, kind="message")])
    pool = await store.pool()
    assert await pool.fetchval("select count(*) from messages where heard_at is null") == 1
    await pool.execute("update messages set heard_at = now(), heard_by = 'claire.d'")
    await store.write([msgspec.structs.replace(kept, kind="message")])
    assert await pool.fetchval("select count(*) from messages where heard_at is null") == 0
