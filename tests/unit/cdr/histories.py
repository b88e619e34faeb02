"""Histories of calls for tests: one that a real call leaves, and any that faults could leave of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from controller.cdr.entries import (
    CallAnswered,
    CallEnded,
    CallStarted,
    Disposition,
    Entry,
    LegAnswered,
    LegEnded,
    LegStarted,
    Party,
    Role,
    StateDropped,
    StateSaved,
    StepTaken,
)
from controller.ids import CallId, LegId, call_id_for, derived_id

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def history(number: int = 0, *, node: str = "node-1", steps: int = 4, dial: bool = True) -> list[Entry]:
    """What one whole call leaves: a menu or a few, a dial that is answered, the end. 14 entries and 2 a step."""
    begin = START + timedelta(seconds=number)
    channel = f"1772442000.{number}"
    call_id = call_id_for(channel, begin)
    caller = LegId(derived_id(call_id, "leg", 0))

    def at(seconds: float) -> datetime:
        return begin + timedelta(seconds=seconds)

    def saved(seconds: float) -> StateSaved:
        return StateSaved(call_id, at(seconds), channel, "ari", "release-1", node, b'{"step": %d}' % seconds)

    entries: list[Entry] = [
        CallStarted(
            call_id,
            begin,
            channel,
            "0800123456",
            "+33123456789",
            "Jean",
            "main",
            "release-1",
            "fr",
            "ari",
            node,
            "free",
        ),
        LegStarted(call_id, caller, begin, channel, f"PJSIP/trunk-{number:08x}", Role.CALLER, "+33123456789"),
        CallAnswered(call_id, at(0.5)),
        LegAnswered(call_id, caller, at(0.5)),
        saved(1),
    ]
    for seq in range(1, steps + 1):
        entries.append(
            StepTaken(
                call_id, seq, "main", f"step_{seq}", "menu", at(seq), at(seq + 1), "1", "1", {"tries": 1, "said": "é"}
            )
        )
        entries.append(saved(seq + 1))
    if dial:
        callee = LegId(derived_id(call_id, "leg", 1))
        entries += [
            LegStarted(call_id, callee, at(steps + 2), f"{callee}", f"PJSIP/201-{number:08x}", Role.EXTENSION, "201"),
            LegAnswered(call_id, callee, at(steps + 4)),
            LegEnded(call_id, callee, at(steps + 30), 16, "Normal Clearing", Party.CALLEE),
        ]
    entries += [
        LegEnded(call_id, caller, at(steps + 31), 16, "Normal Clearing", Party.FLOW),
        CallEnded(call_id, at(steps + 31), Disposition.TALKED, Party.FLOW, 16, "en"),
    ]
    return entries


_NODES = ("node-1", "node-2")
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@st.composite
def any_history(draw: st.DrawFn) -> list[Entry]:
    """One call's entries in their order, as faults could leave them.

    Entries may be missing (a start never seen), be there twice (a call taken up by another controller), a step
    be taken again, a lost call turn out to have ended otherwise. Time never goes back.
    """
    call_id = CallId(str(uuid.UUID(int=draw(st.integers(0, 2**128 - 1)))))
    channel = f"channel-{call_id}"
    clock = START
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, 14))):
        clock += timedelta(milliseconds=draw(st.integers(0, 5000)))
        entries.append(draw(_any_entry(call_id, channel, clock)))
    return entries


@st.composite
def _any_entry(  # noqa: PLR0911 - one return for each kind of entry
    draw: st.DrawFn, call_id: CallId, channel: str, at: datetime
) -> Entry:
    node = draw(st.sampled_from(_NODES))
    party = draw(st.sampled_from(list(Party)))
    cause = draw(st.sampled_from((0, 16, 17, 19)))
    role, leg = draw(st.sampled_from(((Role.CALLER, "a"), (Role.EXTENSION, "b"), (Role.EXTENSION, "c"))))
    leg_id = LegId(derived_id(call_id, leg, 0))
    kind = draw(st.integers(0, 8))
    if kind == 0:
        flow = draw(_TEXTS)
        return CallStarted(call_id, at, channel, "0800", "+331", draw(_TEXTS), flow, "r1", "fr", "ari", node)
    if kind == 1:
        return CallAnswered(call_id, at)
    if kind == 2:
        return LegStarted(call_id, leg_id, at, f"{channel}-{leg}", draw(_TEXTS), role, leg)
    if kind == 3:
        return LegAnswered(call_id, leg_id, at)
    if kind == 4:
        return LegEnded(call_id, leg_id, at, cause, draw(_TEXTS), party)
    if kind == 5:
        seq = draw(st.integers(1, 4))
        detail = draw(st.dictionaries(_TEXTS, st.integers(-9, 9) | _TEXTS, max_size=2))
        later = at + timedelta(seconds=1)
        return StepTaken(call_id, seq, "main", draw(_TEXTS), "menu", at, later, "1", draw(_TEXTS), detail)
    if kind == 6:
        disposition = draw(st.sampled_from(list(Disposition)))
        return CallEnded(call_id, at, disposition, party, cause, draw(st.sampled_from(("", "en"))), draw(_TEXTS))
    if kind == 7:
        return StateDropped(call_id, at)
    return StateSaved(call_id, at, channel, "ari", "r1", node, draw(st.binary(max_size=8)))


@st.composite
def any_batches(draw: st.DrawFn) -> list[list[Entry]]:
    """Entries of one to three calls, each call's in their order, cut into batches anywhere."""
    calls = draw(st.lists(any_history(), min_size=1, max_size=3, unique_by=lambda call: call[0].call_id))
    waiting = [list(call) for call in calls]
    batches: list[list[Entry]] = [[]]
    while any(waiting):
        if batches[-1] and draw(st.integers(0, 3)) == 0:
            batches.append([])
        index = draw(st.sampled_from([i for i, call in enumerate(waiting) if call]))
        batches[-1].append(waiting[index].pop(0))
    return batches
