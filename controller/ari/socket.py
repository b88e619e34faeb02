"""One WebSocket to Asterisk, as picows gives it: messages in, frames out, no task in between.

picows reads, unmasks and takes frames apart in C and calls `on_ws_frame` from the transport's own callback, so that
a message is decoded and routed where it arrives. It pings by itself and gives a frozen peer up.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from controller.errors import AsteriskUnreachable

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest message taken from Asterisk: a list of some tens of thousands of channels."""
SUBPROTOCOL: Final = "ari"
OPTIONS: Final[dict[str, Any]] = {
    "enable_auto_ping": False,  # see `controller.ari.heartbeat`
    "max_frame_size": MAX_MESSAGE_BYTES,
    "websocket_handshake_timeout": 5.0,
    "logger_name": "ari",
}
"""For picows' server and client alike."""

_CLOSE_S: Final = 2.0
_WHOLE_TEXT: Final = 0x81
_TWO_BYTES: Final = 126
_LONGER: Final = struct.Struct("!BBH")


class Reader(Protocol):
    """Whoever lives on a socket's messages; every method returns at once."""

    def opened(self, socket: AriSocket) -> None:
        """Take note that `socket` can be used."""

    def received(self, socket: AriSocket, message: bytes) -> None:
        """Take one whole message."""

    def lost(self, socket: AriSocket) -> None:
        """Take note that nothing will come from `socket` any more."""


class AriSocket(WSListener):
    """A WebSocket from its handshake to its end. `registered`: Asterisk knew the application before it."""

    def __init__(self, reader: Reader, *, registered: bool = False) -> None:
        self.registered = registered
        self.worked = False
        """Whether it ever came so far that events were delivered; the reader's to change."""
        self._reader = reader
        self._transport: WSTransport | None = None
        self._parts = bytearray()
        self._outgoing: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._written = 0
        self._acknowledge: Callable[[], object] = _nothing
        self._own: socket.socket | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def remote(self) -> str:
        """Address of the far end."""
        if self._transport is None:
            return ""
        name = self._transport.underlying_transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else ""

    @property
    def close_code(self) -> int | None:
        """The code that the far end closed with, if it said so."""
        handshake = self._transport.close_handshake if self._transport is not None else None
        if handshake is None or handshake.recv is None:
            return None
        code: Any = handshake.recv.code  # one that has no name is a number
        return int(getattr(code, "value", code))

    def send(self, message: bytes) -> None:
        """Send one text message, together with what else is sent in this turn of the event loop, in order.

        Each write of its own wakes Asterisk and costs as much as all of a message's way to it through our code.
        Raises `AsteriskUnreachable` when the socket is closed or closing.
        """
        transport = self._transport
        if transport is None or transport.is_disconnected or transport.is_close_frame_sent:
            raise AsteriskUnreachable("the WebSocket to Asterisk is closed; it dials again by itself")
        self._written += 1
        self._outgoing.append(message)
        if len(self._outgoing) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        messages, self._outgoing = self._outgoing, []
        transport = self._transport
        if transport is None or transport.is_disconnected or transport.is_close_frame_sent:
            return  # who waits for an answer is told by the reader
        if len(messages) == 1 or transport.is_client_side:
            for message in messages:
                transport.send(WSMsgType.TEXT, message)
        else:
            transport.underlying_transport.write(b"".join(map(_framed, messages)))

    @property
    def full(self) -> bool:
        """Whether Asterisk takes nothing at the moment: what was sent fills the buffers."""
        return not self._writable.is_set()

    async def writable(self) -> None:
        """Wait until Asterisk takes something again, or is gone."""
        await self._writable.wait()

    def hang_up(self, code: WSCloseCode, why: bytes) -> None:
        """Say goodbye; the socket is cut if the far end does not answer in time."""
        if self._transport is None or self._transport.is_disconnected:
            return
        self._transport.send_close(code, why)
        self._loop.call_later(_CLOSE_S, self._transport.disconnect, False)

    async def gone(self) -> None:
        """Wait until the socket is closed."""
        await self._gone.wait()

    # --- called by picows ---------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See `WSListener`."""
        self._transport = transport
        self._acknowledge = self._acknowledger(transport)
        self._reader.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See `WSListener`."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        if kind == WSMsgType.PONG:
            return
        if frame.last_in_buffer:
            # Once whoever was woken by what has come had his turn: an answer carries the acknowledgement with it.
            self._loop.call_soon(self._acknowledge_unless_written, self._written)
        if frame.fin and not self._parts:
            self._reader.received(self, frame.get_payload_as_bytes())
            return
        self._parts += frame.get_payload_as_memoryview()
        if len(self._parts) > MAX_MESSAGE_BYTES:
            self.hang_up(WSCloseCode.MESSAGE_TOO_BIG, b"")
            self._parts.clear()
        elif frame.fin:
            message = bytes(self._parts)
            self._parts.clear()
            self._reader.received(self, message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """See `WSListener`."""
        self._writable.set()
        self._acknowledge = _nothing
        if self._own is not None:
            self._own.close()
        self._gone.set()
        self._reader.lost(self)

    def pause_writing(self) -> None:
        """See `WSListener`."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See `WSListener`."""
        self._writable.set()

    # --- acknowledgements ---------------------------------------------------------------------------------

    def _acknowledge_unless_written(self, written: int) -> None:
        if self._written == written:
            self._acknowledge()

    def _acknowledger(self, transport: WSTransport) -> Callable[[], object]:
        """Return what makes the kernel acknowledge at once whatever was read.

        Asterisk leaves Nagle's algorithm on where it is the one that dialled: an event waits until the message
        before it was acknowledged, which Linux delays by 40 ms while we have nothing to send. Measured: 44 ms from
        a stop to its PlaybackFinished, 0.9 ms with this. The option does not last, so it is set after every read.
        """
        raw = transport.underlying_transport.get_extra_info("socket")
        quick = getattr(socket, "TCP_QUICKACK", None)
        if raw is None or quick is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
            return _nothing
        # A socket object of our own on the same connection: uvloop's stand-in makes a new one for every option set.
        self._own = socket.socket(fileno=os.dup(raw.fileno()))
        return partial(self._own.setsockopt, socket.IPPROTO_TCP, quick, 1)


def _framed(message: bytes) -> bytes:
    """Return a server's frame with one whole text message of at most 65,535 bytes (RFC 6455, 5.2)."""
    size = len(message)
    header = bytes((_WHOLE_TEXT, size)) if size < _TWO_BYTES else _LONGER.pack(_WHOLE_TEXT, _TWO_BYTES, size)
    return header + message


def _nothing() -> None:
    return None
