"""What calls in the queues leave, for tests: one that goes well, and any that faults could leave."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from hypothesis import strategies as st

from controller.cdr.entries import (
    AgentChanged,
    AudioErased,
    AudioKept,
    Disposed,
    DistributionEntry,
    OfferEnded,
    OfferMade,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkEvent,
    TalkStarted,
)
from controller.ids import CallId, call_id_for
from tests.unit.cdr.histories import START


def visit(number: int = 0, *, agent: str = "claire.d", queue: str = "sales") -> list[DistributionEntry]:
    """One customer waits 8 s, is missed once, talks a minute with a hold in it; wrap-up, disposition, recording."""
    begin = START + timedelta(seconds=number)
    call_id = call_id_for(f"1772442000.{number}", begin)

    def at(seconds: float) -> datetime:
        return begin + timedelta(seconds=seconds)

    return [
        QueueEntered(call_id, 1, queue, at(2), at(2), 1, {"english": 3}, 1, 12.5, "", 20.0, 5.0),
        OfferMade(call_id, 1, 1, "bruno.m", queue, at(2)),
        OfferEnded(call_id, 1, at(6), "no_answer"),
        OfferMade(call_id, 1, 2, agent, queue, at(6)),
        AgentChanged(agent, at(6), "offered", "ready", queue=queue, call_id=call_id, by="rule"),
        OfferEnded(call_id, 2, at(10), "connected"),
        QueueExited(call_id, 1, at(10), "connected", agent),
        TalkStarted(call_id, 1, 1, agent, queue, at(10)),
        AgentChanged(agent, at(10), "talking", "ready", queue=queue, call_id=call_id, by="rule"),
        TalkEvent(call_id, 1, at(30), "hold", agent),
        TalkEvent(call_id, 2, at(35), "unhold", agent, {"held_s": 5}),
        TalkEnded(call_id, 1, at(70), Party.CALLER, 5.0, "hangup"),
        AgentChanged(agent, at(70), "wrap_up", "ready", until=at(90), queue=queue, call_id=call_id, by="rule"),
        Disposed(call_id, agent, at(75), "sold", "two of them"),
        AudioKept(
            f"r{number}", call_id, "conversation", at(71), queue, f"2026/r{number}.wav", "ab" * 32, 960_000, 60.0,
            at(86_400), agent, "+33123456789",
        ),
        AgentChanged(agent, at(80), "free", "ready", by=agent),
    ]  # fmt: skip


_AGENTS = ("a.one", "b.two", "c.three")
_QUEUES = ("sales", "support")
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_WORDS = st.sampled_from(("hold", "unhold", "three_way"))
_EXITS = ("connected", "abandoned", "timeout", "callback", "moved", "failed")


@st.composite
def any_visits(draw: st.DrawFn) -> list[DistributionEntry]:
    """One call's entries in their order: any may be missing, come twice or contradict another."""
    call_id = CallId(str(uuid.UUID(int=draw(st.integers(0, 2**128 - 1)))))
    clock = START
    entries: list[DistributionEntry] = []
    for _ in range(draw(st.integers(1, 14))):
        clock += timedelta(milliseconds=draw(st.integers(0, 5000)))
        entries.append(draw(_any_entry(call_id, clock)))
    return entries


@st.composite
def _any_entry(  # noqa: C901, PLR0911 - one return for each kind of entry
    draw: st.DrawFn, call_id: CallId, at: datetime
) -> DistributionEntry:
    agent, queue = draw(st.sampled_from(_AGENTS)), draw(st.sampled_from(_QUEUES))
    number = draw(st.integers(1, 3))
    kind = draw(st.integers(0, 10))
    if kind == 0:
        needs = draw(st.dictionaries(_TEXTS, st.integers(1, 5), max_size=2))
        estimate_s = draw(st.none() | st.floats(0, 900))
        return QueueEntered(call_id, number, queue, at, START, number, needs, number, estimate_s, draw(_TEXTS), 20.0)
    if kind == 1:
        return QueueExited(call_id, number, at, draw(st.sampled_from(_EXITS)), draw(st.sampled_from(("", agent))))
    if kind == 2:
        return OfferMade(call_id, number, number, agent, queue, at)
    if kind == 3:
        return OfferEnded(call_id, number, at, draw(st.sampled_from(("connected", "no_answer", "elsewhere"))))
    if kind == 4:
        return TalkStarted(call_id, number, number, agent, queue, at)
    if kind == 5:
        how = draw(st.sampled_from(("hangup", "parked", "escalated")))
        return TalkEnded(call_id, number, at, draw(st.sampled_from(list(Party))), draw(st.floats(0, 60)), how)
    if kind == 6:
        return TalkEvent(call_id, number, at, draw(_WORDS), agent, draw(st.dictionaries(_TEXTS, _TEXTS, max_size=1)))
    if kind == 7:
        return Disposed(call_id, agent, at, draw(_TEXTS), draw(_TEXTS))
    if kind == 8:
        state = draw(st.sampled_from(("free", "talking", "wrap_up", "paused")))
        until = draw(st.none() | st.just(at + timedelta(seconds=9)))
        # An agent of this call alone: entries of different calls come in any order, an agent's own do not.
        return AgentChanged(f"{agent}.{call_id}", at, state, "ready", draw(_TEXTS), until, queue, call_id, "rule")
    recording = f"{call_id}-{number}"
    if kind == 9:
        what = draw(st.sampled_from(("conversation", "message")))
        keep_until = at + timedelta(days=30)
        return AudioKept(
            recording, call_id, what, at, queue, "a/b.wav", "0f" * 32, 10, 1.5, keep_until, agent, "+331"
        )
    return AudioErased(recording, at, draw(_TEXTS.filter(bool)))


@st.composite
def any_visit_batches(draw: st.DrawFn) -> list[list[DistributionEntry]]:
    """Entries of one to four calls, each call's in their order, cut into batches anywhere."""
    calls = draw(st.lists(any_visits(), min_size=1, max_size=4, unique_by=lambda entries: _call_of(entries[0])))
    waiting = [list(entries) for entries in calls]
    batches: list[list[DistributionEntry]] = [[]]
    while any(waiting):
        if batches[-1] and draw(st.integers(0, 3)) == 0:
            batches.append([])
        index = draw(st.sampled_from([i for i, entries in enumerate(waiting) if entries]))
        batches[-1].append(waiting[index].pop(0))
    return batches


def _call_of(entry: DistributionEntry) -> str:
    return entry.recording_id.rpartition("-")[0] if isinstance(entry, AudioErased) else entry.call_id
