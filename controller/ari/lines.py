"""Whether the telephone that rings for a number is in use, when it is one of our own endpoints.

Asterisk knows that of its own endpoints alone: with the simulated carrier it is the softphone that stands for all. Of
other people's telephones nobody tells us; they are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
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
LOOK_S: Final = 2.0
_IDLE: Final = "NOT_INUSE"
SETTLE_S: Final = 1.0
"""A call that was just refused is over by then, and is not taken for the one that keeps the line busy."""


class OwnLines:
    """Watches `endpoint` (`PJSIP/1002`); with "" there is none, and nothing is known of any line."""

    def __init__(self, application: str, transport: Transport, endpoint: str, settle_s: float = SETTLE_S) -> None:
        self._application = application
        self._transport = transport
        self._endpoint = endpoint
        self._settle_s = settle_s
        self._watchers: dict[int, Callable[[], None]] = {}
        self._armed: set[int] = set()
        """Those of them whose line was seen in use, and who are told when it is free."""
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
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
        """Call `told` once, when the line frees that is in use `SETTLE_S` from now; return what ends the watching."""
        self._last += 1
        number = self._last
        if self._endpoint and len(self._watchers) < MAX_WATCHERS:
            self._watchers[number] = told
            self._start(self._watch(number))

        def end() -> None:
            self._watchers.pop(number, None)
            self._armed.discard(number)

        return end

    def note(self, event: AnyEvent) -> None:
        """Take note of an event that belongs to no call."""
        if isinstance(event, models.DeviceStateChanged):
            device = event.device_state
            if device.name == self._endpoint and device.state == _IDLE:
                self._tell()

    def connected(self) -> None:
        """Asterisk is there (again), perhaps another one, which knows of no subscription."""
        if self._watchers:
            self._start(self._look())

    async def _watch(self, number: int) -> None:
        await asyncio.sleep(self._settle_s)
        if number in self._watchers:
            self._armed.add(number)
            # One that is not in use said of itself that it is busy: nobody would tell us when it is no more.
            await self._look(unless=(number,))

    async def _look(self, unless: Collection[int] = ()) -> None:
        """Look how the line is, and tell those who wait for it if it is free; those of `unless` wait in vain."""
        source = [f"deviceState:{self._endpoint}"]
        try:
            await self._transport.request(ari.applications_subscribe(self._application, event_source=source))
            state = await self.state()
        except TelephonyError as error:
            log.debug("ari_line_not_seen", endpoint=self._endpoint, error=str(error))
            return  # at the next connection
        if state is LineState.FREE:
            self._tell(unless)
        elif self._armed and self._timer is None:
            # An event may be missed, as while Asterisk starts and a telephone registers.
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        if self._armed:
            self._start(self._look())

    def _tell(self, unless: Collection[int] = ()) -> None:
        for number in sorted(self._armed):
            self._armed.discard(number)
            told = self._watchers.pop(number, None)
            if told is not None and number not in unless:
                told()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
