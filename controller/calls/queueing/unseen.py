"""The talk of a customer and an agent whose controller died while it brought them together.

What is saved is saved before Asterisk is asked, and they hear each other within milliseconds: a customer who may have
talked counts as one who has, so that nobody is called back after a talk.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from controller.calls.conversation.standing import DETAIL
from controller.calls.queueing.stay import CONNECTING
from controller.cdr.entries import Entry, Party, QueueExited, StateSaved, TalkEnded, TalkStarted
from controller.flow.commands import Enqueue, VisitProgress
from controller.flow.runstate import decode
from controller.ids import CallId


def entries_of(saved: StateSaved, ended_at: datetime, by: Party) -> tuple[Entry, ...]:
    """Return what the saved state of a call that is over tells of such a talk; () with none.

    What cannot be read tells nothing.
    """
    try:
        pending = decode(saved.state).pending
    except msgspec.MsgspecError:
        return ()
    progress = pending.progress if isinstance(pending, Enqueue) else None
    if progress is None or progress.phase != CONNECTING or progress.connected_at is None:
        return ()
    exited = QueueExited(saved.call_id, progress.visit, progress.connected_at, "connected", progress.agent)
    return (exited, *talk_of(progress, saved.call_id, ended_at, by))


def talk_of(
    progress: VisitProgress, call_id: CallId, ended_at: datetime, by: Party, *, how: str = "hangup"
) -> tuple[TalkStarted, TalkEnded]:
    """Return the talk with the agent who was being connected."""
    talk, began_at = 1 + _talks(progress), progress.connected_at or ended_at
    return (
        TalkStarted(call_id, talk, progress.visit, progress.agent, progress.queue, began_at),
        TalkEnded(call_id, talk, max(ended_at, began_at), by, how=how),
    )


def one_more_talk(progress: VisitProgress) -> dict[str, Any]:
    """Return the part of `progress.detail` that counts talks, with one more: the next one has a number of its own."""
    return {DETAIL: {**_earlier(progress), "talk": 1 + _talks(progress)}}


def _talks(progress: VisitProgress) -> int:
    return int(_earlier(progress).get("talk", 0))


def _earlier(progress: VisitProgress) -> dict[str, Any]:
    earlier: Any = progress.detail.get(DETAIL)
    return earlier if isinstance(earlier, dict) else {}
