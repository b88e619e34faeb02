"""One FastAGI connection: one command at a time, hang-up notices noted, every wait bounded."""

from __future__ import annotations

import asyncio
from typing import Final

from controller.agi.protocol import (
    HANGUP_NOTICE,
    AgiProtocolError,
    Response,
    add_variable,
    command_line,
    parse_response,
)
from controller.errors import AsteriskUnreachable

_ANSWER_LINES: Final = 64
"""The longest usage text of Asterisk 22 has 12 lines."""


class AgiSession:
    """Speaks FastAGI over a stream; one task at a time may use it.

    `hung_up` turns true when Asterisk has said that the caller is gone: by its notice or by answering 511.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hung_up = False
        self._reader = reader
        self._writer = writer

    async def read_environment(self, timeout_s: float) -> dict[str, str] | None:
        """Return the description of the call by name without `agi_`; None if the peer left without a word.

        Raises `AgiProtocolError` for anything but an environment, `AsteriskUnreachable` when it stays incomplete.
        """
        environment: dict[str, str] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while line := await self._read_line():  # bounded by MAX_ENVIRONMENT_LINES in add_variable
                    add_variable(environment, line)
        except TimeoutError:
            raise AsteriskUnreachable(
                f"the call's description was not complete after {timeout_s:g} s: only Asterisk may connect here"
            ) from None
        except (EOFError, OSError):
            if not environment:
                return None
            raise AsteriskUnreachable("a FastAGI connection ended inside the call's description") from None
        return environment

    async def command(self, verb: str, *arguments: str | int, timeout_s: float = 5.0) -> Response:
        """Run one command and return its answer within `timeout_s`.

        Raises `AsteriskUnreachable` when no answer comes (the command's fate is unknown), `AgiProtocolError` when
        it cannot be read, `ValueError` for an argument that cannot be sent. The session is dead after the first two.
        """
        line = command_line(verb, *arguments)
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(line)
                await self._writer.drain()
                response = await self._read_response()
        except TimeoutError:
            self.close()
            raise AsteriskUnreachable(f"Asterisk did not answer {verb} within {timeout_s:g} s on FastAGI") from None
        except (EOFError, OSError):
            self.close()
            raise AsteriskUnreachable(
                f"Asterisk closed the FastAGI connection during {verb}: the dialplan took the call elsewhere"
            ) from None
        except AgiProtocolError:
            self.close()
            raise
        if response.dead:
            self.hung_up = True
        return response

    def close(self) -> None:
        """Let the connection go: Asterisk's dialplan goes on after `AGI()`, or the channel ends if it is gone."""
        self._writer.close()

    async def _read_response(self) -> Response:
        inside_usage = False
        for _ in range(_ANSWER_LINES):
            line = await self._read_line()
            if line == HANGUP_NOTICE:
                self.hung_up = True
                continue
            if inside_usage and not line.startswith(b"520 "):
                continue
            response, last = parse_response(line)
            if last:
                return response
            inside_usage = response.code == 520  # noqa: PLR2004 - the protocol's own number
        raise AgiProtocolError(f"an answer has more than {_ANSWER_LINES} lines: this is not Asterisk's FastAGI")

    async def _read_line(self) -> bytes:
        """Return one line without its end; raise `EOFError` at the end of the stream."""
        try:
            line = await self._reader.readline()
        except ValueError:
            raise AgiProtocolError("a line is longer than Asterisk sends: only Asterisk may connect here") from None
        if not line.endswith(b"\n"):
            raise EOFError
        return line.rstrip(b"\r\n")
