"""The text of FastAGI, without I/O: environment lines in, command lines out, response lines in.

What Asterisk's `res_agi` does was observed on 22.10: arguments are split at spaces outside double quotes, a
backslash protects one character, a line ends the command, and `${…}` in an argument stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from controller.errors import TelephonyError

MAX_ENVIRONMENT_LINES: Final = 128
MAX_ENVIRONMENT_BYTES: Final = 32_768
MAX_LINE_BYTES: Final = 8192
MAX_COMMAND_BYTES: Final = 2000
"""`res_agi` reads a command into 2,048 bytes and takes the rest for the next command."""

HANGUP_NOTICE: Final = b"HANGUP"
DEAD_CHANNEL: Final = 511

_VARIABLE = re.compile(r"agi_([a-z0-9_]{1,60}):(?: |$)(.*)")
_OK = re.compile(rb"200 result=(-?\d{1,12})(?: \((.*?)\))?(?: endpos=(\d{1,18}))?")
_OTHER = re.compile(rb"(\d{3})([ -])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_UNPRINTABLE_IN_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class AgiProtocolError(TelephonyError):
    """The other end does not speak FastAGI as Asterisk 22 does; the connection is of no further use."""


class Response(msgspec.Struct, frozen=True):
    """One whole answer to a command. `result`, `data` (in parentheses) and `endpos` count for code 200 only."""

    code: int
    result: int = 0
    data: str = ""
    endpos: int = 0

    @property
    def dead(self) -> bool:
        """Whether the channel is gone: Asterisk no longer takes this command."""
        return self.code == DEAD_CHANNEL


def quote(argument: str) -> str:
    """Return `argument` as one quoted word of a command.

    Raises `ValueError` for control characters: a line break would begin a second command.
    """
    if _UNPRINTABLE.search(argument):
        raise ValueError("a FastAGI argument contains a control character: clean the value before it gets here")
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def command_line(verb: str, *arguments: str | int) -> bytes:
    """Return the line, with its end, that runs `verb` (fixed words of ours) with `arguments`.

    Raises `ValueError` for what cannot be sent in one piece.
    """
    words = [verb, *[str(a) if isinstance(a, int) else quote(a) for a in arguments]]
    line = " ".join(words).encode() + b"\n"
    if len(line) > MAX_COMMAND_BYTES:
        raise ValueError(f"a FastAGI command of {len(line)} bytes is longer than {MAX_COMMAND_BYTES}: shorten it")
    return line


def parse_environment(block: bytes) -> dict[str, str]:
    """Return names (without `agi_`) and values of a call's description: its lines, without the empty one at the end.

    A second line of the same name is forged and refused.
    """
    text = block.decode("utf-8", "replace")
    lines = text.split("\n")
    if len(lines) > MAX_ENVIRONMENT_LINES:
        raise AgiProtocolError(
            f"more than {MAX_ENVIRONMENT_LINES} lines describe the call: only Asterisk may connect"
        )
    if _UNPRINTABLE_IN_LINES.search(text):
        lines = [_UNPRINTABLE.sub("", line) for line in lines]
    environment: dict[str, str] = {}
    for line in lines:
        found = _VARIABLE.fullmatch(line)
        if found is None:
            raise AgiProtocolError(
                "a line of the call's description is no agi_ variable: only Asterisk may connect here"
            )
        name, value = found.groups()
        if name in environment:
            raise AgiProtocolError(f"agi_{name} came twice: a value of this call contains a line break")
        environment[name] = value
    return environment


def parse_response(line: bytes) -> tuple[Response, bool]:
    """Return the response in `line` and whether it is the last line of its answer.

    `100` announces, `520-` begins a usage text, which ends with `520 `; everything else is one line.
    """
    ok = _OK.fullmatch(line)
    if ok is not None:
        result, data, endpos = ok.groups()
        return Response(200, int(result), data.decode("utf-8", "replace") if data else "", int(endpos or 0)), True
    other = _OTHER.match(line)
    if other is None:
        raise AgiProtocolError("an answer does not begin with a three-digit code: this is not Asterisk's FastAGI")
    code, more = int(other[1]), other[2]
    if more == b"-" or code == 100:  # noqa: PLR2004 - the protocol's own number
        return Response(code), False
    if code == 200:  # noqa: PLR2004 - the protocol's own number
        raise AgiProtocolError("an answer of code 200 has no readable result=: this is not Asterisk's FastAGI")
    return Response(code), True


def text_of(environment: Mapping[str, str], name: str) -> str:
    """Return a value of the environment; Asterisk writes `unknown` for what it does not know."""
    value = environment.get(name, "")
    return "" if value == "unknown" else value
