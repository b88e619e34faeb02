"""The ways a request can take to Asterisk, and which request takes which.

Asterisk works through the requests of one WebSocket one after the other, and some of them wait for the
channel's own thread: a channel that is playing answers `addChannel` only when its prompt has ended, and every
other call's requests stand behind it. Over HTTP only the one who asked waits. So the WebSocket, which is
faster, carries the requests that were seen to return at once whatever the channel does, and HTTP all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from controller.ari.operation import Operation
from controller.errors import TelephonyError

T = TypeVar("T")


class Transport(Protocol):
    """Carries one request to Asterisk and brings its answer back."""

    async def request(self, operation: Operation[T]) -> T:
        """Return the decoded answer.

        Raises `AsteriskUnreachable` when there is no connection or no answer in time (whether the request was
        carried out is then unknown: never send it again blindly), `ChannelGone` when what it names does not
        exist any more, `AsteriskRefused` for any other error answer.
        """


class Posting(Transport, Protocol):
    """A transport that can also be told without being asked (`RestOverWebSocket`)."""

    def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
        """Send now, and tell `failed` when it was not carried out."""


NEVER_WAITS = frozenset(
    {
        "asterisk.ping",
        "bridges.createWithId",
        "bridges.destroy",
        "bridges.get",
        "bridges.list",
        "bridges.playWithId",
        "bridges.record",
        "channels.get",
        "channels.getChannelVar",
        "channels.hangup",
        "channels.list",
        "channels.mute",
        "channels.originateWithId",
        "channels.playWithId",
        "channels.record",
        "channels.ring",
        "channels.ringStop",
        "channels.sendDTMF",
        "channels.snoopChannelWithId",
        "channels.startMoh",
        "channels.stopMoh",
        "channels.unmute",
        "endpoints.get",
        "events.claimChannel",
        "playbacks.get",
        "playbacks.stop",
        "recordings.getLive",
        "recordings.pause",
        "recordings.stop",
        "recordings.unpause",
    }
)
"""Operations that answered at once on a channel in the middle of a prompt (tests/contract/ari measures it)."""


class RoutedTransport:
    """Sends what never waits over the WebSocket and everything else over HTTP."""

    def __init__(self, websocket: Posting, http: Transport) -> None:
        self._websocket = websocket
        self._http = http

    async def request(self, operation: Operation[T]) -> T:
        """See `Transport.request`."""
        return await self._route(operation).request(operation)

    async def at_once(self, operation: Operation[T]) -> T:
        """Make a request that would wait only for a prompt, about a channel that is known to play none."""
        return await self._websocket.request(operation)

    def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
        """Send what never waits without waiting for the answer; `failed` is told when it was not carried out.

        It goes before any later request that takes the WebSocket.
        """
        if operation.name not in NEVER_WAITS:
            raise ValueError(f"{operation.name} may wait for a prompt to end: use request")
        self._websocket.post(operation, failed)

    def _route(self, operation: Operation[Any]) -> Transport:
        return self._websocket if operation.name in NEVER_WAITS else self._http
