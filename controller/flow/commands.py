"""What a running flow asks of its driver, and what the driver reports back.

The interpreter (`controller.flow.interpreter.FlowRun`) does no I/O: it is fed one event and returns the next
command. Commands are coarse, because FastAGI allows one outstanding command; a driver (ARI, FastAGI, the
simulator) performs each and answers with exactly one event. A driver answers `HungUp` to any command once the
caller has gone. All of these are plain data: a command that was pending when the controller died is performed
again by its successor. The events are in `controller.flow.events` and can be had from here as well.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.callback.model import RequestId, When
from controller.flow.events import (
    AgentActed,
    Answered,
    CallbackAsked,
    CallbackCancelled,
    CallbackFound,
    CallbackNote,
    Collected,
    CollectEnd,
    Dialled,
    DialOutcome,
    Event,
    Failed,
    HungUp,
    LookedUp,
    LookupFailed,
    MessageKept,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    OptedOut,
    Played,
    QueueExit,
    QueueLeft,
    Recorded,
    SlotNote,
    SlotsListed,
)
from controller.flow.media import MediaId

__all__ = [
    "AgentAct",
    "AgentActKind",
    "AgentActed",
    "Answer",
    "Answered",
    "AskCallback",
    "CallbackAsked",
    "CallbackCancelled",
    "CallbackFound",
    "CallbackNote",
    "CancelCallback",
    "ChangeCallback",
    "Collect",
    "CollectEnd",
    "Collected",
    "Command",
    "Dial",
    "DialOutcome",
    "Dialled",
    "DigitRules",
    "Enqueue",
    "Event",
    "Failed",
    "FindCallback",
    "Hangup",
    "HearMessage",
    "HungUp",
    "KeepMessage",
    "ListMessages",
    "ListSlots",
    "LookedUp",
    "Lookup",
    "LookupFailed",
    "MediaId",
    "MessageActKind",
    "MessageKept",
    "MessageNote",
    "MessageReady",
    "MessageTreated",
    "MessagesListed",
    "OptOut",
    "OptedOut",
    "Play",
    "Played",
    "QueueExit",
    "QueueLeft",
    "Record",
    "Recorded",
    "SlotNote",
    "SlotsListed",
    "TreatMessage",
    "VisitProgress",
]


class DigitRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an entry by DTMF ends. Clocks in seconds.

    The entry is complete when `max` digits are in, when `end` is pressed (not part of the digits) with at
    least `min` in, or at once when the digits equal a member of `choices` that no other member begins with.
    `first_digit_s` runs from the end of the prompt to the first digit, `inter_digit_s` between digits,
    `total_s` from the end of the prompt, or from a digit typed ahead, over the whole entry. `end` after too few
    digits ends the entry too (TERMINATED: the interpreter finds it too short); a leading `end` is dropped when
    `min` is above 0. `controller.flow.digits` is these rules as code.
    """

    min: int = 1
    max: int = 1
    end: str = ""
    first_digit_s: float = 5.0
    inter_digit_s: float = 2.0
    total_s: float = 60.0
    choices: tuple[str, ...] = ()


class AgentActKind(StrEnum):
    """What an agent asks for from the phone."""

    LOGIN = "login"
    LOGOUT = "logout"
    PAUSE = "pause"
    RESUME = "resume"
    END_WRAP_UP = "end_wrap_up"


class MessageActKind(StrEnum):
    """What an agent does with a voice message."""

    ERASE = "erase"
    KEEP_NEW = "keep_new"


class Answer(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Answer the caller's channel. Reports `Answered`."""


class Play(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Play `media` in order. `bargein`: a digit stops it and is kept for the next `Collect`. Reports `Played`."""

    media: tuple[MediaId, ...]
    bargein: bool = True


class Collect(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Play `media`, then (or meanwhile, with `bargein`) take digits by `rules`. Reports `Collected`.

    With `bargein`, digits typed ahead of this command count; without, they are dropped when the prompt ends.
    `secret` digits never reach a log, a trace or a record.
    """

    media: tuple[MediaId, ...]
    rules: DigitRules
    bargein: bool = True
    secret: bool = False


class Lookup(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """One HTTP request, already allowed by the centre's host list. Reports `LookedUp` or `LookupFailed`.

    `secret`: the URL and the body carry secret values and are not to be logged.
    """

    step: str
    method: str
    url: str
    headers: dict[str, str] = {}
    body: Any = None
    timeout_s: float = 5.0
    max_bytes: int = 262_144
    secret: bool = False


class Dial(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Ring `extension` of the centre and talk until either side hangs up. Reports `Dialled`.

    `number` counts the dials of this call from 1: ids of the leg and of the bridge derive from it.
    `ring_media` is a ringing tone when empty.
    """

    extension: str
    number: int
    ring_s: float = 25.0
    max_talk_s: float = 14_400.0


class VisitProgress(msgspec.Struct, frozen=True):
    """How far a visit to the queues has come: kept with the pending `Enqueue`, so that a successor goes on there.

    `leg`, `bridge`, `recording`, `offer` are the numbers used last. `agent` is the one who is offered the call or
    talks; `legs` are the numbers of the legs that may be alive; `connected_at` is set once the talk began.
    """

    queue: str = ""
    visit: int = 1
    leg: int = 0
    bridge: int = 0
    recording: int = 0
    offer: int = 0
    phase: str = "waiting"
    agent: str = ""
    legs: tuple[int, ...] = ()
    connected_at: datetime | None = None
    detail: dict[str, Any] = {}


class Enqueue(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Wait in `queue` for an agent, talk, and come back when the agent has gone. Reports `QueueLeft`.

    `entered_at` is the original entry time: place and wait count from it, also after a restart. `number` counts the
    visits to queues of this call from 1. `callback_key` and `message_key` end the wait when pressed
    (`callback_after_s`: offered only after that wait). `language` is the caller's. Not performed by the telephone
    alone: the calls layer does it over a `Switchboard`. `progress` is None in a call's first visit; in a later
    one it is what the last visit left, in phase `new`, so that no id is used twice.
    """

    queue: str
    number: int
    entered_at: datetime
    language: str
    priority: int = 0
    needs: dict[str, int] = {}
    wait_s: float = 900.0
    callback_key: str = ""
    callback_after_s: float = 60.0
    message_key: str = ""
    message_after_s: float = 0.0
    no_agents: bool = False
    """Leave with `NO_AGENTS` as soon as nobody who serves the queue is logged in; else wait for somebody."""
    progress: VisitProgress | None = None


class Record(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Play `media`, a beep, and record the caller until `end` is pressed, silence, or `max_s`. Reports `Recorded`.

    `number` counts the recordings of this call from 1; the file's id derives from it.
    """

    media: tuple[MediaId, ...]
    number: int
    max_s: float = 180.0
    silence_s: float = 5.0
    end: str = "#"
    beep: bool = True


class KeepMessage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Leave the recording `number` of this call as a voice message for `queue`. Reports `MessageKept`."""

    queue: str
    number: int
    duration_s: float


class AgentAct(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The caller is an agent at their own phone and asks for something. Reports `AgentActed`."""

    act: AgentActKind
    reason: str = ""


class ListMessages(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The caller is an agent at their own phone and wants the messages of the queues they serve: `most` at most.

    Reports `MessagesListed`.
    """

    most: int = 50


class HearMessage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Write down that this agent listens to the message `recording`, then lay it out. Reports `MessageReady`."""

    recording: str


class TreatMessage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Do `act` with the message `recording`, as the agent who calls wishes. Reports `MessageTreated`."""

    recording: str
    act: MessageActKind


class FindCallback(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Look for the open request to be called back of the caller's number, in `queue` ("": in any).

    In a call that we made, it is the request it was made for. Reports `CallbackFound`.
    """

    queue: str = ""


class ListSlots(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Look which times can be booked to be called back by `queue`: the `most` soonest. Reports `SlotsListed`."""

    queue: str
    most: int = 120


class AskCallback(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Have `phone` called back by `queue`. Reports `CallbackAsked`.

    `number` counts the requests of this call from 1: with the call's id it makes the request safe to ask for again.
    `phone` is as it was typed or delivered, not judged yet. `entered_at`: the place in the queue that the caller
    keeps. `consent` is what the caller heard and answered, the proof that they asked. `data` is for the agent.
    """

    queue: str
    number: int
    phone: str
    when: When
    language: str
    consent: str
    slot_at: datetime | None = None
    entered_at: datetime | None = None
    zone: str = ""
    priority: int = 0
    needs: dict[str, int] = {}
    reason: str = ""
    data: dict[str, str] = {}


class ChangeCallback(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Give the open request `request` another time. Reports `CallbackAsked`."""

    request: RequestId
    when: When
    slot_at: datetime | None = None


class CancelCallback(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Cancel the open request `request`, as the caller wishes. Reports `CallbackCancelled`."""

    request: RequestId


class OptOut(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Never call the caller's number again, but when its owner asks for it anew; its requests end.

    In a call that we made, `request` is what it was made for, and `phone` whom we called. Reports `OptedOut`.
    """

    request: RequestId | None = None
    phone: str = ""


class Hangup(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """End the call with a Q.850 `cause`. Last command of a run; reports nothing."""

    cause: int = 16


Command = (
    Answer
    | Play
    | Collect
    | Lookup
    | Dial
    | Enqueue
    | Record
    | KeepMessage
    | AgentAct
    | ListMessages
    | HearMessage
    | TreatMessage
    | FindCallback
    | ListSlots
    | AskCallback
    | ChangeCallback
    | CancelCallback
    | OptOut
    | Hangup
)
