"""The names of the events that boards and webhooks get: one for each kind of entry of the distribution."""

from __future__ import annotations

from controller.cdr.entries import (
    AgentChanged,
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

_KINDS: dict[type, str] = {
    AgentChanged: "agent.changed",
    QueueEntered: "queue.entered",
    QueueExited: "queue.left",
    OfferMade: "offer.made",
    OfferEnded: "offer.ended",
    TalkStarted: "talk.started",
    TalkEvent: "talk.event",
    TalkEnded: "talk.ended",
    Disposed: "call.disposed",
    CallbackChanged: "callback.changed",
    CallbackAttempted: "callback.attempt",
}
_MESSAGE, _RECORDING = "message.left", "recording.kept"
EVENT_KINDS = (*_KINDS.values(), _MESSAGE, _RECORDING)
"""All of them. They are stable: other systems know them."""


def event_kind(entry: DistributionEntry) -> str:
    """Return the name of the event that `entry` is; "" for an entry that is for the record alone."""
    if isinstance(entry, AudioKept):
        return _MESSAGE if entry.kind == "message" else _RECORDING
    return _KINDS.get(type(entry), "")
