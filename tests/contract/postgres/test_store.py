from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from controller.cdr.entries import (
    AsteriskCdr,
    CallEnded,
    CallStarted,
    Entry,
    LegEnded,
    ReleaseUsed,
    StateDropped,
    StateSaved,
    StepTaken,
)
from controller.cdr.fold import CallSummary, fold_all
from controller.errors import StoreError
from controller.ids import CallId
from controller.postgres import queries
from controller.postgres.queries import CallRecord, CallRow
from controller.postgres.store import PostgresStore
from tests.unit.cdr.histories import START, any_batches, history


def expected(call: CallSummary) -> CallRecord:
    """The record that Postgres should hold of `call`, from the pure fold alone."""
    start, end = call.start, call.end
    row = CallRow(
        call_id=call.call_id,
        started_at=call.started_at,
        answered_at=call.answered_at,
        ended_at=end.at if end else None,
        channel_id=start.channel_id if start else None,
        called_number=start.called_number if start else "",
        caller_number=start.caller_number if start else "",
        caller_name=start.caller_name if start else "",
        flow=start.flow if start else "",
        release=start.release if start else "",
        start_language=start.language if start else "",
        language=call.language,
        driver=start.driver if start else "",
        node=start.node if start else "",
        tariff_class=start.tariff_class if start else "",
        disposition=end.disposition if end else None,
        ended_by=end.ended_by if end else None,
        caller_cause=end.cause if end else None,
        callee_cause=call.callee_cause,
        reason=end.reason if end else "",
    )
    return CallRecord(call=row, legs=call.legs, steps=call.steps)


async def check(store: PostgresStore, entries: list[Entry]) -> None:
    pool = await store.pool()
    states = {state.call_id: state for state in await store.live_states()}
    for call_id, call in fold_all(entries).calls.items():
        assert await queries.call_record(pool, call_id) == expected(call)
        assert states.get(call_id) == call.state


async def test_whole_calls(store: PostgresStore):
    entries = [entry for number in range(30) for entry in history(number)] + history(30)[:7]
    assert await store.write(entries) == []
    await check(store, entries)
    assert [state.call_id for state in await store.live_states()] == [history(30)[0].call_id]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_batches())
async def test_postgres_holds_what_the_fold_says(store: PostgresStore, batches: list[list[Entry]]):
    entries = [entry for batch in batches for entry in batch]
    await (await store.pool()).execute("delete from calls")
    for batch in batches:
        assert await store.write(batch) == []
    await check(store, entries)
    for batch in batches:  # again, as after a crash before the acknowledgement
        assert await store.write(batch) == []
    await check(store, entries)
    assert await store.write(entries) == []
    await check(store, entries)


async def test_a_refused_entry_does_not_take_others_with_it(store: PostgresStore):
    entries = history(1) + history(2)
    step = next(entry for entry in entries if isinstance(entry, StepTaken))
    ended = next(entry for entry in entries if isinstance(entry, CallEnded))
    leg = next(entry for entry in entries if isinstance(entry, LegEnded))
    bad: list[Entry] = [
        msgspec.structs.replace(step, seq=0),
        msgspec.structs.replace(ended, call_id=CallId("no id")),
        msgspec.structs.replace(leg, cause=70_000),
    ]
    mixed = entries[:3] + bad[:1] + entries[3:20] + bad[1:2] + entries[20:] + bad[2:]
    rejections = await store.write(mixed)
    assert [mixed[rejection.index] for rejection in rejections] == bad
    assert [rejection.reason.split(":")[0] for rejection in rejections] == [
        "CheckViolationError",
        "InvalidTextRepresentationError",
        "NumericValueOutOfRangeError",
    ]
    await check(store, entries)


async def test_a_reason_does_not_repeat_the_row(store: PostgresStore):
    step = next(entry for entry in history() if isinstance(entry, StepTaken))
    (rejection,) = await store.write([msgspec.structs.replace(step, seq=0, digits="424242")])
    assert "424242" not in rejection.reason


async def test_text_that_postgres_cannot_hold_is_kept_without_it(store: PostgresStore):
    entries = history()
    start, step = entries[0], entries[5]
    assert isinstance(start, CallStarted)
    assert isinstance(step, StepTaken)
    entries[0] = msgspec.structs.replace(start, caller_name="Robert\0'); drop table calls; --")
    entries[5] = msgspec.structs.replace(step, detail={"said": "a\0b", "path": "\\u0000"})
    assert await store.write(entries) == []
    record = await queries.call_record(await store.pool(), start.call_id)
    assert record is not None
    assert record.call.caller_name == "Robert\N{REPLACEMENT CHARACTER}'); drop table calls; --"
    assert record.steps[0].detail == {"said": "a\N{REPLACEMENT CHARACTER}b", "path": "\\u0000"}


async def test_a_dropped_state_is_gone_and_a_later_one_stands(store: PostgresStore):
    state = history()[4]
    assert isinstance(state, StateSaved)
    await store.write([state])
    assert await store.live_states() == [state]
    await store.write([StateDropped(state.call_id, START)])
    assert await store.live_states() == []
    newer = msgspec.structs.replace(state, node="node-2", at=state.at + timedelta(seconds=5))
    await store.write([newer])
    await store.write([StateDropped(state.call_id, START), state])  # older than what is there, but after a drop
    assert await store.live_states() == [state]


async def test_which_calls_have_ended(store: PostgresStore):
    whole, running = history(1), history(2)[:7]
    await store.write(whole + running)
    ids = [whole[0].call_id, running[0].call_id, history(3)[0].call_id]
    assert await store.ended(ids) == {whole[0].call_id}
    assert await store.ended([]) == set()


async def test_versions(store: PostgresStore):
    await store.write([ReleaseUsed("r1", START, {"a.yaml": "é"}), ReleaseUsed("r1", START, {"a.yaml": "other"})])
    assert await store.load_release("r1") == {"a.yaml": "é"}
    assert await store.load_release("r2") is None


async def test_asterisks_own_records_stand_once(store: PostgresStore):
    fields = {"Channel": "PJSIP/x", "Duration": "12", "BillableSeconds": "nonsense", "Disposition": "ANSWERED"}
    cdr = AsteriskCdr("1.1", START, fields)
    await store.write([cdr])
    await store.write([cdr, msgspec.structs.replace(cdr, fields=fields | {"DestinationChannel": "PJSIP/y"})])
    rows = await (await store.pool()).fetch(
        "select channel, dstchannel, disposition, duration_s, billsec_s from asterisk_cdr order by dstchannel"
    )
    assert [tuple(row) for row in rows] == [
        ("PJSIP/x", "", "ANSWERED", 12, None),
        ("PJSIP/x", "PJSIP/y", "ANSWERED", 12, None),
    ]


async def test_no_entries_only_look_whether_the_store_is_there(store: PostgresStore, tmp_path):
    assert await store.write([]) == []
    elsewhere = PostgresStore(f"postgresql://u@/x?host={tmp_path}")
    with pytest.raises(StoreError, match="check that it runs"):
        await elsewhere.write([])
    await elsewhere.close()


async def test_a_missing_schema_is_not_the_entries_fault(store: PostgresStore):
    await (await store.pool()).execute("alter table call_steps rename to gone")
    with pytest.raises(StoreError, match="upgrade the schema"):
        await store.write(history())
