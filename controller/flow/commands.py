"""What a running flow asks of its driver, and what the driver reports back.

The interpreter (`controller.flow.interpreter.FlowRun`) does no I/O: it is fed one event and returns the next
command. Commands are coarse, because FastAGI allows one outstanding command; a driver (ARI, FastAGI, the
simulator) performs each and answers with exactly one event. A driver answers `HungUp` to any command once the
caller has gone. All of these are plain data: a command that was pending when the controller died is performed
again by its successor.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

MediaId = str
"""Names one piece of audio: `<lang>/<prompt file>`, `<lang>/tts/<slug>.<hash>`, `say/<lang>/<fragment>`
or `silence/<milliseconds>`. The audio library of the driver's side knows where it lies."""


class DigitRules(msgspec.Struct, frozen=True):
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


# --- commands ---------------------------------------------------------------------------------------------


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Answer the caller's channel. Reports `Answered`."""


class Play(msgspec.Struct, frozen=True, tag=True):
    """Play `media` in order. `bargein`: a digit stops it and is kept for the next `Collect`. Reports `Played`."""

    media: tuple[MediaId, ...]
    bargein: bool = True


class Collect(msgspec.Struct, frozen=True, tag=True):
    """Play `media`, then (or meanwhile, with `bargein`) take digits by `rules`. Reports `Collected`.

    With `bargein`, digits typed ahead of this command count; without, they are dropped when the prompt ends.
    `secret` digits never reach a log, a trace or a record.
    """

    media: tuple[MediaId, ...]
    rules: DigitRules
    bargein: bool = True
    secret: bool = False


class Lookup(msgspec.Struct, frozen=True, tag=True):
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


class Dial(msgspec.Struct, frozen=True, tag=True):
    """Ring `extension` of the centre and talk until either side hangs up. Reports `Dialled`.

    `number` counts the dials of this call from 1: ids of the leg and of the bridge derive from it.
    `ring_media` is a ringing tone when empty.
    """

    extension: str
    number: int
    ring_s: float = 25.0
    max_talk_s: float = 14_400.0


class Hangup(msgspec.Struct, frozen=True, tag=True):
    """End the call with a Q.850 `cause`. Last command of a run; reports nothing."""

    cause: int = 16


Command = Answer | Play | Collect | Lookup | Dial | Hangup


# --- events -----------------------------------------------------------------------------------------------


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The caller's channel is up."""


class Played(msgspec.Struct, frozen=True, tag=True):
    """The media ended; `interrupted` by a digit."""

    interrupted: bool = False


class CollectEnd(StrEnum):
    """Why an entry ended."""

    COMPLETE = "complete"  # max digits, or an unambiguous choice
    TERMINATED = "terminated"  # the end key
    NO_INPUT = "no_input"  # first-digit clock, nothing pressed
    INTER_DIGIT = "inter_digit"  # between-digits clock, something pressed
    TOTAL = "total"  # whole-entry clock


class Collected(msgspec.Struct, frozen=True, tag=True):
    """Digits `0-9*#A-D` in the order pressed, without the end key."""

    digits: str
    end: CollectEnd


class LookedUp(msgspec.Struct, frozen=True, tag=True):
    """The service answered; `body` is decoded JSON, or None when the body was empty."""

    status: int
    body: Any = None


class LookupFailed(msgspec.Struct, frozen=True, tag=True):
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


class Dialled(msgspec.Struct, frozen=True, tag=True):
    """The dial is over and the caller is still there. `cause` is the Q.850 cause of the dialled leg."""

    outcome: DialOutcome
    cause: int = 0
    talk_s: float = 0.0


class HungUp(msgspec.Struct, frozen=True, tag=True):
    """The caller has gone.

    `cause` is the Q.850 cause of the caller's channel, `talk_s` how long the pending `Dial` had talked.
    """

    cause: int = 16
    talk_s: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The command could not be carried out although the caller is there (missing audio, Asterisk refused)."""

    reason: str


Event = Answered | Played | Collected | LookedUp | LookupFailed | Dialled | HungUp | Failed
