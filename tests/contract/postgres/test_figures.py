"""Figures are what `docs/figures.md` says: as a slow reference has them, on ordinary days and when clocks are set."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controller.cdr.entries import (
    AgentChanged,
    CallEnded,
    CallStarted,
    Disposition,
    Entry,
    OfferEnded,
    OfferMade,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkStarted,
)
from controller.errors import StoreConflict
from controller.ids import CallId, call_id_for
from controller.postgres.figures import PostgresFigures
from controller.postgres.store import PostgresStore
from tests.contract.postgres.reference import DAY, EXIT_COLUMNS, Reference, Sums, intervals, sorted_out

QUARTER, HALF, HOUR = (timedelta(minutes=minutes) for minutes in (15, 30, 60))
ZONES = ("Europe/Paris", "UTC", "America/Havana", "Asia/Kathmandu", "Africa/Cairo", "America/St_Johns")
NIGHTS = {
    "spring in Paris": datetime(2026, 3, 28, 22, tzinfo=UTC),
    "autumn in Paris": datetime(2025, 10, 25, 21, tzinfo=UTC),
    "midnight twice in Havana": datetime(2025, 11, 2, 2, tzinfo=UTC),
    "no midnight in Cairo": datetime(2026, 4, 23, 18, tzinfo=UTC),
    "nothing set": datetime(2026, 3, 2, 6, tzinfo=UTC),
}


def random_records(seed: int, begin: datetime, hours: int = 9, calls: int = 40) -> list[Entry]:
    """Calls of some hours from `begin` on, in two queues with three agents; some are left unfinished."""
    chance = random.Random(seed)
    entries: list[Entry] = []
    free_at = dict.fromkeys(("a.one", "b.two", "c.three"), begin)
    entries += [AgentChanged(agent, begin, "free", "ready") for agent in free_at]
    starts = sorted(chance.uniform(0, hours * 3600) for _ in range(calls))
    for number, seconds in enumerate(starts):
        at = begin + timedelta(milliseconds=int(seconds * 1000))
        call_id = call_id_for(f"figures.{number}", at)
        called = chance.choice(("0800", "0801"))
        entries.append(CallStarted(call_id, at, f"c{number}", called, "+331", "", "main", "r", "fr", "ari", "n"))
        for visit in range(1, chance.choice((1, 1, 2)) + 1):
            at = _visit(chance, entries, call_id, visit, at, free_at)
        if chance.random() < 0.9:
            disposition = chance.choice((Disposition.TALKED, Disposition.ABANDONED))
            at += timedelta(seconds=1)
            entries.append(CallEnded(call_id, at, disposition, Party.CALLER, 16))
    return entries


def _visit(
    chance: random.Random,
    entries: list[Entry],
    call_id: CallId,
    visit: int,
    at: datetime,
    free_at: dict[str, datetime],
) -> datetime:
    queue = chance.choice(("sales", "support"))
    levels = chance.choice(((20.0, 5.0), (60.0, 10.0), (None, None)))
    estimate_s = chance.choice((None, chance.uniform(0, 90)))
    entries.append(QueueEntered(call_id, visit, queue, at, at, 0, {}, 1, estimate_s, "", *levels))
    at += timedelta(milliseconds=chance.choice((0, 4999, 5000, 20_000, 20_001, 61_000)))
    agent = chance.choice(list(free_at))
    how = chance.choice([*EXIT_COLUMNS, "connected", "connected", "connected"])
    offer_at = at
    outcome = chance.choice(("no_answer", "declined", "elsewhere", "customer_left"))
    entries.append(OfferMade(call_id, visit, 2 * visit - 1, "b.two", queue, offer_at))
    if chance.random() < 0.9:
        entries.append(OfferEnded(call_id, 2 * visit - 1, at, outcome))
    if not how:
        return at
    if how != "connected" or free_at[agent] > at:
        entries.append(QueueExited(call_id, visit, at, "abandoned" if how == "connected" else how))
        return at
    entries.append(OfferMade(call_id, visit, 2 * visit, agent, queue, offer_at))
    entries.append(OfferEnded(call_id, 2 * visit, at, "connected"))
    entries.append(QueueExited(call_id, visit, at, "connected", agent))
    at += timedelta(milliseconds=1)  # an agent's changes are at different times
    entries.append(TalkStarted(call_id, visit, visit, agent, queue, at))
    entries.append(AgentChanged(agent, at, "talking", "ready", queue=queue, call_id=call_id))
    length_s = chance.choice((7, 400, 4000))
    at += timedelta(seconds=length_s)
    how_ended = chance.choice(("hangup", "transfer_blind", "transfer_attended", "escalated", "parked"))
    entries.append(TalkEnded(call_id, visit, at, Party.CALLER, length_s * chance.random(), how_ended))
    entries.append(AgentChanged(agent, at, "wrap_up", "ready", queue=queue, call_id=call_id))
    after = at + timedelta(seconds=chance.choice((3, 1000)))
    state = chance.choice(("free", "paused", "logged_out", "unreachable", "busy"))
    entries.append(AgentChanged(agent, after, state, "ready"))
    free_at[agent] = after + timedelta(seconds=1)
    return at


def sums_of(rows: list[asyncpg.Record], key: str, columns: set[str]) -> Sums:
    found: Sums = {}
    for row in rows:
        sums = {name: float(row[name]) for name in columns & set(row.keys()) if row[name]}
        found[row[key], row["starts_at"]] = sums
    return found


def agree(rows: list[asyncpg.Record], key: str, expected: Sums) -> None:
    columns = {name for row in expected.values() for name in row}
    found = sums_of(rows, key, columns)
    wanted = {where: {name: value for name, value in row.items() if value} for where, row in expected.items()}
    wanted = {where: row for where, row in wanted.items() if row}
    assert found.keys() == wanted.keys()
    for where, row in wanted.items():
        known = {name: value for name, value in row.items() if name in set(rows[0].keys())}
        assert found[where] == pytest.approx(known, abs=0.01), where


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database, timeout=5)
    yield connection
    await connection.close(timeout=5)


async def figures(
    connection: Any, name: str, begin: datetime, end: datetime, span: timedelta, zone: str
) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        f"select * from {name}_figures($1, $2, $3, $4)", begin, end, span, zone
    )
    return rows


@pytest.mark.parametrize("night", NIGHTS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    span=st.sampled_from((QUARTER, HALF, HOUR, DAY)),
    zone=st.sampled_from(ZONES),
    cut_s=st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)),
)
@example(seed=1, span=HOUR, zone="Europe/Paris", cut_s=(0, 0))
@example(seed=2, span=DAY, zone="America/Havana", cut_s=(1, 1))
async def test_figures_are_those_of_the_reference(
    store: PostgresStore, night: str, seed: int, span: timedelta, zone: str, cut_s: tuple[int, int]
):
    begin = NIGHTS[night]
    entries = random_records(seed, begin)
    pool = await store.pool()
    await pool.execute("truncate calls, agent_states cascade")
    assert await store.write(entries) == []
    begin, end = begin + timedelta(seconds=cut_s[0]), begin + timedelta(hours=10, seconds=-cut_s[1])
    reference = Reference(sorted_out(entries), begin, end, span, zone)
    agree(await figures(pool, "queue", begin, end, span, zone), "queue", reference.queues())
    agree(await figures(pool, "agent", begin, end, span, zone), "agent", reference.agents())
    agree(await figures(pool, "number", begin, end, span, zone), "called_number", renamed(reference.numbers()))


def renamed(sums: Sums) -> Sums:
    """The columns of numbers, where they have other names than those of queues."""
    names = {"offered": "visits_offered", "answered": "visits_answered"}
    return {where: {names.get(name, name): value for name, value in row.items()} for where, row in sums.items()}


@pytest.mark.parametrize(
    ("night", "zone"),
    [
        ("spring in Paris", "Europe/Paris"),
        ("autumn in Paris", "Europe/Paris"),
        ("midnight twice in Havana", "America/Havana"),
        ("no midnight in Cairo", "Africa/Cairo"),
        ("nothing set", "Asia/Kathmandu"),
    ],
)
async def test_sums_over_intervals_are_those_of_the_day(store: PostgresStore, night: str, zone: str):
    begin = NIGHTS[night]
    end = begin + timedelta(hours=10)
    await store.write(random_records(7, begin))
    pool = await store.pool()
    for name, key, additive in (
        ("queue", "queue", QUEUE_SUMS), ("agent", "agent", AGENT_SUMS), ("number", "called_number", NUMBER_SUMS),
    ):  # fmt: skip
        totals = []
        for span in (DAY, HOUR, HALF, QUARTER):
            total: dict[str, Counter[str]] = defaultdict(Counter)
            for row in await figures(pool, name, begin, end, span, zone):
                total[row[key]].update({column: float(row[column]) for column in additive})
            totals.append({(each, column): total[each][column] for each in total for column in additive})
        assert totals[1:] == [pytest.approx(totals[0])] * 3


QUEUE_SUMS = (
    "entered", "waiting", "refused", "moved", "offered", "answered", "in_level", "abandoned", "short_abandoned",
    "timeouts", "no_agents", "callbacks", "messages", "failed", "answered_wait_s", "abandoned_wait_s", "estimated",
    "estimate_error_sum_s", "estimate_missed_by_sum_s", "offers", "offers_missed", "talks", "talk_s", "hold_s",
    "wrap_up_s", "transferred",
)  # fmt: skip
AGENT_SUMS = (
    "logged_in_s", "free_s", "ringing_s", "talking_s", "wrapping_up_s", "paused_s", "unreachable_s", "busy_s",
    "offers", "offers_answered", "offers_missed", "talks", "talk_s", "hold_s", "wrap_up_s", "transferred",
)  # fmt: skip
NUMBER_SUMS = (
    "calls", "calls_answered", "calls_queued", "calls_talked", "calls_abandoned", "duration_s", "visits_offered",
    "visits_answered", "in_level", "abandoned", "short_abandoned", "answered_wait_s", "talks", "talk_s", "hold_s",
    "wrap_up_s", "transferred",
)  # fmt: skip


async def test_shares_and_means_follow_from_the_sums(store: PostgresStore):
    begin = NIGHTS["nothing set"]
    await store.write(random_records(3, begin, calls=80))
    pool = await store.pool()
    end = begin + timedelta(hours=12)
    rows = await figures(pool, "queue", begin, end, DAY, "UTC")
    assert len(rows) == 2
    for row in rows:
        handled_s = row["talk_s"] + row["hold_s"] + row["wrap_up_s"]
        assert row["service_level"] == row["in_level"] / row["offered"]
        left, offered = row["abandoned"] - row["short_abandoned"], row["offered"] - row["short_abandoned"]
        assert row["abandonment"] == left / offered
        assert row["speed_of_answer_s"] == pytest.approx(row["answered_wait_s"] / row["answered"])
        assert row["handling_s"] == pytest.approx(handled_s / row["talks"])
        assert row["transfer_rate"] == row["transferred"] / row["talks"]
        assert row["offers_missed_rate"] == row["offers_missed"] / row["offers"]
        assert row["estimate_error_s"] == pytest.approx(row["estimate_error_sum_s"] / row["estimated"])
        assert row["estimate_missed_by_s"] == pytest.approx(row["estimate_missed_by_sum_s"] / row["estimated"])
        length_s = (row["ends_at"] - row["starts_at"]).total_seconds()
        assert row["workload"] == pytest.approx(handled_s / length_s)
    for row in await figures(pool, "agent", begin, end, DAY, "UTC"):
        occupied_s = row["talking_s"] + row["wrapping_up_s"]
        assert row["occupancy"] == pytest.approx(occupied_s / (occupied_s + row["free_s"] + row["ringing_s"]))
    for row in await figures(pool, "number", begin, end, DAY, "UTC"):
        assert row["service_level"] == row["in_level"] / row["visits_offered"]


async def test_intervals_follow_the_clock_on_the_wall(connection: Any):
    for night, zone, span in product(NIGHTS.values(), ZONES, (QUARTER, HALF, HOUR, DAY)):
        begin = night + timedelta(minutes=7)
        end = begin + timedelta(hours=26, minutes=1)
        found = await connection.fetch("select * from figure_intervals($1, $2, $3, $4)", begin, end, span, zone)
        assert [tuple(row) for row in found] == intervals(begin, end, span, zone), (night, zone, span)


async def test_days_of_23_and_25_hours(connection: Any):
    for begin, hours in ((datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2025, 10, 25, 22, tzinfo=UTC), 25)):
        (day,) = await connection.fetch(
            "select * from figure_intervals($1, $2, '1 day', 'Europe/Paris')", begin, begin + timedelta(hours=hours)
        )
        assert day["ends_at"] - day["starts_at"] == timedelta(hours=hours)


async def test_half_an_hour_is_set_on_lord_howe_island(connection: Any):
    """Where the clock is set by half an hour, hours are cut differently; none overlaps, none is missing."""
    begin = datetime(2025, 10, 4, 12, tzinfo=UTC)
    for span in (QUARTER, HALF, HOUR, DAY):
        for minutes in (0, 15, 25, 40, 55):
            first, last = begin + timedelta(minutes=minutes), begin + timedelta(hours=8)
            found = await connection.fetch(
                "select * from figure_intervals($1, $2, $3, 'Australia/Lord_Howe')", first, last, span
            )
            assert (found[0]["starts_at"], found[-1]["ends_at"]) == (first, last)
            assert all(a["ends_at"] == b["starts_at"] for a, b in pairwise(found))
            assert all(row["ends_at"] > row["starts_at"] for row in found)


async def test_what_cannot_be_asked(connection: Any):
    begin = NIGHTS["nothing set"]
    for span, zone, end, said in (
        (timedelta(minutes=20), "UTC", begin + DAY, "15, 30 or 60 minutes or by the day"),
        (QUARTER, "Mars/Olympus", begin + DAY, "Mars/Olympus"),
        (QUARTER, "UTC", begin + 4000 * DAY, "ask for less"),
    ):
        with pytest.raises(asyncpg.DataError, match=said):
            await figures(connection, "queue", begin, end, span, zone)
    assert await figures(connection, "queue", begin, begin, DAY, "UTC") == []
    assert await figures(connection, "agent", begin, begin - DAY, DAY, "UTC") == []


async def test_figures_as_structures(store: PostgresStore):
    begin = NIGHTS["nothing set"]
    end = begin + DAY
    await store.write(random_records(3, begin, calls=80))
    asked = PostgresFigures(store)
    pool = await store.pool()
    for rows, name in (
        (await asked.queues(begin, end, interval="60m", zone="Europe/Paris"), "queue"),
        (await asked.agents(begin, end, interval="60m", zone="Europe/Paris"), "agent"),
        (await asked.numbers(begin, end, interval="60m", zone="Europe/Paris"), "number"),
    ):
        expected = await figures(pool, name, begin, end, HOUR, "Europe/Paris")
        assert [msgspec.structs.asdict(row) for row in rows] == [dict(row) for row in expected]
    assert {row.queue for row in await asked.queues(begin, end, queue="sales")} == {"sales"}
    for interval, zone in (("week", "UTC"), ("day", "Mars/Olympus")):
        with pytest.raises(StoreConflict, match=r"week|Mars"):
            await asked.queues(begin, end, interval=interval, zone=zone)
