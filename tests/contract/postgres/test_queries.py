from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from controller.cdr.entries import (
    AsteriskCdr,
    CallAnswered,
    CallEnded,
    CallStarted,
    Disposition,
    LegAnswered,
    LegEnded,
    LegStarted,
    Party,
    Role,
    StepTaken,
)
from controller.cdr.fold import fold
from controller.cdr.visits import fold_visits
from controller.ids import CallId, LegId
from controller.postgres import queries
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import claimed
from tests.unit.cdr.distribution import visit
from tests.unit.cdr.histories import START, history


def first(kind: type, number: int = 0) -> Any:
    return next(entry for entry in history(number) if isinstance(entry, kind))


async def test_the_record_of_a_call(store: PostgresStore):
    await store.write(history())
    pool = await store.pool()
    call_id = history()[0].call_id
    record = await queries.call_record(pool, call_id)
    assert record is not None
    assert record.call.disposition is Disposition.TALKED
    assert (record.call.caller_cause, record.call.callee_cause) == (16, 16)
    assert [leg.role for leg in record.legs] == [Role.CALLER, Role.EXTENSION]
    assert [step.seq for step in record.steps] == [1, 2, 3, 4]
    assert record.steps[0] == first(StepTaken)
    way = " → ".join(step.step for step in record.steps)
    assert await queries.ways(pool, [call_id, history(9)[0].call_id]) == {call_id: way}
    assert await queries.call_record(pool, CallId("no id")) is None
    assert await queries.call_record(pool, history(9)[0].call_id) is None


async def test_the_record_of_a_call_in_the_queues(store: PostgresStore):
    entries = visit()
    await store.write([*history(), *entries])
    record = await queries.call_record(await store.pool(), history()[0].call_id)
    assert record is not None
    folded = fold_visits(entries)
    assert list(record.visits) == folded.visits
    assert list(record.offers) == folded.offers
    assert list(record.talks) == folded.talks
    assert list(record.events) == folded.events
    assert list(record.dispositions) == folded.dispositions
    assert [(each.recording_id, each.sha256) for each in record.recordings] == [("r0", "ab" * 32)]
    assert record.talks[0].ended_by is Party.CALLER


async def test_a_supervisor_is_nobody_the_caller_was_connected_to(store: PostgresStore):
    entries = history()
    callee = next(entry for entry in entries if isinstance(entry, LegStarted) and entry.role is Role.EXTENSION)
    agent = msgspec.structs.replace(callee, role=Role.AGENT)
    listening = msgspec.structs.replace(
        callee, leg_id=LegId("5" * 32), role=Role.SUPERVISOR, number="299", at=callee.at + timedelta(seconds=9)
    )
    gone = LegEnded(callee.call_id, listening.leg_id, listening.at + timedelta(seconds=1), 31, "", Party.SYSTEM)
    entries[entries.index(callee)] = agent
    entries[-2:-2] = [listening, gone]
    await store.write(entries)
    pool = await store.pool()
    assert await pool.fetchval("select dialled_number from call_outcomes") == "201"
    assert await pool.fetchval("select dstchannel from cdr") == callee.channel_name
    record = await queries.call_record(pool, callee.call_id)
    assert record is not None
    assert record.call.callee_cause == fold(entries).callee_cause == 16


async def test_a_call_is_found_by_any_of_its_channels(store: PostgresStore):
    await store.write(history())
    pool = await store.pool()
    callers, callees = (entry for entry in history() if isinstance(entry, LegStarted))
    for leg in (callers, callees):
        record = await queries.find_call(pool, leg.channel_id)
        assert record is not None
        assert record.call.call_id == leg.call_id
    assert await queries.find_call(pool, "none") is None


async def test_the_newest_calls(store: PostgresStore):
    await store.write([entry for number in range(5) for entry in history(number)] + history(5)[:5])
    pool = await store.pool()
    calls = await queries.recent_calls(pool, 3)
    assert [call.call_id for call in calls] == [history(number)[0].call_id for number in (5, 4, 3)]
    assert calls[0].ended_at is None
    assert len(await queries.recent_calls(pool)) == 6
    assert await queries.recent_calls(pool, -1) == []


async def test_the_cdr_view_reads_as_asterisks_own(store: PostgresStore):
    busy = history(1, dial=False)
    unanswered = [entry for entry in busy if not isinstance(entry, (CallAnswered, LegAnswered))]
    unanswered[-1] = msgspec.structs.replace(first(CallEnded, 1), cause=17, disposition=Disposition.ABANDONED)
    running = history(2)[:9]
    await store.write(history() + unanswered + running)
    talked, not_answered = await (await store.pool()).fetch("select * from cdr order by calldate")
    assert dict(talked) | {"call_id": None} == {
        "calldate": START,
        "clid": '"Jean" <+33123456789>',
        "src": "+33123456789",
        "dst": "0800123456",
        "dcontext": "main",
        "channel": "PJSIP/trunk-00000000",
        "dstchannel": "PJSIP/201-00000000",
        "lastapp": "Dial",
        "lastdata": "201",
        "duration": 35,
        "billsec": 34,
        "disposition": "ANSWERED",
        "amaflags": 3,
        "accountcode": "free",
        "uniqueid": "1772442000.0",
        "userfield": "talked",
        "linkedid": "1772442000.0",
        "sequence": 0,
        "peeraccount": "",
        "call_id": None,
    }
    assert (not_answered["disposition"], not_answered["billsec"], not_answered["lastapp"]) == ("BUSY", 0, "Stasis")


async def test_outcomes_hold_the_causes_of_both_sides(store: PostgresStore):
    entries = history()
    for index, entry in enumerate(entries):
        if isinstance(entry, LegEnded) and entry.leg_id != first(LegStarted).leg_id:
            entries[index] = msgspec.structs.replace(entry, cause=19, cause_text="No answer")
    await store.write(entries)
    row = await (await store.pool()).fetchrow("select * from call_outcomes")
    assert row is not None
    assert (row["caller_cause"], row["callee_cause"], row["callee_cause_text"]) == (16, 19, "No answer")
    assert (float(row["duration_s"]), float(row["answered_s"]), float(row["talk_s"])) == (35, 34.5, 26)
    assert (row["dialled_number"], row["dialled_leg_ended_by"], row["language"]) == ("201", "callee", "en")


def asterisks(number: int, **fields: str) -> AsteriskCdr:
    start = first(CallStarted, number)
    told = {"Channel": "PJSIP/trunk", "Duration": "35", "BillableSeconds": "34", "Disposition": "ANSWERED"}
    return AsteriskCdr(start.channel_id, start.at + timedelta(seconds=36), told | fields)


async def test_the_ledger_agrees_or_says_where_not(store: PostgresStore):
    calls = [entry for number in range(4) for entry in history(number)]
    strange = AsteriskCdr("77.7", START, {"Channel": "PJSIP/strange", "Disposition": "NO ANSWER"})
    callee = AsteriskCdr(
        next(e for e in history() if isinstance(e, LegStarted) and e.role is Role.EXTENSION).channel_id, START, {}
    )
    await store.write(
        [*calls, asterisks(0), asterisks(1, Duration="90"), asterisks(2, Disposition="NO ANSWER"), strange, callee]
    )
    found = await queries.disagreements(await store.pool(), START, START + timedelta(hours=1))
    assert [(each.uniqueid, each.finding) for each in found] == [
        ("1772442000.1", "duration"),
        ("1772442000.2", "answered or not"),
        ("1772442000.3", "no record of Asterisk's"),
        ("77.7", "no record of ours"),
    ]
    assert (found[0].ours, found[0].asterisks, found[0].call_id) == ("35", "90", history(1)[0].call_id)
    assert await queries.disagreements(await store.pool(), START, START + timedelta(seconds=1)) == [found[3]]


def halves(attempt: str, first: str = "BUSY", second: str = "BUSY") -> list[AsteriskCdr]:
    """Asterisk's records of a dial through the gate, as it wrote them for a telephone that was busy."""
    channel = f"Local/{attempt}@rappel-outbound-00000000"
    dial = {"Channel": f"{channel};2", "Disposition": second, "Duration": "0", "BillableSeconds": "0"}
    way = {"LastApplication": "Dial", "LastData": "PJSIP/+33612345678@trunk,10,i", "Sequence": "1"}
    over = {"LastApplication": "Hangup", "LastData": "17", "Sequence": "3"}
    call = {"LastApplication": "AppDial2", "LastData": "(Outgoing Line)", "Sequence": "0"}
    return [
        AsteriskCdr(f"{attempt};2", START, dial | way),
        AsteriskCdr(f"{attempt};2", START, dial | over),
        AsteriskCdr(attempt, START, dial | call | {"Channel": f"{channel};1", "Disposition": first}),
    ]


async def test_a_dial_through_the_gate_that_is_in_the_books_is_no_disagreement(store: PostgresStore):
    call_back = await claimed(PostgresCallbacks(store))
    answered, decided, foreign, unanswered = (f"{number:032x}" for number in range(4))
    pool = await store.pool()
    for attempt in (answered, decided, unanswered):
        await pool.execute(
            "insert into outbound_calls (at, attempt_id, purpose, allowed) values ($1, $2, 'service', true)",
            START, attempt,
        )  # fmt: skip
    of_anybody = AsteriskCdr(unanswered, START, {"Channel": "PJSIP/trunk-00000007", "Disposition": "BUSY"})
    busy = [each for attempt in (call_back.attempt_id, decided, foreign) for each in halves(attempt)]
    await store.write([*busy, of_anybody, *halves(answered, "ANSWERED", "ANSWERED")])
    found = await queries.disagreements(pool, START, START + timedelta(hours=1))
    assert {(each.uniqueid, each.finding) for each in found} == {
        (answered, "no record of ours"),
        (foreign, "no record of ours"),
        (f"{foreign};2", "no record of ours"),
        (unanswered, "no record of ours"),
    }
