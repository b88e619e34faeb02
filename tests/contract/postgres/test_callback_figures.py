"""Figures of call-backs against the same figures counted plainly, from the same requests."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from controller.api import PostgresBook
from controller.callback.figures import CallbackConversion, CallbackFigures
from controller.callback.model import FINAL, NOT_DIALLED, Attempt, Origin, Outcome, Request, RequestState, When
from controller.errors import StoreConflict
from controller.postgres.callbackfigures import PostgresCallbackFigures
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from controller.web.api.records import ConversionQuery, FiguresQuery, RecordRoutes
from controller.web.api.routes import ApiRequest
from tests.contract.postgres.callbacks import DAY, MINUTE, NOW, attempt, request

S = timedelta(seconds=1)
BEGIN, END = NOW - DAY, NOW + 2 * DAY
INSERT = """
insert into callback_attempts (
    attempt_id, request_id, fence, token, number, caller_id, agent, node, claimed_at, state,
    dialled_at, answered_at, connected_at, ended_at, outcome)
values ($1, $2, $3, 1, '', '', 'claire.d', 'one', $4, case when $9::text is null then 'dialled' else 'ended' end,
        $5, $6, $7, $8, $9)
"""
PAID = """
insert into outbound_calls (at, attempt_id, request_id, number, purpose, allowed, dialled, talk_s, cost, ended_at)
values ($1, $2, $3, '', 'requested', true, true, 1, $4, $1)
"""


@dataclass
class Case:
    """A request with its attempts, the calls' costs and codes.

    Of an attempt: when Asterisk took it, was answered and connected, how it ended, what the call has cost. What the
    dialplan's gate held back had been taken by Asterisk, too.
    """

    request: Request
    attempts: list[tuple[Attempt, datetime | None, datetime | None, datetime | None, Outcome, float]]
    code: str = ""

    @property
    def first(self) -> datetime | None:
        return min((each[1] for each in self.dials if each[1]), default=None)

    @property
    def dials(self) -> list[tuple[Attempt, datetime | None, datetime | None, datetime | None, Outcome, float]]:
        return [each for each in self.attempts if each[1] and each[4] not in NOT_DIALLED]

    @property
    def wanted(self) -> datetime:
        return self.request.slot_at or self.request.created_at


def made(dice: random.Random) -> Case:
    """A request of the last day with up to three attempts, of which the last may be a talk."""
    created = NOW + dice.randrange(86_400) * S
    state = dice.choice(sorted(RequestState))
    slot = created + 2 * DAY / 3 if dice.random() < 0.3 else None
    attempts = []
    at = slot or created
    outcomes = [Outcome(dice.choice(sorted(set(Outcome) - {Outcome.TALKED}))) for _ in range(dice.randrange(3))]
    if state is RequestState.DONE:
        outcomes.append(Outcome.TALKED)
    asked = request(
        state=state,
        queue=dice.choice(("sales", "support")),
        created_at=created,
        slot_at=slot,
        when=When.ASAP if slot is None else When.SLOT,
        promised_at=dice.choice((None, at + 300 * S, at + 3000 * S)),
        ended_at=at + DAY if state in FINAL else None,
        fence=len(outcomes),
        tries=len(outcomes),
        outcome=outcomes[-1] if outcomes else None,
        origin=Origin(dice.choice(("", "/a", "/b")), dice.choice(("", "winter"))),
    )
    for fence, outcome in enumerate(outcomes, 1):
        at += dice.randrange(900) * S
        talked = outcome is Outcome.TALKED
        dialled = None if outcome in NOT_DIALLED and dice.random() < 0.5 else at
        answered = at + 10 * S if talked or outcome is Outcome.VOICEMAIL else None
        one = attempt(asked, claimed_at=at, fence=fence, ended_at=at + 100 * S)
        cost = dice.randrange(100) / 100
        attempts.append((one, dialled, answered, at + 20 * S if talked else None, outcome, cost))
    return Case(asked, attempts, dice.choice(("sold", "")) if state is RequestState.DONE else "")


async def store_all(store: PostgresStore, cases: Sequence[Case]) -> None:
    callbacks = PostgresCallbacks(store)
    pool = await store.pool()
    for case in cases:
        assert (await callbacks.add(case.request)).new
        for one, dialled, answered, connected, outcome, cost in case.attempts:
            await pool.execute(
                INSERT, one.attempt_id, one.request_id, one.fence, one.claimed_at, dialled, answered, connected,
                one.ended_at, outcome,
            )  # fmt: skip
            if dialled:
                await pool.execute(PAID, dialled, one.attempt_id, one.request_id, cost)
        if case.code:
            talk = case.attempts[-1][0]
            await pool.execute("insert into calls (call_id, started_at) values ($1, $2)", talk.attempt_id, NOW)
            await pool.execute(
                "insert into dispositions (call_id, agent, at, code) values ($1, 'claire.d', $2, $3)",
                talk.attempt_id, NOW, case.code,
            )  # fmt: skip


def promise(case: Case) -> str:
    told, state = case.request.promised_at, case.request.state
    if told is None:
        return ""
    if case.first is not None:
        return "kept" if case.first <= told else "late"
    over = case.request.ended_at
    if over is None:
        return "broken"  # these are of the past
    return "" if state in {"cancelled", "refused"} and over <= told else "broken"


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def plain_figures(cases: Sequence[Case], queue: str, day: datetime) -> CallbackFigures:
    states = Counter(str(case.request.state) for case in cases)
    outcomes = Counter(str(each[4]) for case in cases for each in case.attempts)
    promises = Counter(promise(case) for case in cases)
    waits = [(case.first - case.wanted).total_seconds() for case in cases if case.first]
    dials = [each for case in cases for each in case.dials]
    cost = sum(each[5] for each in dials)
    ended = states["done"] + states["failed"] + states["refused"] + states["expired"]
    return CallbackFigures(
        queue=queue,
        starts_at=day,
        ends_at=day + DAY,
        requests=len(cases),
        open=states["scheduled"] + states["waiting"] + states["dialling"],
        **{name: states[name] for name in ("done", "failed", "refused", "cancelled", "expired")},
        called=len(waits),
        wait_s=sum(waits),
        longest_wait_s=max(waits, default=0.0),
        promised=sum(case.request.promised_at is not None for case in cases),
        promises_kept=promises["kept"],
        promises_late=promises["late"],
        promises_broken=promises["broken"],
        attempts=len(dials),
        **{
            name: outcomes[name]
            for name in ("talked", "busy", "no_answer", "unreachable", "voicemail", "lost", "blocked", "no_agent")
        },
        rejected=outcomes["refused"],
        failed_calls=outcomes["failed"],
        left_before=outcomes["left"],
        other_outcomes=outcomes["cancelled"] + outcomes["declined"] + outcomes["rescheduled"],
        talk_s=80.0 * states["done"],
        cost=pytest.approx(cost),  # type: ignore[arg-type]
        reach=share(states["done"], ended),
        kept_rate=share(promises["kept"], promises["kept"] + promises["late"] + promises["broken"]),
        mean_wait_s=share(sum(waits), len(waits)),
        answer_rate=share(sum(each[2] is not None for each in dials), len(dials)),
        calls_each=share(len(dials), len(waits)),
        cost_each=pytest.approx(share(cost, states["done"])),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_as_counted_plainly(store: PostgresStore, seed: int):
    dice = random.Random(seed)
    cases = [made(dice) for _ in range(60)]
    await store_all(store, cases)
    book = PostgresCallbackFigures(store)
    zone = ZoneInfo("Europe/Paris")
    days: dict[tuple[str, datetime], list[Case]] = defaultdict(list)
    for case in cases:
        local = case.request.created_at.astimezone(zone)
        days[(case.request.queue, datetime(local.year, local.month, local.day, tzinfo=zone))].append(case)
    midnight = datetime(2026, 3, 1, tzinfo=zone)
    found = await book.queues(midnight, midnight + 4 * DAY, zone="Europe/Paris")
    assert found == [plain_figures(each, queue, day) for (queue, day), each in sorted(days.items())]
    hours = await book.queues(midnight, midnight + 4 * DAY, interval="60m", zone="Europe/Paris", queue="sales")
    assert sum(each.requests for each in hours) == sum(case.request.queue == "sales" for case in cases)
    assert {each.queue for each in hours} == {"sales"}


@pytest.mark.parametrize("seed", range(3))
async def test_conversion_by_where_they_came_from(store: PostgresStore, seed: int):
    dice = random.Random(seed)
    cases = [made(dice) for _ in range(60)]
    await store_all(store, cases)
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[(case.request.queue, case.request.origin.campaign, case.request.origin.page)].append(case)
    found = await PostgresCallbackFigures(store).conversion(BEGIN, END)
    assert {(each.queue, each.campaign, each.page): each for each in found} == {
        key: conversion(each) for key, each in groups.items()
    }
    assert sum(each.requests for each in found) == 60


def conversion(cases: Sequence[Case]) -> CallbackConversion:
    first = cases[0].request
    states = Counter(case.request.state for case in cases)
    is_open = sum(number for state, number in states.items() if state not in FINAL)
    cost = sum(each[5] for case in cases for each in case.dials)
    done = states[RequestState.DONE]
    return CallbackConversion(
        queue=first.queue,
        source="web",
        campaign=first.origin.campaign,
        medium="",
        page=first.origin.page,
        requests=len(cases),
        open=is_open,
        cancelled=states[RequestState.CANCELLED],
        called=sum(case.first is not None for case in cases),
        talked=done,
        talk_s=80.0 * done,
        dispositions=dict(Counter(case.code for case in cases if case.code)),
        cost=pytest.approx(cost),  # type: ignore[arg-type]
        conversion=share(done, len(cases) - is_open),
        cost_each=pytest.approx(share(cost, done)),
    )


async def test_pages_count_without_what_follows_a_question_mark(store: PostgresStore):
    callbacks = PostgresCallbacks(store)
    for page in ("/pay?id=1", "/pay?id=2", "/pay#top", "/pay"):
        await callbacks.add(request(origin=Origin(page)))
    [row] = await PostgresCallbackFigures(store).conversion(BEGIN, END)
    assert (row.page, row.requests, row.open, row.conversion) == ("/pay", 4, 4, None)


async def test_what_cannot_be_asked(store: PostgresStore):
    book = PostgresCallbackFigures(store)
    assert await book.queues(BEGIN, END) == []
    assert await book.conversion(BEGIN, END) == []
    with pytest.raises(StoreConflict, match="figures by 'week'"):
        await book.queues(BEGIN, END, interval="week")
    with pytest.raises(StoreConflict, match="Mars/Olympus"):
        await book.queues(BEGIN, END, zone="Mars/Olympus")


async def test_a_promise_is_broken_when_its_time_is_over_and_not_before(store: PostgresStore):
    callbacks = PostgresCallbacks(store)
    now: datetime = await (await store.pool()).fetchval("select now()")
    for promised in (now - MINUTE, now + DAY):
        await callbacks.add(request(created_at=now - DAY / 2, promised_at=promised))
    found: list[asyncpg.Record] = await (await store.pool()).fetch(
        "select promise from callback_outcomes order by promised_at"
    )
    assert [row[0] for row in found] == ["broken", None]


async def test_what_the_gate_held_back_keeps_no_promise_and_costs_nothing(store: PostgresStore):
    asked = request(promised_at=NOW + 10 * MINUTE, state=RequestState.FAILED, ended_at=NOW + DAY, fence=1)
    held_back = attempt(asked, fence=1, ended_at=NOW + MINUTE)
    await store_all(store, [Case(asked, [(held_back, NOW + MINUTE, None, None, Outcome.BLOCKED, 0.7)])])
    [figures] = await PostgresCallbackFigures(store).queues(BEGIN, END)
    assert (figures.attempts, figures.called, figures.blocked, figures.cost) == (0, 0, 1, 0)
    assert (figures.promises_kept, figures.promises_broken, figures.answer_rate) == (0, 1, None)
    [row] = await PostgresCallbackFigures(store).conversion(BEGIN, END)
    assert (row.called, row.cost) == (0, 0)
    assert await (await store.pool()).fetchval("select count(*) from outbound_days") == 0


async def test_while_an_attempt_goes_on_it_counts(store: PostgresStore):
    asked = request(state=RequestState.DIALLING, fence=1)
    assert (await PostgresCallbacks(store).add(asked)).new
    one = attempt(asked, fence=1)
    await (await store.pool()).execute(
        INSERT, one.attempt_id, one.request_id, 1, one.claimed_at, NOW + MINUTE, None, None, None, None
    )
    [figures] = await PostgresCallbackFigures(store).queues(BEGIN, END)
    assert (figures.attempts, figures.called, figures.mean_wait_s) == (1, 1, 60.0)


async def test_the_database_knows_which_outcomes_called_nobody(store: PostgresStore):
    rows: list[asyncpg.Record] = await (await store.pool()).fetch(
        "select outcome from unnest($1::text[]) outcome where nobody_was_called(outcome)", list(Outcome)
    )
    assert {row[0] for row in rows} == NOT_DIALLED


async def test_over_the_api(store: PostgresStore):
    cases = [made(random.Random(number)) for number in range(5)]
    await store_all(store, cases)
    routes = {route.name: route for route in RecordRoutes(PostgresBook(store)).routes()}
    book = PostgresCallbackFigures(store)
    asked = FiguresQuery(since=BEGIN, until=END, zone="Europe/Paris", only="sales")
    figures = routes["callbackFigures"]
    assert await figures.handler(ApiRequest(None, {}, asked, None, None)) == await book.queues(
        BEGIN, END, zone="Europe/Paris", queue="sales"
    )
    wanted = ConversionQuery(since=BEGIN, until=END)
    assert await routes["callbackConversion"].handler(
        ApiRequest(None, {}, wanted, None, None)
    ) == await book.conversion(BEGIN, END)
