"""What a running flow asks of its driver, and what the driver reports back.

The interpreter (`controller.flow.interpreter.FlowRun`) does no I/O: it is fed one event and returns the next
command. Commands are coarse, because FastAGI allows one outstanding command; a driver (ARI, FastAGI, the
simulator) performs each and answers with exactly one event. A driver answers `HungUp` to any command once the
caller has gone. All of these are plain data: a command that was pending when the controller died is performed
again by its successor.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

MediaId = str
"""Names one piece of audio: `<lang>/<prompt file>`, `<lang>/tts/<slug>.<hash>`, `say/<lang>/<fragment>`
or `silence/<milliseconds>`; the audio library of the driver's side knows where it lies. `recording/<number>` is the
call's own recording of that number (`Record`), `message/<name>` a voice message laid out by `HearMessage`."""


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


# --- commands ---------------------------------------------------------------------------------------------


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
    | Hangup
)


# --- events -----------------------------------------------------------------------------------------------


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
    | HungUp
    | Failed
)
