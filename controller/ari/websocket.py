"""REST over the WebSocket that carries the events.

This half knows nothing of sockets: the connection attaches a way to send text, hands over the answers that its
reader finds, and detaches when the socket is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import msgspec

from controller.ari.generated import models
from controller.ari.operation import Operation, answer
from controller.errors import AsteriskRefused, AsteriskUnreachable

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


class RestOverWebSocket:
    """A `Transport` over whatever WebSocket is attached at the moment."""

    def __init__(self, *, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._send: Callable[[bytes], Awaitable[None]] | None = None
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[models.RESTResponse]] = {}

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return len(self._waiting)

    def attach(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Use `send` (one UTF-8 text frame) from now on. Only after `ApplicationRegistered`."""
        self._send = send

    def detach(self) -> None:
        """Forget the socket; every request in flight ends with `AsteriskUnreachable`, its fate unknown."""
        self._send = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(
                    AsteriskUnreachable(
                        "The WebSocket to Asterisk closed before the answer: whether the request was carried "
                        "out is unknown; look with GET before sending it again"
                    )
                )

    def answered(self, response: models.RESTResponse) -> None:
        """Give the answer that the reader found to whoever waits; a late one is nobody's and is dropped."""
        future = self._waiting.get(response.request_id)
        if future is not None and not future.done():
            future.set_result(response)

    async def request(self, operation: Operation[T]) -> T:
        """See `Transport.request`. A request too long for one frame is refused (413) without being sent."""
        send = self._send
        if send is None:
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
        future: asyncio.Future[models.RESTResponse] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(self._timeout_s):
                await send(frame)
                response = await future
        except TimeoutError:
            raise AsteriskUnreachable(
                f"{operation.name}: no answer from Asterisk within {self._timeout_s:g} s; whether it was "
                "carried out is unknown: look with GET before sending it again"
            ) from None
        except (ConnectionError, RuntimeError) as error:
            raise AsteriskUnreachable(f"{operation.name}: the WebSocket to Asterisk broke ({error})") from error
        finally:
            self._waiting.pop(number, None)
            if future.done() and not future.cancelled():
                future.exception()  # a `detach` during `send` is reported by what `send` raises
        return answer(operation, response.status_code, response.reason_phrase, response.message_body)


def _message(operation: Operation[T], number: str) -> _Request:
    if operation.body is None:
        return _Request(number, number, operation.method, operation.uri)
    body = _encoder.encode(operation.body).decode()
    return _Request(number, number, operation.method, operation.uri, "application/json", body)
