"""REST over the WebSocket that carries the events.

This half knows nothing of connections: a socket to send text with is attached, the answers that its reader finds are
handed over, and it is detached when it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, TypeVar

import msgspec

from controller.ari.generated import models
from controller.ari.operation import ERRORS_FROM, Operation, answer
from controller.errors import AsteriskRefused, AsteriskUnreachable, TelephonyError

T = TypeVar("T")

MAX_FRAME_BYTES = 65_535
"""Asterisk closes the session (1009) on a longer request."""
_TOO_LARGE = 413


class _Request(msgspec.Struct, omit_defaults=True, tag_field="type", tag="RESTRequest"):
    transaction_id: str
    request_id: str
    method: str
    uri: str
    content_type: str = ""
    message_body: str = ""


_encoder = msgspec.json.Encoder()


class Socket(Protocol):
    """What carries the frames (`controller.ari.socket.AriSocket`)."""

    @property
    def full(self) -> bool:
        """Whether the far end takes nothing at the moment."""

    def send(self, message: bytes) -> None:
        """Send one UTF-8 text frame; raise `AsteriskUnreachable` when the socket is closed."""

    async def writable(self) -> None:
        """Wait until it takes something again, or is gone."""


Answer = asyncio.Future[models.RESTResponse]


class RestOverWebSocket:
    """A `Transport` over whatever WebSocket is attached at the moment."""

    def __init__(self, *, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._socket: Socket | None = None
        self._numbers = count(1)
        self._waiting: dict[str, tuple[Answer, str, float]] = {}
        """Future, name and deadline of each request in flight, the oldest first."""
        self._clock: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return len(self._waiting)

    def attach(self, socket: Socket) -> None:
        """Use `socket` from now on. Only after `ApplicationRegistered`."""
        self._socket = socket

    def detach(self) -> None:
        """Forget the socket; every request in flight ends with `AsteriskUnreachable`, its fate unknown."""
        self._socket = None
        waiting, self._waiting = self._waiting, {}
        for future, _, _ in waiting.values():
            if not future.done():
                future.set_exception(
                    AsteriskUnreachable(
                        "The WebSocket to Asterisk closed before the answer: whether the request was carried "
                        "out is unknown; look with GET before sending it again"
                    )
                )

    def answered(self, response: models.RESTResponse) -> None:
        """Give the answer that the reader found to whoever waits; a late one is nobody's and is dropped."""
        found = self._waiting.pop(response.request_id, None)
        if found is not None and not found[0].done():
            found[0].set_result(response)

    async def request(self, operation: Operation[T]) -> T:
        """See `Transport.request`. A request too long for one frame is refused (413) without being sent."""
        socket = self._socket
        if socket is not None and socket.full:
            await self._until_writable(socket, operation)
        response = await self._send(operation)
        return answer(operation, response.status_code, response.reason_phrase, response.message_body)

    async def _until_writable(self, socket: Socket, operation: Operation[Any]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await socket.writable()
        except TimeoutError:
            raise AsteriskUnreachable(
                f"{operation.name}: Asterisk has read nothing for {self._timeout_s:g} s; it was not sent"
            ) from None

    def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
        """Send now and do not wait: `failed` is told, later or at once, when it was not carried out."""
        try:
            future = self._send(operation)
        except TelephonyError as error:
            failed(error)
            return

        def done(future: Answer) -> None:
            if future.cancelled():
                return
            try:
                response = future.result()
                if response.status_code >= ERRORS_FROM:
                    answer(operation, response.status_code, response.reason_phrase, response.message_body)
            except TelephonyError as error:
                failed(error)

        future.add_done_callback(done)

    def _send(self, operation: Operation[Any]) -> Answer:
        """Send a request and return the future of its answer."""
        socket = self._socket
        if socket is None:
            raise AsteriskUnreachable(
                f"{operation.name}: Asterisk is not connected; it dials again by itself, see `rappel doctor`"
            )
        number = str(next(self._numbers))
        frame = _encoder.encode(_message(operation, number))
        if len(frame) > MAX_FRAME_BYTES:
            raise AsteriskRefused(
                f"{operation.name}: {len(frame)} bytes do not fit into one request over the WebSocket "
                f"({MAX_FRAME_BYTES}); send less, or send it over HTTP",
                status=_TOO_LARGE,
                reason="frame too large",
            )
        loop = asyncio.get_running_loop()
        future: Answer = loop.create_future()
        deadline = loop.time() + self._timeout_s
        self._waiting[number] = future, operation.name, deadline
        if self._clock is None:
            self._clock = loop.call_at(deadline, self._expire)
        try:
            socket.send(frame)
        except AsteriskUnreachable:
            del self._waiting[number]
            raise
        return future

    def _expire(self) -> None:
        """End the requests whose time is over. One timer serves all: they all wait equally long."""
        loop = asyncio.get_running_loop()
        self._clock = None
        now = loop.time()
        for number, (future, name, deadline) in list(self._waiting.items()):
            if deadline > now:
                self._clock = loop.call_at(deadline, self._expire)
                return
            del self._waiting[number]
            if not future.done():
                future.set_exception(
                    AsteriskUnreachable(
                        f"{name}: no answer from Asterisk within {self._timeout_s:g} s; whether it was "
                        "carried out is unknown: look with GET before sending it again"
                    )
                )


def _message(operation: Operation[T], number: str) -> _Request:
    if operation.body is None:
        return _Request(number, number, operation.method, operation.uri)
    body = _encoder.encode(operation.body).decode()
    return _Request(number, number, operation.method, operation.uri, "application/json", body)
