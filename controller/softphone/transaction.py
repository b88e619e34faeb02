"""SIP transactions over UDP (RFC 3261 section 17, RFC 6026): retransmission and its end, nothing else.

Both kinds are driven from outside: `receive` for what arrives, timers on the running loop for what does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from controller.softphone.message import Message

_OK, _REDIRECT = 200, 300


@dataclass(frozen=True, slots=True)
class Timers:
    """T1, T2 and T4 of RFC 3261 in seconds; a transaction gives up after 64 times T1."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def give_up(self) -> float:
        """Timers B, F, H and J."""
        return 64 * self.t1


class _Timed:
    """Named timers that all stop together."""

    def __init__(self, timers: Timers, on_done: Callable[[], None]) -> None:
        self._timers = timers
        self._on_done = on_done
        self._handles: dict[str, asyncio.TimerHandle] = {}
        self.finished = False

    def _after(self, name: str, delay: float, action: Callable[[], None]) -> None:
        self._stop(name)
        self._handles[name] = asyncio.get_running_loop().call_later(delay, action)

    def _stop(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def finish(self) -> None:
        """Stop every timer and forget the transaction."""
        if self.finished:
            return
        self.finished = True
        for name in list(self._handles):
            self._stop(name)
        self._on_done()


class ClientTransaction(_Timed):
    """A request of ours. `on_response` gets every response that is news, `on_timeout` at most one call.

    Repeated 2xx to an INVITE are passed on too (each needs an ACK); other final responses once.
    """

    def __init__(
        self,
        request: Message,
        send: Callable[[Message], None],
        *,
        timers: Timers,
        on_response: Callable[[Message], None],
        on_timeout: Callable[[], None],
        on_done: Callable[[], None],
    ) -> None:
        super().__init__(timers, on_done)
        self.request = request
        self.provisional = False
        self.final = False
        self._send = send
        self._on_response = on_response
        self._on_timeout = on_timeout
        self._interval = timers.t1
        self._invite = request.method == "INVITE"
        self._ack: Message | None = None

    def start(self) -> None:
        """Send the request and keep sending until something answers."""
        self._send(self.request)
        self._after("again", self._interval, self._again)
        self._after("timeout", self._timers.give_up, self._timed_out)

    def receive(self, response: Message) -> None:
        """Take a response with our branch."""
        if self.finished:
            return
        if response.status < _OK:
            self._provisional(response)
        elif self._invite and response.status < _REDIRECT:
            self._accepted(response)
        elif not self.final:
            self._final(response)
        elif self._ack is not None:
            self._send(self._ack)

    def _provisional(self, response: Message) -> None:
        if self.final:
            return
        self.provisional = True
        if self._invite:
            self._stop("again")
            self._stop("timeout")  # from here the caller's own ring timeout counts
        else:
            self._interval = self._timers.t2
        self._on_response(response)

    def _accepted(self, response: Message) -> None:
        if not self.final:
            self.final = True
            self._stop("again")
            self._after("timeout", self._timers.give_up, self.finish)
        self._on_response(response)

    def _final(self, response: Message) -> None:
        self.final = True
        self._stop("again")
        if self._invite:
            self._ack = self._non_2xx_ack(response)
            self._send(self._ack)
        self._after("timeout", self._timers.give_up if self._invite else self._timers.t4, self.finish)
        self._on_response(response)

    def _non_2xx_ack(self, response: Message) -> Message:
        """Return the ACK of RFC 3261, 17.1.1.3: same branch, the To of the response."""
        ack = Message(method="ACK", uri=self.request.uri)
        ack.add("Via", self.request.get("Via"))
        for route in self.request.get_all("Route"):
            ack.add("Route", route)
        ack.add("Max-Forwards", "70")
        ack.add("From", self.request.get("From"))
        ack.add("To", response.get("To"))
        ack.add("Call-ID", self.request.call_id)
        ack.add("CSeq", f"{self.request.cseq[0]} ACK")
        return ack

    def _again(self) -> None:
        self._send(self.request)
        doubled = 2 * self._interval
        self._interval = doubled if self._invite else min(doubled, self._timers.t2)
        self._after("again", self._interval, self._again)

    def _timed_out(self) -> None:
        self.finish()
        self._on_timeout()


class ServerTransaction(_Timed):
    """A request of the other side: answers repeats with the last response, repeats final ones to an INVITE.

    `on_unacknowledged` is called with a 2xx to an INVITE that was never acknowledged.
    """

    def __init__(
        self,
        request: Message,
        send: Callable[[Message], None],
        *,
        timers: Timers,
        on_unacknowledged: Callable[[Message], None],
        on_done: Callable[[], None],
    ) -> None:
        super().__init__(timers, on_done)
        self.request = request
        self.answered = False
        self._send = send
        self._on_unacknowledged = on_unacknowledged
        self._last: Message | None = None
        self._interval = timers.t1
        self._invite = request.method == "INVITE"

    def repeated(self) -> None:
        """Answer a repeat of the request."""
        if self._last is not None:
            self._send(self._last)

    def respond(self, response: Message) -> None:
        """Send `response`; after a final one nothing else is sent."""
        if self.answered or self.finished:
            return
        self._last = response
        self._send(response)
        if response.status < _OK:
            return
        self.answered = True
        if self._invite:
            self._after("again", self._interval, self._again)
        self._after("timeout", self._timers.give_up, self._timed_out)

    def acknowledged(self) -> None:
        """Stop repeating: the ACK came."""
        self._stop("again")
        if self._invite and self.answered:
            self._after("timeout", self._timers.t4, self.finish)

    def _again(self) -> None:
        if self._last is not None:
            self._send(self._last)
        self._interval = min(2 * self._interval, self._timers.t2)
        self._after("again", self._interval, self._again)

    def _timed_out(self) -> None:
        unacknowledged = "again" in self._handles
        self.finish()
        if unacknowledged and self._last is not None and self._last.status < _REDIRECT:
            self._on_unacknowledged(self._last)
