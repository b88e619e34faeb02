from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given

from controller.cdr.entries import (
    AudioErased,
    AudioKept,
    Disposed,
    DistributionEntry,
    Entry,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
)
from controller.cdr.fold import fold_all
from controller.cdr.visits import TalkSummary, close_lost, fold_visits, is_distribution
from tests.unit.cdr.distribution import any_visit_batches, any_visits, visit
from tests.unit.cdr.histories import START, history


def only(kind: type, entries: list[DistributionEntry]) -> list[DistributionEntry]:
    return [entry for entry in entries if isinstance(entry, kind)]


def test_a_whole_visit():
    folded = fold_visits(visit())
    (waited,) = folded.visits
    assert (waited.queue, waited.exit, waited.agent, waited.position) == ("sales", "connected", "claire.d", 1)
    assert (waited.service_level_s, waited.estimate_s) == (20.0, 12.5)
    assert [(offer.agent, offer.outcome) for offer in folded.offers] == [
        ("bruno.m", "no_answer"),
        ("claire.d", "connected"),
    ]
    (talk,) = folded.talks
    assert (talk.agent, talk.hold_s, talk.how, talk.ended_by) == ("claire.d", 5.0, "hangup", Party.CALLER)
    assert [event.kind for event in folded.events] == ["hold", "unhold"]
    assert [state.state for state in folded.states] == ["offered", "talking", "wrap_up", "free"]
    assert folded.dispositions[0].code == "sold"
    assert folded.recordings[0].kind == "conversation"
    assert [(seen.call_id, seen.started_at) for seen in folded.calls] == [
        (waited.call_id, START + timedelta(seconds=2)),
    ]


def test_the_first_beginning_and_the_first_end_stand():
    entered, exited = only(QueueEntered, visit())[0], only(QueueExited, visit())[0]
    assert isinstance(entered, QueueEntered)
    assert isinstance(exited, QueueExited)
    again = msgspec.structs.replace(entered, at=entered.at + timedelta(seconds=9), queue="support")
    other = msgspec.structs.replace(exited, exit="abandoned", agent="")
    (waited,) = fold_visits([exited, entered, again, other]).visits
    assert (waited.queue, waited.began_at, waited.exit) == ("sales", entered.at, "connected")


def test_an_end_without_its_beginning_is_kept_as_far_as_it_is_known():
    folded = fold_visits(only(QueueExited, visit()) + only(TalkEnded, visit()))
    assert (folded.visits[0].queue, folded.visits[0].exit) == (None, "connected")
    assert (folded.talks[0].agent, folded.talks[0].how) == (None, "hangup")


def test_the_last_word_by_its_time_stands():
    said = only(Disposed, visit())[0]
    assert isinstance(said, Disposed)
    later = msgspec.structs.replace(said, at=said.at + timedelta(seconds=1), code="returned")
    assert fold_visits([said, later]).dispositions[0].code == "returned"
    assert fold_visits([later, said]).dispositions[0].code == "returned"


def test_a_recording_that_was_erased_first():
    kept = only(AudioKept, visit())[0]
    erased = AudioErased("r0", START, "rule")
    one, two = fold_visits([erased, kept]).recordings, fold_visits([kept, erased]).recordings
    assert one == two
    assert (one[0].erased_by, one[0].path) == ("rule", "2026/r0.wav")


def talk(number: int, begin: float, end: float | None = None, how: str = "hangup") -> TalkSummary:
    return TalkSummary(
        call_id=history(number)[0].call_id,
        talk=1,
        agent="claire.d",
        started_at=START + timedelta(seconds=begin),
        ended_at=None if end is None else START + timedelta(seconds=end),
        ended_by=None if end is None else Party.CALLER,
        how=None if end is None else how,
    )


@pytest.mark.parametrize(
    ("talks", "ends"),
    [
        ([talk(1, 0, 5), talk(2, 9)], [5, None]),
        ([talk(1, 0), talk(2, 9)], [9, None]),
        ([talk(3, 7), talk(2, 3), talk(1, 0)], [None, 7, 3]),
        ([talk(1, 0, 8, "lost"), talk(2, 3, 4)], [3, 4]),
        ([msgspec.structs.replace(talk(1, 0), agent="other"), talk(2, 9)], [None, None]),
    ],
)
def test_a_talk_whose_end_nobody_saw_ends_with_the_agents_next(talks: list[TalkSummary], ends: list[float | None]):
    talks = [msgspec.structs.replace(each) for each in talks]
    close_lost(talks)
    assert [each.ended_at and (each.ended_at - START).total_seconds() for each in talks] == ends
    assert all(each.how in ("lost", "hangup") for each in talks if each.ended_at)


@given(any_visits())
def test_applying_entries_twice_changes_nothing(entries: list[DistributionEntry]):
    assert fold_visits(entries + entries) == fold_visits(entries)


@given(any_visit_batches())
def test_calls_do_not_mix(batches: list[list[DistributionEntry]]):
    entries = [entry for batch in batches for entry in batch]
    whole = fold_visits(entries)
    for seen in whole.calls:
        own = fold_visits([entry for entry in entries if getattr(entry, "call_id", "") == seen.call_id])
        assert own.visits == [each for each in whole.visits if each.call_id == seen.call_id]
        assert own.talks == [each for each in whole.talks if each.call_id == seen.call_id]


def test_entries_are_sorted_by_what_they_are_about():
    mixed: list[Entry] = [*history(), *visit()]
    folded = fold_all(mixed)
    assert list(folded.distribution) == visit()
    assert not any(is_distribution(entry) for entry in history())
    assert list(folded.calls) == [history()[0].call_id]
