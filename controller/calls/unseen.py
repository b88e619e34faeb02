"""What the saved state of a call tells of its end, when no controller was there to see it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from controller.calls.conversation.standing import DETAIL
from controller.calls.queueing.stay import CONNECTING
from controller.cdr.entries import Entry, Party, QueueExited, StateSaved, TalkEnded, TalkStarted
from controller.flow.commands import Enqueue
from controller.flow.runstate import decode


def talk_unseen(saved: StateSaved, ended_at: datetime, by: Party) -> tuple[Entry, ...]:
    """Return the talk of a call whose controller died while it brought customer and agent together; () with none.

    What is saved is saved before Asterisk is asked, and they hear each other within milliseconds: a customer who may
    have talked counts as one who has, so that nobody is called back after a talk. What cannot be read tells nothing.
    """
    try:
        pending = decode(saved.state).pending
    except msgspec.MsgspecError:
        return ()
    progress = pending.progress if isinstance(pending, Enqueue) else None
    if progress is None or progress.phase != CONNECTING or progress.connected_at is None:
        return ()
    earlier = progress.detail.get(DETAIL)
    talk = 1 + (int(earlier.get("talk", 0)) if isinstance(earlier, dict) else 0)
    call_id, began_at = saved.call_id, progress.connected_at
    return (
        QueueExited(call_id, progress.visit, began_at, "connected", progress.agent),
        TalkStarted(call_id, talk, progress.visit, progress.agent, progress.queue, began_at),
        TalkEnded(call_id, talk, max(ended_at, began_at), by),
    )
