from __future__ import annotations

import json
from datetime import timedelta
from typing import get_args

from controller.calls.desk import MonitorEvent
from controller.cdr.entries import AudioErased, CallbackAttempted, CallbackChanged, DistributionEntry
from controller.cdr.kinds import EVENT_KINDS
from controller.ids import CallId
from controller.postgres.hookevents import hook_events
from controller.postgres.rows import event_rows
from tests.unit.cdr.distribution import visit
from tests.unit.cdr.histories import START


def test_the_same_entry_is_the_same_event():
    assert hook_events(visit(1)) == hook_events(visit(1))
    ids = [event.event_id for event in hook_events([*visit(1), *visit(2)])]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {len("evt_") + 32}


def test_every_kind_is_one_that_is_announced():
    assert {event.kind for event in hook_events(visit())} <= set(EVENT_KINDS)


def test_an_event_has_the_fields_of_its_entry():
    entered = hook_events(visit())[0]
    assert (entered.kind, entered.queue, entered.call_id) == ("queue.entered", "sales", visit()[0].call_id)
    assert entered.data["position"] == 1
    assert "entry" not in entered.data
    (row,) = json.loads(event_rows([entered]))
    assert row["data"]["entered_at"] == "2026-03-02T09:00:02Z"
    assert set(row) - {"event_id", "about", "number"} <= set(MonitorEvent.__struct_fields__)


def test_every_entry_is_told_of_but_erasures():
    told = {type(entry) for entry in visit()} | {AudioErased, CallbackChanged, CallbackAttempted}
    assert told == set(get_args(DistributionEntry))
    assert hook_events([AudioErased("r", START, "rule")]) == []


def test_what_becomes_of_a_callback_is_told_once_for_each_change():
    changed = CallbackChanged("0f" * 16, START, "sales", "waiting")
    attempted = CallbackAttempted("0a" * 16, "0f" * 16, CallId("c"), START, "sales", "anne", "ringing")
    later = CallbackChanged("0f" * 16, START + timedelta(seconds=1), "sales", "done")
    events = hook_events([changed, attempted, later, attempted])
    assert [each.kind for each in events] == ["callback.changed", "callback.attempt"] * 2
    assert [each.queue for each in events] == ["sales"] * 4
    assert len({each.event_id for each in events}) == 3
    assert events[1].call_id == "c"
