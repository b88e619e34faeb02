"""The events of one call, waiting for the task that serves it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import msgspec

from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.operation import Operation
from controller.errors import TelephonyError
from controller.switchboard import Ask

LIMIT = 512
"""Events that may wait; a call whose task reads none of these for so long is broken, or attacked with digits."""


class InboxOverflowed(TelephonyError):  # noqa: N818 - named after the state it reports
    """More events came for one call than its inbox holds: some are lost, so the call cannot go on."""


class Resynchronised(msgspec.Struct, frozen=True):
    """Events may have been lost between two connections: look again at what is being waited for."""


class ChannelLost(msgspec.Struct, frozen=True):
    """A channel is gone, and no event said so or why."""

    channel_id: str


class RequestFailed(msgspec.Struct, frozen=True, eq=False):
    """What was asked of Asterisk with `Line.begin` was not carried out, or nobody knows whether it was."""

    operation: Operation[Any]
    error: TelephonyError


Item = AnyEvent | Resynchronised | ChannelLost | RequestFailed | Ask


class Inbox:
    """A bounded queue with one reader, ordered as the events came."""

    def __init__(self, owner: str, *, limit: int = LIMIT) -> None:
        self.owner = owner
        """The id of the caller's channel."""
        self.ids: set[str] = set()
        """The channels and bridges whose events come here; the router's to change."""
        self._limit = limit
        self._items: deque[Item] = deque()
        self._overflowed = False
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def room(self) -> int:
        """How many further items it takes; none once it was closed."""
        return 0 if self._overflowed or not self.ids else self._limit - len(self._items)

    @property
    def overflowed(self) -> bool:
        """Whether an item had to be refused."""
        return self._overflowed

    def put(self, item: Item) -> bool:
        """Add `item`; return False, and be overflowed from then on, when there is no room.

        A beginning playback wakes nobody: whoever waits for its end reads of it then, or when the wait is over.
        """
        if len(self._items) >= self._limit:
            self._overflowed = True
        else:
            self._items.append(item)
        waiter = self._waiter
        if waiter is not None and not waiter.done() and not isinstance(item, models.PlaybackStarted):
            waiter.set_result(None)
        return not self._overflowed

    async def get(self, until: float | None = None) -> Item | None:
        """Return the next item, or None when the loop's clock reaches `until` first.

        What has arrived is returned even if `until` is past. Raises `InboxOverflowed` once an item was refused.
        """
        item = self.get_nowait()
        if item is not None:
            return item
        loop = asyncio.get_running_loop()
        if until is not None and until <= loop.time():
            return None
        waiter = self._waiter = loop.create_future()
        timer = None if until is None else loop.call_at(until, _wake, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return self.get_nowait()

    def get_nowait(self) -> Item | None:
        """Return the next item, or None when there is none; raises `InboxOverflowed` like `get`."""
        if self._overflowed:
            raise InboxOverflowed(
                f"More than {self._limit} events wait for the call on channel {self.owner}; the call is ended. "
                "Look for a flood of digits from this caller, or for a controller that is too slow (lag metric)"
            )
        return self._items.popleft() if self._items else None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
