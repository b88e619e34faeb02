"""A call whose end nobody saw: what its saved state tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from controller.calls.queueing.unseen import entries_of
from controller.cdr.entries import Party, QueueExited, StateSaved, TalkEnded, TalkStarted
from controller.flow.commands import Enqueue, VisitProgress
from controller.flow.runstate import CallFacts, State
from controller.ids import CallId

AT = datetime(2026, 11, 23, 21, 58, tzinfo=UTC)
OVER = AT + timedelta(seconds=4)
CALL = CallId("01a20a6a-6092-8204-9f69-40a6d9cdbeb8")


def saved(progress: VisitProgress | None) -> StateSaved:
    pending = Enqueue("support", 1, AT, "fr", progress=progress)
    state = State("r1", "client", CallFacts("+33353014700", "+33199000029"), "fr", AT, pending=pending)
    return StateSaved(CALL, AT, "1700.1", "ari", "r1", "one", msgspec.json.encode(state))


def test_who_was_being_connected_when_the_controller_died_may_have_talked() -> None:
    progress = VisitProgress("support", visit=2, phase="connecting", agent="anne", legs=(1,), connected_at=AT)
    assert entries_of(saved(progress), OVER, Party.SYSTEM) == (
        QueueExited(CALL, 2, AT, "connected", "anne"),
        TalkStarted(CALL, 1, 2, "anne", "support", AT),
        TalkEnded(CALL, 1, OVER, Party.SYSTEM),
    )


def test_it_is_numbered_on_from_the_talks_before() -> None:
    detail = {"conversation": {"talk": 3}}
    progress = VisitProgress("support", phase="connecting", agent="anne", connected_at=AT, detail=detail)
    _, started, ended = entries_of(saved(progress), AT - timedelta(seconds=1), Party.CALLER)
    assert isinstance(started, TalkStarted)
    assert isinstance(ended, TalkEnded)
    assert (started.talk, ended.talk, ended.at) == (4, 4, AT)


@pytest.mark.parametrize("phase", ["waiting", "offering", "talking", "over"])
def test_nobody_else_has_talked_more_than_the_record_says(phase: str) -> None:
    progress = VisitProgress("support", phase=phase, agent="anne", connected_at=AT)
    assert entries_of(saved(progress), OVER, Party.SYSTEM) == ()
    assert entries_of(saved(None), OVER, Party.SYSTEM) == ()


def test_a_state_that_cannot_be_read_tells_nothing() -> None:
    unreadable = msgspec.structs.replace(saved(None), state=b"{")
    assert entries_of(unreadable, OVER, Party.SYSTEM) == ()
