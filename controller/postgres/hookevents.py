"""Entries of the record as the events that webhooks get.

Kinds and fields are those of `controller.calls.desk.MonitorEvent`. An event's id follows from what it is about, so an
entry that is written again is the same event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from controller.cdr.entries import (
    AgentChanged,
    AudioErased,
    AudioKept,
    CallbackAttempted,
    CallbackChanged,
    Disposed,
    DistributionEntry,
    OfferEnded,
    OfferMade,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkEvent,
    TalkStarted,
)
from controller.cdr.kinds import event_kind

_Told: TypeAlias = (
    QueueEntered
    | QueueExited
    | OfferMade
    | OfferEnded
    | TalkStarted
    | TalkEnded
    | TalkEvent
    | Disposed
    | AgentChanged
    | AudioKept
    | CallbackChanged
    | CallbackAttempted
)


class HookEvent(msgspec.Struct, kw_only=True):
    """A row of the argument of `sql/write/webhook_events.sql`.

    `about` (visit, offer, talk, or call) and `number` say whose queue it is where the entry does not.
    """

    event_id: str
    kind: str
    at: datetime
    call_id: str = ""
    agent: str = ""
    queue: str = ""
    about: str = ""
    number: int = 0
    data: dict[str, Any]


def hook_events(entries: Iterable[DistributionEntry]) -> list[HookEvent]:
    """Return the events of `entries`, in their order; an erased recording is none."""
    return [_event(entry) for entry in entries if not isinstance(entry, AudioErased)]


def _event(  # noqa: C901, PLR0911 - one return for each kind of entry
    entry: _Told,
) -> HookEvent:
    match entry:
        case QueueEntered():
            return _made(entry, entry.visit, queue=entry.queue, agent=entry.from_agent)
        case QueueExited():
            return _made(entry, entry.visit, about="visit", agent=entry.agent)
        case OfferMade():
            return _made(entry, entry.offer, queue=entry.queue, agent=entry.agent)
        case OfferEnded():
            return _made(entry, entry.offer, about="offer")
        case TalkStarted():
            return _made(entry, entry.talk, queue=entry.queue, agent=entry.agent)
        case TalkEnded():
            return _made(entry, entry.talk, about="talk")
        case TalkEvent():
            return _made(entry, entry.seq, about="call", agent=entry.agent)
        case Disposed():
            key = f"{entry.agent} {entry.at.isoformat()}"
            return _made(entry, 0, key, about="call", agent=entry.agent)
        case AgentChanged():
            key = f"{entry.agent} {entry.at.isoformat()}"
            return _made(entry, 0, key, queue=entry.queue, agent=entry.agent)
        case CallbackChanged():
            key = f"{entry.request_id} {entry.at.isoformat()}"
            return _made(entry, 0, key, queue=entry.queue, agent=entry.agent)
        case CallbackAttempted():
            key = f"{entry.attempt_id} {entry.state}"
            return _made(entry, 0, key, queue=entry.queue, agent=entry.agent)
        case AudioKept():
            return _made(entry, 0, entry.recording_id, queue=entry.queue, agent=entry.agent)


def _made(
    entry: _Told,
    number: int,
    key: str = "",
    *,
    about: str = "",
    queue: str = "",
    agent: str = "",
) -> HookEvent:
    kind = event_kind(entry)
    data = msgspec.to_builtins(entry)
    del data["entry"]
    call_id = getattr(entry, "call_id", "")
    name = f"{kind}\0{call_id}\0{key or number}"
    return HookEvent(
        event_id="evt_" + hashlib.sha256(name.encode()).hexdigest()[:32],
        kind=kind,
        at=entry.at,
        call_id=call_id,
        agent=agent,
        queue=queue,
        about=about,
        number=number,
        data=data,
    )
