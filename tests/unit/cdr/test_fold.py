from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given

from controller.cdr.entries import (
    AsteriskCdr,
    CallEnded,
    CallStarted,
    Disposition,
    Entry,
    LegEnded,
    Party,
    ReleaseUsed,
    Role,
    StateDropped,
    StateSaved,
    StepTaken,
)
from controller.cdr.fold import fold, fold_all
from tests.unit.cdr.histories import START, any_batches, any_history, history


def test_a_whole_call():
    entries = history(7, steps=3)
    call = fold(entries)
    assert call.start == entries[0]
    assert call.started_at == START + timedelta(seconds=7)
    assert call.answered_at == call.started_at + timedelta(seconds=0.5)
    assert call.end is not None
    assert (call.end.disposition, call.end.cause, call.callee_cause) == (Disposition.TALKED, 16, 16)
    assert call.language == "en"
    assert [leg.role for leg in call.legs] == [Role.CALLER, Role.EXTENSION]
    assert [step.seq for step in call.steps] == [1, 2, 3]
    assert call.state is None
    assert call.state_dropped


def test_a_running_call_has_its_last_state():
    entries = history(steps=2)[:9]
    states = [entry for entry in entries if isinstance(entry, StateSaved)]
    call = fold(entries)
    assert call.state == states[-1]
    assert not call.state_dropped
    assert call.end is None
    assert call.callee_cause is None
    assert call.language == "fr"


def test_a_call_whose_start_was_not_seen_is_kept_as_far_as_it_is_known():
    entries = [entry for entry in history() if not isinstance(entry, CallStarted)][3:]
    call = fold(entries)
    assert call.start is None
    assert call.started_at == START + timedelta(seconds=1)
    assert call.end is not None
    assert call.language == "en"


def test_the_end_of_an_unknown_leg_stands_without_a_role():
    ended = next(entry for entry in history() if isinstance(entry, LegEnded))
    (leg,) = fold([ended]).legs
    assert (leg.role, leg.started_at, leg.cause) == (None, None, 16)


def end(disposition: Disposition, at: int = 0, cause: int = 16) -> CallEnded:
    start = history()[0]
    assert isinstance(start, CallStarted)
    return CallEnded(start.call_id, START + timedelta(seconds=at), disposition, Party.SYSTEM, cause)


@pytest.mark.parametrize(
    ("ends", "stands"),
    [
        ((Disposition.COMPLETED, Disposition.ABANDONED), 0),
        ((Disposition.LOST, Disposition.ABANDONED), 1),
        ((Disposition.COMPLETED, Disposition.LOST), 0),
        ((Disposition.LOST, Disposition.LOST), 0),
        ((Disposition.LOST, Disposition.FAILED, Disposition.TALKED), 1),
    ],
)
def test_the_first_end_stands_unless_nobody_saw_it(ends, stands):
    entries = [end(disposition, at) for at, disposition in enumerate(ends)]
    assert fold(entries).end == entries[stands]


def test_an_unknown_cause_of_a_leg_yields_to_a_known_one():
    ended = next(entry for entry in history() if isinstance(entry, LegEnded))
    unknown = msgspec.structs.replace(ended, cause=0, ended_by=Party.SYSTEM)
    assert fold([unknown, ended]).legs[0].cause == 16
    assert fold([ended, unknown]).legs[0].ended_by is Party.CALLEE


def test_a_step_taken_again_replaces_the_one_that_was_interrupted():
    first = next(entry for entry in history() if isinstance(entry, StepTaken))
    again = msgspec.structs.replace(first, digits="2", exit="2")
    assert fold([first, again]).steps == (again,)


def test_an_older_state_of_another_node_does_not_replace_ours():
    state = next(entry for entry in history() if isinstance(entry, StateSaved))
    older = msgspec.structs.replace(state, node="node-2", at=state.at - timedelta(seconds=1))
    newer = msgspec.structs.replace(older, at=state.at + timedelta(seconds=1))
    same_node_older = msgspec.structs.replace(older, node=state.node)
    assert fold([state, older]).state == state
    assert fold([state, newer]).state == newer
    assert fold([state, same_node_older]).state == same_node_older


def test_a_dropped_state_is_void_until_the_next():
    state = next(entry for entry in history() if isinstance(entry, StateSaved))
    dropped = StateDropped(state.call_id, state.at)
    assert fold([state, dropped]).state is None
    assert fold([state, dropped, state]).state == state
    assert fold([state, dropped, state]).state_dropped


def test_fold_wants_exactly_one_call():
    with pytest.raises(ValueError, match="2 calls"):
        fold(history(1) + history(2))
    with pytest.raises(ValueError, match="0 calls"):
        fold([])


def test_what_is_of_no_call():
    cdr = AsteriskCdr("1.1", START, {"Duration": "3"})
    first, again = (ReleaseUsed("r", START + timedelta(seconds=s), {"a.yaml": "x"}) for s in (0, 1))
    folded = fold_all([cdr, first, again])
    assert folded.asterisk_cdrs == (cdr,)
    assert folded.releases == {"r": first}
    assert not folded.calls


@given(any_history())
def test_applying_entries_twice_changes_nothing(entries: list[Entry]):
    assert fold(entries + entries) == fold(entries)


@given(any_batches())
def test_calls_do_not_mix(batches: list[list[Entry]]):
    entries = [entry for batch in batches for entry in batch]
    for call_id, call in fold_all(entries).calls.items():
        assert call == fold([entry for entry in entries if entry.call_id == call_id])


@given(any_history())
def test_every_entry_survives_the_journals_encoding(entries: list[Entry]):
    for entry in entries:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=Entry) == entry
