"""One AMI connection over panoramisk's protocol, with what panoramisk leaves open closed.

`panoramisk.Manager` is not used: it reconnects by itself and sends again what was not answered, never notices a
peer that has gone silent, and lets a line break in a value begin another action. Its framing, messages and
answer lists are used, through `AMIProtocol`, on connections that are opened and given up here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from typing import Any, Final

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from controller.errors import AsteriskUnreachable

MAX_MESSAGE_CHARS: Final = 1_048_576
"""An AMI message that is longer than this is none: the connection is given up."""
MAX_PENDING: Final = 32
_EOL: Final = "\r\n"
_END: Final = _EOL + _EOL
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")

_SILENT: Final = logging.getLogger("controller.ami.panoramisk")
_SILENT.disabled = True
"""panoramisk would log an action that it cannot send whole, with the secret of the login."""

OnEvent = Callable[[str, dict[str, str]], None]
"""Takes an event's name and its headers; must not block."""


def checked(fields: Mapping[str, str]) -> dict[str, str]:
    """Return `fields` if each can stand in one AMI line; raise `ValueError` otherwise."""
    for key, value in fields.items():
        if not _KEY.match(key) or key.lower() in {"action", "actionid"}:
            raise ValueError(f"{key!r} cannot be the name of an AMI header here")
        if _BREAKS.search(value):
            raise ValueError(f"the value of {key} contains a control character: it could begin another action")
    return dict(fields)


def headers_of(message: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Return the headers of a panoramisk message; one that came several times is joined by commas."""
    return {
        key: value if isinstance(value, str) else ",".join(value)
        for key, value in message.items()
        if key != "content"  # panoramisk's own, for the output of commands
    }


def event_headers(text: str) -> dict[str, str]:
    """Return the headers of one event as Asterisk wrote it; one that came several times is joined by commas."""
    headers: dict[str, str] = {}
    for line in text.split(_EOL):
        key, colon, value = line.partition(": ")
        if colon:
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no annotations
    """panoramisk's framing with bounds, bound to its connection from the first byte on.

    Upstream decodes each read by itself, which loses characters that a read cuts in two, and keeps any amount of
    text without a message's end. Events that belong to no action, as good as all there is, are read here: upstream's
    way of doing it took a twentieth of the controller's time for one `Cdr` a call.
    """

    def __init__(self, connection: AmiConnection) -> None:
        self._connection = connection
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.factory = self._connection
        self.encoding = "utf-8"
        self.log = _SILENT

    def data_received(self, data: bytes) -> None:
        *messages, self._rest = (self._rest + self._decoder.decode(data)).split(_END)
        if len(self._rest) > MAX_MESSAGE_CHARS or any(len(message) > MAX_MESSAGE_CHARS for message in messages):
            self._connection.abort("a message is longer than Asterisk sends")
            return
        for message in messages:
            if self._is_plain_event(message):
                self._connection.event(event_headers(message))
            else:
                super().data_received(f"{message}{_END}".encode())

    def _is_plain_event(self, message: str) -> bool:
        """Tell whether panoramisk has nothing to do with `message`: no answer's part, nor the end of Asterisk."""
        return message.startswith("Event: ") and "\r\nActionID: " not in message and message[7:15] != "Shutdown"


class AmiConnection:
    """A connection that lives once: what it has not answered when it ends is lost, never sent again."""

    # What panoramisk's protocol asks of its factory.
    forgetable_actions: Final = ()
    save_stream: Final = None

    def __init__(self, on_event: OnEvent) -> None:
        self.awaiting_actions: list[Any] = []
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when the connection is over."""
        self._on_event = on_event
        self._protocol: _Protocol | None = None
        self._pending: set[asyncio.Future[Any]] = set()

    async def open(self, host: str, port: int, timeout_s: float) -> None:
        """Connect; raise `AsteriskUnreachable`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, self._protocol = await loop.create_connection(lambda: _Protocol(self), host, port)
        except OSError as error:  # TimeoutError is one
            raise AsteriskUnreachable(
                f"no connection to AMI at {host}:{port} ({str(error) or 'timeout'}):"
                " is Asterisk up, and AMI enabled in manager.conf?"
            ) from error

    async def action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        """Send an action and return the messages of its answer, the response first.

        Raises `AsteriskUnreachable` when no answer came (its fate is unknown) and `ValueError` for a bad field.
        """
        action = Action({**checked(fields), "Action": name})
        protocol = self._protocol
        if protocol is None or self.lost.done():
            raise AsteriskUnreachable(f"AMI is not connected: {name} was not sent")
        if len(self._pending) >= MAX_PENDING:
            raise AsteriskUnreachable(f"{MAX_PENDING} AMI actions wait for an answer: {name} was not sent")
        answer: asyncio.Future[Any] = protocol.send(action, as_list=None)
        self._pending.add(answer)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait({answer, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise AsteriskUnreachable(f"Asterisk did not answer {name} on AMI within {timeout_s:g} s") from None
        finally:
            self._pending.discard(answer)
            protocol.responses.pop(action.id, None)  # panoramisk keeps what was never answered
        if not answer.done():
            raise AsteriskUnreachable(f"the AMI connection ended before {name} was answered: {self.lost.result()}")
        messages = answer.result()
        return [headers_of(message) for message in (messages if isinstance(messages, list) else [messages])]

    def abort(self, reason: str) -> None:
        """Give the connection up at once, whatever is still in its buffers."""
        self._end(reason)
        if self._protocol is not None:
            self._protocol.transport.abort()

    # --- called by panoramisk's protocol ------------------------------------------------------------------

    def dispatch(self, message: Message) -> None:
        """Take an event."""
        self.event(headers_of(message))

    def event(self, headers: dict[str, str]) -> None:
        """Hand out an event."""
        if name := headers.get("Event", ""):
            self._on_event(name, headers)

    def connection_lost(self, reason: object) -> None:
        """The connection is over, or Asterisk says that it is about to be."""
        self._end(str(reason) if isinstance(reason, Exception) else "closed by Asterisk")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        self.awaiting_actions.clear()
