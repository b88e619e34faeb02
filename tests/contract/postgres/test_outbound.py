"""What calls outside leave in Postgres: ceilings that hold, a list that outlives an erasure, costs."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from controller.cli import cli
from controller.errors import StoreError
from controller.numbering.model import NumberKind
from controller.numbering.tariffs import Tariff, TariffTable
from controller.outbound.gate import judge
from controller.outbound.model import Ceilings, Number, OutboundAsk, OutboundRules, Purpose, Usage, Verdict
from controller.postgres.outbound import PostgresOutbound
from controller.postgres.retention import PostgresRetention, Retention, number_hash
from controller.postgres.statements import statement
from controller.postgres.store import PostgresStore

KEY = b"a key of sixteen bytes or more"
OURS = Number("+33353014700")
CUSTOMER = Number("+33639980001")
TABLE = TariffTable("EUR", {"FR": Tariff(0.6, connection=0.1)}, {})
RULES = OutboundRules(
    off=False,
    caller_id=OURS,
    owned=frozenset({OURS}),
    countries=frozenset({"FR"}),
    kinds=frozenset({NumberKind.FIXED, NumberKind.MOBILE}),
    ceilings=Ceilings(hour=10.0, day=20.0, number=50.0, calls=100),
    tariffs=TABLE,
)
ASK = OutboundAsk(number=CUSTOMER, purpose=Purpose.REQUESTED, consent=True, expected_s=190.0)
ONE = 0.1 + 0.6 * 190 / 60  # 2.0


def now() -> datetime:
    return datetime.now(UTC)


def an_attempt() -> str:
    return uuid4().hex


@pytest_asyncio.fixture
async def outbound(store: PostgresStore) -> PostgresOutbound:
    return PostgresOutbound(store, KEY)


async def reserve(outbound, attempt=None, ask=ASK, at=None, rules=RULES):
    at = at or now()
    number = Number(ask.number)
    return await outbound.reserve(
        ask, attempt or an_attempt(), number, at, lambda usage: judge(rules, ask, usage, at)
    )


async def query(database, text, *values):
    connection = await asyncpg.connect(database, timeout=5)
    try:
        return await connection.fetch(text, *values)
    finally:
        await connection.close(timeout=5)


async def test_a_number_nobody_has_called_has_no_past(outbound):
    assert await outbound.usage(CUSTOMER, Purpose.REQUESTED, now()) == Usage()


async def test_of_twenty_calls_at_once_only_those_pass_for_which_there_is_room(outbound, database):
    others = [PostgresStore(database) for _ in range(3)]  # as many controllers
    doors = [outbound, *(PostgresOutbound(store, KEY) for store in others)]
    try:
        verdicts = await asyncio.gather(*(reserve(doors[i % 4]) for i in range(20)))
    finally:
        for store in others:
            await store.close()
    assert sorted(verdict.code for verdict in verdicts) == [""] * 5 + ["cost"] * 15
    refused = next(verdict for verdict in verdicts if not verdict.allowed)
    assert refused.rule == "outbound: ceilings: hour: of centre.yaml"
    assert refused.not_before is not None
    assert timedelta(minutes=58) < refused.not_before - now() <= timedelta(minutes=61)
    rows = await query(database, "select allowed, code from outbound_calls")
    assert sorted(map(tuple, rows)) == [(False, "cost")] * 15 + [(True, "")] * 5
    assert (await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())).spent_hour == pytest.approx(5 * ONE)


async def test_of_twenty_calls_to_one_person_at_once_only_the_allowed_number_passes(outbound):
    ask = OutboundAsk(number=CUSTOMER, purpose=Purpose.PROSPECTING, consent=True, expected_s=1.0)
    at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    verdicts = await asyncio.gather(*(reserve(outbound, ask=ask, at=at) for _ in range(20)))
    assert sorted(verdict.code for verdict in verdicts) == [""] * 4 + ["frequency"] * 16


async def test_what_was_reserved_is_freed_by_what_it_has_cost(outbound):
    attempts = [an_attempt() for _ in range(5)]
    for attempt in attempts:
        assert (await reserve(outbound, attempt)).allowed
    assert (await reserve(outbound)).code == "cost"
    await outbound.ended(attempts[0], now(), 0.0, 0.0)  # nobody answered
    await outbound.ended(attempts[1], now(), 30.0, 0.4)
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())
    assert (usage.spent_hour, usage.spent_day, usage.spent_number_day) == (pytest.approx(3 * ONE + 0.4),) * 3
    assert usage.calls_number_day == len(usage.recent) == 5
    assert (await reserve(outbound)).allowed
    assert (await reserve(outbound)).code == "cost"


async def test_the_same_attempt_again_reserves_once_and_does_not_stand_in_its_own_way(outbound):
    rules = OutboundRules(
        **{field: getattr(RULES, field) for field in RULES.__struct_fields__ if field != "ceilings"},
        ceilings=Ceilings(hour=ONE, day=ONE, number=ONE, calls=1),
    )
    attempt = an_attempt()
    for _ in range(3):
        assert (await reserve(outbound, attempt, rules=rules)).allowed
    assert (await reserve(outbound, rules=rules)).code == "frequency"
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())
    assert (usage.spent_day, usage.calls_number_day) == (pytest.approx(ONE), 1)


async def test_a_call_that_was_not_dialled_counts_for_nothing_until_it_is(outbound):
    attempt = an_attempt()
    await reserve(outbound, attempt)
    await outbound.undone(attempt, now())
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())
    assert (usage.spent_hour, usage.recent, usage.calls_number_day) == (0.0, (), 0)
    assert (await reserve(outbound, attempt)).allowed
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())
    assert (usage.spent_hour, len(usage.recent)) == (pytest.approx(ONE), 1)


async def test_a_call_that_runs_longer_than_expected_counts_what_it_costs_by_now(outbound, database):
    attempt = an_attempt()
    started = now() - timedelta(minutes=10)
    await reserve(outbound, attempt, at=started)
    await query(database, "insert into calls (call_id, started_at) values ($1, $2)", attempt, started)
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, started + timedelta(minutes=10))
    assert (usage.spent_hour, usage.spent_number_day) == (pytest.approx(6.1), pytest.approx(6.1))
    # What the record says.
    ended = "update calls set ended_at = $1, disposition = 'talked', ended_by = 'caller', cause = 16"
    await query(database, ended, started + timedelta(minutes=20))
    assert (await reserve(outbound)).code == "cost"  # and it was settled: 12.1 of 10 are spent
    rows = await query(database, "select talk_s, cost from outbound_calls where attempt_id = $1", attempt)
    assert list(map(tuple, rows)) == [(1200.0, pytest.approx(12.1))]


async def test_costs_are_those_of_the_tariff(database):
    for tariff in (Tariff(0.012), Tariff(0.6, 0.1, 60.0), Tariff(0.2, 0.0, 6.0, 30.0)):
        for talk_s in (0.0, 0.5, 1.0, 29.9, 59.0, 60.0, 61.0, 3599.2):
            told = await query(
                database,
                "select tariff_cost($1, $2, $3, $4, $5)",
                *(talk_s, tariff.per_min, tariff.connection, tariff.step_s, tariff.least_s),
            )
            assert told[0][0] == tariff.cost(talk_s)


async def test_days_that_are_over_do_not_count(outbound):
    await reserve(outbound, at=now() - timedelta(hours=25))
    await reserve(outbound, at=now() - timedelta(hours=2))
    usage = await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())
    assert (usage.spent_hour, usage.spent_day) == (0.0, pytest.approx(ONE))
    assert (usage.calls_number_day, len(usage.recent)) == (1, 2)


async def test_a_refusal_is_written_down_with_its_rule(outbound):
    ask = OutboundAsk(number="0899 12 34 56\x00", purpose=Purpose.SERVICE, agent="claire.d")
    verdict = judge(RULES, ask, Usage(), now())
    await outbound.decided(ask, verdict, now())
    await outbound.decided(ASK, Verdict(False, "off", "\x00" + "x" * 500, rule="r"), now())
    refusals = await outbound.refusals(now() - timedelta(minutes=1))
    assert [(each.code, each.number, len(each.message)) for each in refusals] == [
        ("off", "", 300),
        ("unreadable", "", len(verdict.message)),
    ]
    assert (await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())).calls_number_day == 0


async def test_who_is_on_the_list_is_not_called_until_taken_off(outbound):
    at = now()
    await outbound.opt_out(CUSTOMER, None, at, "cli")
    await outbound.opt_out(CUSTOMER, Purpose.PROSPECTING, at, "web")
    usage = await outbound.usage(CUSTOMER, Purpose.PROSPECTING, now())
    assert (usage.opted_out, usage.silent_since) == (True, at)
    assert not (await outbound.usage(CUSTOMER, Purpose.SERVICE, now())).opted_out
    assert (await reserve(outbound, at=at)).code == "opted_out"
    assert (await reserve(outbound, at=at + timedelta(seconds=1))).allowed  # asked for after it
    assert [(each.number, each.purpose, each.source) for each in await outbound.opt_outs(CUSTOMER)] == [
        (CUSTOMER, "prospecting", "web"),
        (CUSTOMER, "", "cli"),
    ]
    assert await outbound.opt_in(CUSTOMER, None, "cli")
    assert not await outbound.opt_in(CUSTOMER, None, "cli")
    assert await outbound.opt_in(CUSTOMER, Purpose.PROSPECTING)
    usage = await outbound.usage(CUSTOMER, Purpose.PROSPECTING, now())
    assert (usage.opted_out, usage.silent_since) == (False, None)


async def test_opting_out_twice_is_one_entry_with_the_later_time(outbound):
    at = now()
    await outbound.opt_out(CUSTOMER, None, at, "cli")
    await outbound.opt_out(CUSTOMER, None, at - timedelta(days=1), "web")
    assert [(each.at, each.source) for each in await outbound.opt_outs()] == [(at, "web")]


async def test_a_refusal_in_a_conversation_is_remembered_by_purpose(outbound):
    at = now()
    await outbound.refused(CUSTOMER, Purpose.PROSPECTING, at, "agent:claire.d")
    assert (await outbound.usage(CUSTOMER, Purpose.PROSPECTING, at)).refused_at == at
    assert (await outbound.usage(CUSTOMER, Purpose.SERVICE, at)).refused_at is None


async def test_an_erased_number_stays_on_the_list_as_a_hash(outbound, store, database):
    await reserve(outbound)
    await outbound.opt_out(CUSTOMER, None, now(), "cli")
    await PostgresRetention(store).erase([CUSTOMER], KEY, "cli")
    for table in ("outbound_calls", "opt_outs"):
        assert CUSTOMER not in str(await query(database, f"select * from {table}"))
    assert (await query(database, "select number_hash from opt_outs"))[0][0] == number_hash(CUSTOMER, KEY)
    assert (await outbound.usage(CUSTOMER, Purpose.SERVICE, now())).silent_since is not None
    assert [each.number for each in await outbound.opt_outs(CUSTOMER)] == [None]


async def test_old_decisions_go_and_the_list_stays(outbound, store):
    long_ago = now() - timedelta(days=100)
    await reserve(outbound, at=long_ago)
    await reserve(outbound)
    await outbound.opt_out(CUSTOMER, None, long_ago, "cli")
    await outbound.refused(CUSTOMER, Purpose.PROSPECTING, long_ago, "agent:a")
    gone = await PostgresRetention(store).purge(Retention(records_days=1), now())
    assert {kind: gone[kind] for kind in ("outbound_calls", "outbound_spent", "opt_outs")} == {
        "outbound_calls": 1,
        "outbound_spent": 1,
        "opt_outs": 1,
    }
    assert [each.kind for each in await outbound.opt_outs()] == ["opt_out"]


async def test_reports_by_day_and_by_own_number(outbound, database):
    attempt, at = an_attempt(), datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    await reserve(outbound, attempt, at=at)
    await outbound.ended(attempt, at, 60.0, 0.7)
    days = await outbound.days(at - timedelta(days=1), at + timedelta(days=1), "Europe/Paris")
    assert [(str(day.day), day.caller_id, day.calls, day.answered, day.talk_s, day.cost) for day in days] == [
        ("2026-11-24", OURS, 1, 1, 60.0, 0.7)
    ]
    call = (
        "insert into calls (call_id, started_at, answered_at, ended_at, called_number, tariff_class, disposition, "
        "ended_by, cause) values ($1, $2, $2, $3, $4, $5, 'completed', 'caller', 16)"
    )
    for number, tariff_class in (("+33199004700", "free"), ("+33199004700", "free"), (OURS, "odd")):
        await query(database, call, an_attempt(), at, at + timedelta(seconds=90), number, tariff_class)
    costs = await outbound.incoming(at, at + timedelta(days=1), {"free": Tariff(0.04)})
    assert [(each.number, each.priced, each.calls, each.cost) for each in costs] == [
        ("+33199004700", True, 2, pytest.approx(0.12)),
        (OURS, False, 1, 0.0),
    ]


async def test_without_postgres_everything_is_a_store_error(tmp_path):
    gone = PostgresStore(f"postgresql://u@/rappel?host={tmp_path}")
    outbound = PostgresOutbound(gone, KEY)
    with pytest.raises(StoreError):
        await reserve(outbound)
    with pytest.raises(StoreError):
        await outbound.usage(CUSTOMER, Purpose.SERVICE, now())
    await gone.close()


async def command(*words: str, **settings: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, cli, [*words], env=settings)


async def test_the_list_and_the_reports_on_the_command_line(outbound, database, tmp_path):
    here = {
        "RAPPEL_POSTGRES_URL": database,
        "RAPPEL_NODE_STATE_DIR": str(tmp_path / "state"),
        "RAPPEL_RETENTION_NUMBER_KEY": KEY.decode(),
        "RAPPEL_CENTRE_FOLDER": str(Path(__file__).parents[3] / "ivr_flows"),
    }
    assert (await command("optout", "list", **here)).output == "Nobody is on the list.\n"
    added = await command("optout", "add", "06 39 98 00 01", "--purpose", "prospecting", "--source", "letter", **here)
    assert added.output == f"{CUSTOMER} is not called any more for prospecting.\n"
    await command("optout", "add", "06 39 98 00 01", **here)
    listed = await command("optout", "list", "+33639980001", **here)
    assert [line.split()[-1] for line in listed.output.splitlines()] == ["source", "cli", "letter"]
    asked = ("outbound", "judge", CUSTOMER, "--purpose", "service")
    refused = await command(*asked, **here)
    assert (refused.exit_code, "refused (opted_out)" in refused.output) == (1, True)
    assert (await command("optout", "remove", CUSTOMER, **here)).exit_code == 0
    assert (await command("optout", "remove", CUSTOMER, **here)).exit_code == 1
    assert "spent: 0.00 of 15" in (await command(*asked, **here)).output
    await outbound.decided(ASK, Verdict(False, "window", "too late", rule="r"), now())
    assert "too late" in (await command("outbound", "refusals", **here)).output
    assert (await command("outbound", "costs", **here)).output.startswith("Nobody was called in that time.")
    await reserve(outbound)
    assert f"{OURS}  api" in (await command("outbound", "costs", **here)).output


async def test_a_call_of_which_nothing_is_known_for_hours_was_not_answered(outbound, database):
    lost = an_attempt()
    await reserve(outbound, lost, at=now() - timedelta(hours=6))
    assert (await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())).spent_day == pytest.approx(ONE)
    await reserve(outbound, at=now() - timedelta(hours=2))
    assert (await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())).spent_day == pytest.approx(ONE)
    rows = await query(database, "select cost, settled from outbound_costs where attempt_id = $1", lost)
    assert list(map(tuple, rows)) == [(0.0, True)]


async def test_the_question_of_the_docs_can_be_asked(outbound, database):
    page = (Path(__file__).parents[3] / "docs" / "outbound.md").read_text(encoding="utf-8")
    question = page.split("```sql\n")[1].split("```")[0]
    await reserve(outbound, at=datetime(2026, 10, 5, 10, 0, tzinfo=UTC))
    rows = await query(database, question.rstrip().rstrip(";"))
    assert [(row["caller_id"], row["source"], row["calls"]) for row in rows] == [(OURS, "api", 1)]


async def test_costs_carry_where_the_request_came_from(outbound, database):
    request = uuid4()
    await query(
        database,
        """
        insert into callback_requests (request_id, queue, number, "when", source, purpose, language, zone, created_at,
            entered_at, due_at, expires_at, first, campaign, state)
        values ($1, 'support', $2, 'asap', 'web', 'requested', 'fr', 'Europe/Paris', now(), now(), now(), now(),
            'customer', 'autumn', 'waiting')
        """,
        *(request, CUSTOMER),
    )
    ask = OutboundAsk(number=CUSTOMER, purpose=Purpose.REQUESTED, consent=True, request=request.hex, agent="claire.d")
    await reserve(outbound, ask=ask)
    rows = await query(
        database,
        "select source, campaign, queue, agent, calls from outbound_days join outbound_costs "
        "using (source, campaign, queue)",
    )
    assert list(map(tuple, rows)) == [("web", "autumn", "support", "claire.d", 1)]


async def test_a_node_with_another_key_still_knows_who_is_on_the_list(outbound, store):
    await outbound.opt_out(CUSTOMER, None, now(), "cli")
    other = PostgresOutbound(store, KEY[::-1])
    assert (await other.usage(CUSTOMER, Purpose.SERVICE, now())).silent_since is not None
    assert len(await other.opt_outs(CUSTOMER)) == 1
    assert await other.opt_in(CUSTOMER, None)


async def test_who_declined_a_call_back_has_refused_its_purpose(outbound, database):
    at = now() - timedelta(days=2)
    declined = """
        insert into callback_requests (request_id, queue, number, "when", source, purpose, language, zone, created_at,
            entered_at, due_at, expires_at, first, state, outcome, ended_at)
        values ($1, 'sales', $2, 'asap', 'api', 'prospecting', 'fr', 'Europe/Paris', $3, $3, $3, $3, 'customer',
            'cancelled', 'declined', $3)
    """
    await query(database, declined, uuid4(), CUSTOMER, at)
    assert (await outbound.usage(CUSTOMER, Purpose.PROSPECTING, now())).refused_at == at
    assert (await outbound.usage(CUSTOMER, Purpose.REQUESTED, now())).refused_at is None
    ask = OutboundAsk(number=CUSTOMER, purpose=Purpose.PROSPECTING, consent=True)
    assert (await reserve(outbound, ask=ask)).code == "frequency"


async def test_a_controller_that_freezes_in_a_reservation_holds_nobody_up_for_long(outbound, database):
    frozen = await asyncpg.connect(database, timeout=5)
    await frozen.execute("begin")
    await frozen.execute(statement("outbound/lock.sql"))  # and not another word
    began = time.monotonic()
    assert (await reserve(outbound)).allowed
    assert 0.5 < time.monotonic() - began < 4.0
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await frozen.execute("select 1")
    frozen.terminate()
