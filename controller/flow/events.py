"""What a driver reports to a running flow, one event for each command: see `controller.flow.commands`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.callback.model import RequestId, Source, When
from controller.flow.media import MediaId


class Answered(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The caller's channel is up."""


class Played(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The media ended; `interrupted` by a digit."""

    interrupted: bool = False


class CollectEnd(StrEnum):
    """Why an entry ended."""

    COMPLETE = "complete"  # max digits, or an unambiguous choice
    TERMINATED = "terminated"  # the end key
    NO_INPUT = "no_input"  # first-digit clock, nothing pressed
    INTER_DIGIT = "inter_digit"  # between-digits clock, something pressed
    TOTAL = "total"  # whole-entry clock


class Collected(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Digits `0-9*#A-D` in the order pressed, without the end key."""

    digits: str
    end: CollectEnd


class LookedUp(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The service answered; `body` is decoded JSON, or None when the body was empty."""

    status: int
    body: Any = None


class LookupFailed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """No usable answer: `reason` is one of timeout, unreachable, too_large, not_json, refused, redirect."""

    reason: str
    detail: str = ""


class DialOutcome(StrEnum):
    """How a dial ended."""

    TALKED = "talked"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class Dialled(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The dial is over and the caller is still there. `cause` is the Q.850 cause of the dialled leg."""

    outcome: DialOutcome
    cause: int = 0
    talk_s: float = 0.0


class QueueExit(StrEnum):
    """How a visit to the queues ended, with the caller still there."""

    TALKED = "talked"
    TIMEOUT = "timeout"
    FULL = "full"
    CLOSED = "closed"
    NO_AGENTS = "no_agents"  # nobody is logged in who could take it
    CALLBACK = "callback"  # the call-back key; the place is kept by the original entry time
    MESSAGE = "message"  # the message key
    FAILED = "failed"


class QueueLeft(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The visit is over and the caller is still there.

    `queue` is the last one waited in; `waited_s` and `talk_s` are sums over the visit, `agent` who talked last.
    """

    exit: QueueExit
    queue: str
    waited_s: float = 0.0
    talk_s: float = 0.0
    agent: str = ""


class Recorded(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The recording is on disk under its id; below about a second nothing was said."""

    duration_s: float


class MessageKept(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The message is in the queue's mailbox."""


class AgentActed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Done when `refused` is empty; else a stable word for why not (`controller.acd.model.Refused.code`)."""

    refused: str = ""


class MessageNote(msgspec.Struct, frozen=True):
    """A voice message as an agent is told of it. `caller` is "" when withheld; `new`: nobody has listened yet."""

    recording: str
    queue: str
    left_at: datetime
    caller: str
    new: bool


class MessagesListed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The messages: new ones first, those that wait longest before others; heard ones newest first.

    `refused` is a stable word when there is no list: `unknown_agent`, or `unavailable` (the database is away).
    """

    messages: tuple[MessageNote, ...] = ()
    refused: str = ""


class MessageReady(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """`media` can be played until the call ends.

    Not when it is `refused`: `unknown_agent`, `not_allowed`, `gone`, or `unavailable` (database or disk).
    """

    media: MediaId = ""
    refused: str = ""


class MessageTreated(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Done when `refused` is empty; else a word as in `MessageReady`."""

    refused: str = ""


class CallbackNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open request to be called back, as its customer is told of it and as conditions read it (`callback.*`).

    `slot_at` and `slot_s` are the time that was promised, told in `zone`; `tries` is how often we have called.
    """

    request: RequestId
    queue: str
    number: str
    when: When
    source: Source = Source.WEB
    slot_at: datetime | None = None
    slot_s: float = 0.0
    zone: str = ""
    name: str = ""
    reference: str = ""
    reason: str = ""
    tries: int = 0


class SlotNote(msgspec.Struct, frozen=True):
    """A time that can be booked."""

    at: datetime
    length_s: float


class CallbackFound(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The open request, if there is one; `refused` is `unavailable` when nobody can say (the database is away)."""

    request: CallbackNote | None = None
    refused: str = ""


class SlotsListed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The times that can be booked, the soonest first; or a stable word for why not (`Refused.code`)."""

    slots: tuple[SlotNote, ...] = ()
    refused: str = ""


class CallbackAsked(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The request stands, durable, when `refused` is empty; else a stable word for why not (`Refused.code`).

    `again`: another request of that number was open, which stays as it is: nobody but its owner is told of it, so
    that `request` is None then. `estimate_s` is how long until the call, as far as that can be said.
    """

    request: CallbackNote | None = None
    again: bool = False
    estimate_s: float | None = None
    refused: str = ""


class CallbackCancelled(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Done when `refused` is empty; else `too_late`, `unknown_request` or `unavailable`."""

    refused: str = ""


class OptedOut(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Done when `refused` is empty; else `unreadable` (the number was withheld) or `unavailable`."""

    refused: str = ""


class HungUp(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The caller has gone.

    `cause` is the Q.850 cause of the caller's channel, `talk_s` how long the pending `Dial` or `Enqueue` had
    talked, `recorded_s` how long the pending `Record` had recorded.
    """

    cause: int = 16
    talk_s: float = 0.0
    recorded_s: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The command could not be carried out although the caller is there (missing audio, Asterisk refused)."""

    reason: str


Event = (
    Answered
    | Played
    | Collected
    | LookedUp
    | LookupFailed
    | Dialled
    | QueueLeft
    | Recorded
    | MessageKept
    | AgentActed
    | MessagesListed
    | MessageReady
    | MessageTreated
    | CallbackFound
    | SlotsListed
    | CallbackAsked
    | CallbackCancelled
    | OptedOut
    | HungUp
    | Failed
)
