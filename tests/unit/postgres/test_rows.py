from __future__ import annotations

import json

import msgspec
import pytest

from controller.cdr.entries import AsteriskCdr, CallStarted, ReleaseUsed
from controller.cdr.fold import fold
from controller.postgres.rows import batch_rows, cdr_rows, release_rows
from tests.unit.cdr.histories import START, history


def test_a_batch_has_a_row_for_each_thing():
    rows = json.loads(batch_rows([fold(history(1)), fold(history(2)[:7])]))
    assert {name: len(rows[name]) for name in rows} == {"calls": 2, "legs": 3, "steps": 5, "states": 1, "void": 1}
    assert rows["calls"][0]["started_at"] == "2026-03-02T09:00:01Z"
    assert rows["calls"][1]["ended_at"] is None
    assert rows["steps"][0]["detail"] == {"tries": 1, "said": "é"}


def test_a_batch_without_the_start_says_so():
    (call,) = json.loads(batch_rows([fold(history()[2:3])]))["calls"]
    assert (call["channel_id"], call["called_number"]) == (None, "")


def test_a_name_with_nul_is_stored_without():
    start = history()[0]
    assert isinstance(start, CallStarted)
    rows = batch_rows([fold([msgspec.structs.replace(start, caller_name="a\0b")])])
    assert json.loads(rows)["calls"][0]["caller_name"] == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\\\\\\u0000"])
def test_a_backslash_that_only_looks_like_nul_stays(text):
    rows = release_rows([ReleaseUsed("r", START, {"a": text, "b": text + "\0"})])
    assert json.loads(rows)[0]["sources"] == {"a": text, "b": text + "\N{REPLACEMENT CHARACTER}"}


def test_a_record_of_asterisks_is_the_same_whatever_the_order_of_its_fields():
    one = AsteriskCdr("1.1", START, {"Duration": "3", "Channel": "x"})
    two = AsteriskCdr("1.1", START, {"Channel": "x", "Duration": "3"})
    assert cdr_rows([one]) == cdr_rows([two])


def test_a_version():
    assert json.loads(release_rows([ReleaseUsed("r", START, {"a": "b"})])) == [
        {"release": "r", "sources": {"a": "b"}, "first_seen": "2026-03-02T09:00:00Z"}
    ]
