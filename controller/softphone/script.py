"""The little language of a scripted call: `press 12, wait 2s, hear fr/menu, 1, hangup`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.errors import RappelError
from controller.softphone.rtp import DIGITS

MAX_STEPS = 500
MAX_WAIT_S = 3600.0
HEAR_TIMEOUT_S = 20.0
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}
_KEYS = re.compile(r"[0-9*#a-dA-D]+")


class ScriptError(RappelError):
    """The script cannot be read; the message names the step and what may stand there."""


@dataclass(frozen=True, slots=True)
class Press:
    """Press `digits`; `method` is `rfc4733` or `info`."""

    digits: str
    method: str = "rfc4733"


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait until a prompt whose name matches `pattern` (`*` and `?` allowed) is heard.

    `to_end`: until it has been heard to its end. Gives up after `timeout_s`.
    """

    pattern: str
    to_end: bool = False
    timeout_s: float = HEAR_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Quiet:
    """Wait until something was heard and then nothing for a moment. Gives up after `timeout_s`."""

    timeout_s: float = HEAR_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Hangup:
    """Hang up."""


Step = Press | Wait | Hear | Quiet | Hangup
Script = tuple[Step, ...]


def parse_script(text: str) -> Script:
    """Return the steps in `text`, separated by commas, semicolons or line ends.

    ::

        12                  press 1, then 2 (also: press 12)
        info 12             the same by SIP INFO
        wait 2, wait 500ms  let time pass; the unit is s unless given
        hear fr/menu        until that prompt is heard (hear fr/menu 30s: wait at most so long)
        after fr/menu       until it is heard to its end (also: after-prompt)
        quiet               until the other side has said something and is silent
        hangup              hang up; without it the call lasts until the other side ends it

    Raises `ScriptError`.
    """
    words = [item.strip() for item in re.split(r"[,;\n]", text)]
    steps = tuple(_step(item) for item in words if item)
    if len(steps) > MAX_STEPS:
        raise ScriptError(f"the script has {len(steps)} steps; at most {MAX_STEPS} are allowed")
    return steps


def _step(item: str) -> Step:
    verb, _, rest = item.partition(" ")
    rest = rest.strip()
    match verb.lower():
        case "press" | "info":
            return Press(_keys(rest, item), "info" if verb.lower() == "info" else "rfc4733")
        case "wait":
            return Wait(_seconds(rest, item))
        case "hear" | "after" | "after-prompt" if rest:
            pattern, _, limit = rest.partition(" ")
            timeout_s = _seconds(limit.strip(), item) if limit.strip() else HEAR_TIMEOUT_S
            return Hear(pattern, verb.lower() != "hear", timeout_s)
        case "quiet":
            return Quiet(_seconds(rest, item)) if rest else Quiet()
        case "hangup" if not rest:
            return Hangup()
        case _:
            return Press(_keys(item, item))


def _keys(text: str, item: str) -> str:
    keys = text.replace(" ", "")
    if not _KEYS.fullmatch(keys):
        raise ScriptError(
            f"cannot read the step {item[:60]!r}: write keys ({DIGITS}), 'press 12', 'info 12', 'wait 2s', "
            "'hear <prompt>', 'after <prompt>', 'quiet' or 'hangup'"
        )
    return keys.upper()


def _seconds(text: str, item: str) -> float:
    found = _DURATION.fullmatch(text)
    if not found:
        raise ScriptError(f"cannot read the duration in {item[:60]!r}: write it as 2s, 500ms or 1m")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > MAX_WAIT_S:
        raise ScriptError(f"{item[:60]!r} waits longer than an hour; shorten it")
    return seconds
