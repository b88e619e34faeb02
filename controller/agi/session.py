"""One FastAGI connection: one command at a time, hang-up notices noted, every wait bounded.

Asterisk's lines are read where they arrive, in the transport's callback, and the answer to the command in progress is
given to whoever waits for it. There is no task, no stream and no timer in between: the server looks after `deadline`.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol, cast

from controller.agi.protocol import (
    HANGUP_NOTICE,
    MAX_ENVIRONMENT_BYTES,
    MAX_LINE_BYTES,
    AgiProtocolError,
    Response,
    command_line,
    parse_environment,
    parse_response,
)
from controller.errors import AsteriskUnreachable, TelephonyError

_MORE_LINES: Final = 64
"""Lines that end no answer, from one command to the next: the longest usage text of Asterisk 22 has 12 lines."""
_BEGINNING: Final = b"agi_"


class Owner(Protocol):
    """Who keeps sessions (`controller.agi.server.AgiServer`); every method returns at once."""

    def opened(self, session: AgiSession) -> None:
        """Take note of a connection, and set its `deadline` for the description of its call."""

    def described(self, session: AgiSession, environment: dict[str, str]) -> None:
        """Take the description of the call: values by name without `agi_`."""

    def unfit(self, session: AgiSession, error: TelephonyError) -> None:
        """Take note that what came is no description of a call; the connection is closed."""

    def lost(self, session: AgiSession) -> None:
        """Take note that the connection is gone, for whatever reason."""


class AgiSession(asyncio.Protocol):
    """Speaks FastAGI over a connection; one task at a time may use it.

    `hung_up` turns true when Asterisk has said that the caller is gone: by its notice or by answering 511.
    `deadline` is when the wait in progress is over (time of the event loop); whoever keeps the session calls `expire`
    then. What has come and is not yet a whole line is bounded by the protocol's limits, what was not yet sent by the
    one command.
    """

    def __init__(self, owner: Owner) -> None:
        self.hung_up = False
        self.deadline = math.inf
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._described = False
        self._over = False
        self._why: TelephonyError | None = None
        self._verb = ""
        self._timeout_s = 0.0
        self._answer: asyncio.Future[Response] | None = None
        self._inside_usage = False
        self._more = 0

    async def command(self, verb: str, *arguments: str | int, timeout_s: float = 5.0) -> Response:
        """Run one command and return its answer within `timeout_s`.

        Raises `AsteriskUnreachable` when no answer comes (the command's fate is unknown), `AgiProtocolError` when
        it cannot be read, `ValueError` for an argument that cannot be sent. The session is dead after the first two.
        """
        line = command_line(verb, *arguments)
        if self._answer is not None:
            raise RuntimeError(f"{verb} while {self._verb} is not answered: FastAGI has one command at a time")
        if self._over or self._transport is None:
            raise self._why or _closed(verb)
        self._verb, self._timeout_s = verb, timeout_s
        self._inside_usage, self._more = False, 0
        self._answer = self._loop.create_future()
        self.deadline = self._loop.time() + timeout_s
        self._transport.write(line)
        try:
            response = await self._answer
        except asyncio.CancelledError:
            self.close()  # its answer would be taken for the next command's
            raise
        finally:
            self._answer = None
        if response.dead:
            self.hung_up = True
        return response

    def close(self) -> None:
        """Let the connection go: Asterisk's dialplan goes on after `AGI()`, or the channel ends if it is gone."""
        self._end(None)

    def expire(self) -> None:
        """End the wait in progress: its time is over."""
        if self._described:
            error = AsteriskUnreachable(
                f"Asterisk did not answer {self._verb} within {self._timeout_s:g} s on FastAGI"
            )
        else:
            error = AsteriskUnreachable(
                "the call's description was not complete in time: only Asterisk may connect here"
            )
        self._end(error)

    def _end(self, error: TelephonyError | None) -> None:
        """Close, and tell whoever waits what went wrong, if anything did."""
        if self._over:
            return
        self._over, self._why, self.deadline, self._unread = True, error, math.inf, b""
        answer, transport = self._answer, self._transport
        if transport is not None:
            # Nobody waits until the far end has read what was sent, when it is in the middle of something.
            (transport.close if answer is None and error is None else transport.abort)()
        if error is not None and not self._described:
            self._owner.unfit(self, error)
        if answer is not None and not answer.done():
            answer.set_exception(error or _closed(self._verb))

    # --- called by the transport --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._over:
            return
        if self._unread:
            data = self._unread + data
        try:
            self._unread = self._lines(data) if self._described else self._description(data)
        except AgiProtocolError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See `asyncio.Protocol`."""
        inside = not self._described and b"\n" in self._unread  # without a line it only came and went
        self._end(AsteriskUnreachable("a FastAGI connection ended inside the call's description") if inside else None)
        self._transport = None
        self._owner.lost(self)

    # --- what Asterisk says -------------------------------------------------------------------------------

    def _description(self, data: bytes) -> bytes:
        """Take the description of the call once it is whole; return what is not yet read."""
        end = data.find(b"\n\n")
        if not data.startswith(_BEGINNING[: len(data)]):
            raise AgiProtocolError("what came does not begin with agi_: only Asterisk may connect here")
        if max(end, 0 if end >= 0 else len(data)) > MAX_ENVIRONMENT_BYTES:
            raise AgiProtocolError(
                f"the call's description is longer than {MAX_ENVIRONMENT_BYTES} bytes: only Asterisk may connect here"
            )
        if end < 0:
            return data
        environment = parse_environment(data[:end])
        self._described = True
        self.deadline = math.inf
        self._owner.described(self, environment)
        return b"" if self._over else self._lines(data[end + 2 :])

    def _lines(self, data: bytes) -> bytes:
        """Take the whole lines of `data`; return what is not yet one."""
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            if end - begin > MAX_LINE_BYTES:
                break
            self._line(data[begin:end].rstrip(b"\r"))
            begin = end + 1
        if len(data) - begin > MAX_LINE_BYTES:
            raise AgiProtocolError("a line is longer than Asterisk sends: only Asterisk may connect here")
        return data[begin:]

    def _line(self, line: bytes) -> None:
        if line == HANGUP_NOTICE:
            self.hung_up = True
        elif self._answer is None or self._answer.done():
            raise AgiProtocolError("a line came that no command asked for: this is not Asterisk's FastAGI")
        elif not self._inside_usage or line.startswith(b"520 "):
            response, last = parse_response(line)
            if last:
                self.deadline = math.inf
                self._answer.set_result(response)
                return
            self._inside_usage = response.code == 520  # noqa: PLR2004 - the protocol's own number
        self._more += 1
        if self._more > _MORE_LINES:
            raise AgiProtocolError(f"an answer has more than {_MORE_LINES} lines: this is not Asterisk's FastAGI")


def _closed(verb: str) -> AsteriskUnreachable:
    where = f"during {verb}" if verb else "before the first command"
    return AsteriskUnreachable(
        f"Asterisk closed the FastAGI connection {where}: the dialplan took the call elsewhere"
    )
