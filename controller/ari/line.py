"""The caller's end of a call as a stream of events: digits typed ahead, and whether the caller is still there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from controller.ari.contacts import Contacts
from controller.ari.generated import models
from controller.ari.inbox import ChannelLost, Inbox, Item, RequestFailed
from controller.ari.operation import Operation
from controller.ari.router import Router
from controller.ari.transport import Transport
from controller.errors import ChannelGone, TelephonyError
from controller.ids import CallId
from controller.switchboard import Ask

T = TypeVar("T")

log = structlog.get_logger(__name__)

MAX_AHEAD = 64
"""Digits kept for the next entry; nobody types more ahead, and the rest is dropped with a warning."""
_CAUSE_WAIT_S = 0.25
_NORMAL_CLEARING = 16


class Link(Protocol):
    """Whether Asterisk can be reached (`AriConnection`)."""

    async def ready(self, timeout_s: float) -> None:
        """Return once it can be; raise `AsteriskUnreachable` after `timeout_s`."""


class Ways(Transport, Protocol):
    """The ways to Asterisk (`RoutedTransport`)."""

    async def at_once(self, operation: Operation[T]) -> T:
        """Like `request`, the fast way, about a channel that plays nothing."""

    def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
        """Send what never waits, without waiting."""


class Line:
    """One caller's channel: its inbox, what was learnt from it, and the way to ask Asterisk for something."""

    def __init__(
        self,
        call_id: CallId,
        channel_id: str,
        *,
        application: str,
        transport: Ways,
        router: Router,
        contacts: Contacts | None = None,
        alone: bool = False,
    ) -> None:
        self.call_id = call_id
        self.channel_id = channel_id
        self.application = application
        self.alone = alone
        """There is no channel of a caller (yet): a leg is called before them."""
        self.contacts = contacts or Contacts()
        """What is known of the devices that may be called."""
        self.router = router
        self.digits: deque[str] = deque()
        self.overhear: Callable[[Item], None] = lambda _: None
        """Told of each item, whoever reads it."""
        self._transport = transport
        self._inbox: Inbox = router.open(channel_id)
        self._cause: int | None = None
        self._destroyed = False

    @property
    def gone(self) -> bool:
        """Whether the caller has hung up, or is about to."""
        return self._cause is not None

    @property
    def cause(self) -> int:
        """The Q.850 cause of the caller's channel, 0 while it is not known."""
        return self._cause or 0

    def own(self, *ids: str) -> None:
        """Take the events of these channels and bridges as this call's own."""
        self.router.attach(self._inbox, *ids)

    def disown(self, *ids: str) -> None:
        """Stop taking the events of these, unless another call has taken them over."""
        self.router.detach(*self._inbox.ids.intersection(ids))

    def close(self) -> None:
        """Take no more events."""
        self.router.close(self._inbox)

    async def request(self, operation: Operation[T]) -> T:
        """See `Transport.request`."""
        return await self._transport.request(operation)

    async def request_idle(self, operation: Operation[T]) -> T:
        """Make a request about the caller's channel while nothing plays on it: the fast way is free for it."""
        return await self._transport.at_once(operation)

    async def attempt(self, operation: Operation[T]) -> T | None:
        """Make a request whose object may be gone already; return None then."""
        try:
            return await self._transport.request(operation)
        except ChannelGone:
            return None

    async def attempt_to(self, operation: Operation[None]) -> bool:
        """Make a request whose object may be gone already; return whether it was there."""
        try:
            await self._transport.request(operation)
        except ChannelGone:
            return False
        return True

    async def send(self, operation: Operation[None]) -> None:
        """Send what never waits without waiting for the answer, before any later request on the same way."""
        self._transport.post(operation, partial(_note_failure, operation.name))

    def begin(self, operation: Operation[Any]) -> None:
        """Send what never waits; should it fail, `RequestFailed` comes among the events."""

        def failed(error: TelephonyError) -> None:
            self._inbox.put(RequestFailed(operation, error))

        self._transport.post(operation, failed)

    # --- events -------------------------------------------------------------------------------------------

    async def next(self, until: float | None = None) -> Item | None:
        """Return the next event of the call, or None at `until` (loop time); digits and the end are noted."""
        item = await self._inbox.get(until)
        if item is not None:
            self._note(item)
        return item

    def deliver(self, ask: Ask, *, keep: int) -> bool:
        """Put `ask` among the events; False when the call has ended or only `keep` places are left."""
        return self._inbox.room > keep and self._inbox.put(ask)

    def catch_up(self, note: Callable[[Item], None] | None = None) -> None:
        """Note what came while nobody looked; `note` is told of each item too."""
        while (item := self._inbox.get_nowait()) is not None:  # bounded by the inbox
            self._note(item)
            if note is not None:
                note(item)

    async def final_cause(self) -> int:
        """Return the cause that the caller's channel ended with, waiting a moment for it if it is not known.

        ChannelDestroyed comes only to an application that is still subscribed, which after StasisEnd is the rule
        for channels that were in a bridge and the exception for others (measured on 22.10).
        """
        until = asyncio.get_running_loop().time() + _CAUSE_WAIT_S
        while not self._cause and not self._destroyed and await self.next(until) is not None:
            pass
        return self.cause

    def _note(self, item: Item) -> None:
        self.overhear(item)
        if isinstance(item, Ask):
            return
        if isinstance(item, ChannelLost):
            if item.channel_id == self.channel_id:
                self._cause = self._cause or 0
                self._destroyed = True
            return
        channel: models.Channel | None = getattr(item, "channel", None)
        if channel is None or channel.id != self.channel_id:
            return
        if isinstance(item, models.ChannelDtmfReceived):
            self._press(item.digit)
        elif isinstance(item, models.ChannelDestroyed):
            self._cause = item.cause
            self._destroyed = True
        elif isinstance(item, models.ChannelHangupRequest):
            self._cause = self._cause or hangup_cause(item)
        elif isinstance(item, models.StasisEnd):
            self._cause = self._cause or 0

    def _press(self, digit: str) -> None:
        if len(self.digits) < MAX_AHEAD:
            self.digits.append(digit)
        else:
            log.warning("ari_digits_dropped", kept=MAX_AHEAD)


def _note_failure(name: str, error: TelephonyError) -> None:
    if not isinstance(error, ChannelGone):  # it ended by itself meanwhile
        log.warning("ari_request_failed", operation=name, error=str(error))


def hangup_cause(event: models.ChannelHangupRequest) -> int:
    """Return the Q.850 cause of a hang-up that came from the far end, 0 for one that was asked of Asterisk.

    The latter carries Asterisk's own flag (32) in place of a cause. A BYE that gives no reason is a normal
    clearing (RFC 3398, 8.2.7: BYE becomes REL with cause 16); Asterisk itself leaves such a cause out.
    """
    return 0 if event.soft else event.cause or _NORMAL_CLEARING
