"""Whether the telephone that rings for a number is in use, when it is one of our own endpoints.

Asterisk knows that of its own endpoints alone: with the simulated carrier it is the softphone that stands for all. Of
other people's telephones nobody tells us; they are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.transport import Transport
from controller.calls.outbound.ports import LineState
from controller.errors import ChannelGone, TelephonyError

log = structlog.get_logger(__name__)

MAX_WATCHERS: Final = 1000


class OwnLines:
    """Watches `endpoint` (`PJSIP/1002`); with "" there is none, and nothing is known of any line."""

    def __init__(self, application: str, transport: Transport, endpoint: str) -> None:
        self._application = application
        self._transport = transport
        self._endpoint = endpoint
        self._watchers: dict[int, Callable[[], None]] = {}
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def state(self) -> LineState:
        """Return how the line is now. Raises `TelephonyError`."""
        technology, _, name = self._endpoint.partition("/")
        if not name:
            return LineState.UNKNOWN
        try:
            found = await self._transport.request(ari.endpoints_get(technology, name))
        except ChannelGone:  # there is no such endpoint
            return LineState.AWAY
        if found.state != "online":
            return LineState.AWAY
        return LineState.BUSY if found.channel_ids else LineState.FREE

    def when_free(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` once, when the line is free (perhaps it is already); return what ends the watching."""
        self._last += 1
        number = self._last
        if self._endpoint and len(self._watchers) < MAX_WATCHERS:
            self._watchers[number] = told
            self._start(self._subscribe())

        def end() -> None:
            self._watchers.pop(number, None)

        return end

    def note(self, event: AnyEvent) -> None:
        """Take note of an event that belongs to no call."""
        if (
            isinstance(event, models.DeviceStateChanged)
            and self._watchers
            and event.device_state.name == self._endpoint
        ):
            self._start(self._look())

    def connected(self) -> None:
        """Asterisk is there (again), perhaps another one, which knows of no subscription."""
        if self._watchers:
            self._start(self._subscribe())

    async def _subscribe(self) -> None:
        source = [f"deviceState:{self._endpoint}"]
        try:
            await self._transport.request(ari.applications_subscribe(self._application, event_source=source))
        except TelephonyError as error:
            log.debug("ari_line_not_watched", endpoint=self._endpoint, error=str(error))
            return  # at the next connection
        await self._look()

    async def _look(self) -> None:
        try:
            state = await self.state()
        except TelephonyError as error:
            log.debug("ari_line_not_seen", endpoint=self._endpoint, error=str(error))
            return
        if state is LineState.FREE:
            watchers, self._watchers = self._watchers, {}
            for told in watchers.values():
                told()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
