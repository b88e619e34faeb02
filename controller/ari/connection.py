"""The WebSocket between one Asterisk and this controller: who reads it, and what is in order.

Asterisk dials us or we dial Asterisk (both in `controller.ari.link`); the life of a connection is the same. What
arrives is decoded and handed on where it is read. Events that Asterisk kept while nobody was connected come first, in
order, with their original times; then `ApplicationRegistered`, before which nothing may be sent. Then the state of
Asterisk is read (channels and bridges) and handed to the listener, and then every event is delivered in the order in
which it came: handlers meet old news and must not mind.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec
import structlog
from picows import WSCloseCode

from controller.ari.events import AnyEvent, GenericEvent, decode
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.heartbeat import until_dead
from controller.ari.socket import AriSocket
from controller.ari.websocket import RestOverWebSocket
from controller.errors import AsteriskRefused, AsteriskUnreachable, TelephonyError

log = structlog.get_logger(__name__)

_BOOTING = 503
_BOOT_S, _BOOT_POLL_S = 30.0, 0.1
MAX_BACKLOG = 200_000
"""Events that may wait for the resynchronisation; more means that nobody can catch up."""


class LinkState(StrEnum):
    """How far a connection has come."""

    DOWN = "down"
    CONNECTED = "connected"  # events may arrive, nothing may be sent
    REGISTERED = "registered"  # Asterisk's state is being read
    READY = "ready"  # events are delivered as they come


@dataclass(frozen=True)
class Snapshot:
    """What Asterisk had in this application at the moment of a (re)connect."""

    channels: dict[str, models.Channel]
    """Every channel of this Asterisk by id; `ours` are the ids of those that this application follows."""
    bridges: dict[str, models.Bridge]
    ours: frozenset[str]


class Metrics(Protocol):
    """Where a connection counts; every method returns at once."""

    def event(self, kind: str, lag_s: float) -> None:
        """Count one event of type `kind`, decoded `lag_s` seconds after Asterisk made it."""

    def link(self, state: LinkState) -> None:
        """Take note that the connection changed its state."""


class Listener(Protocol):
    """Whoever lives on the events; every method returns at once, and is called where the WebSocket is read."""

    def dispatch(self, event: AnyEvent) -> None:
        """Take one event, perhaps for the second time."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Take Asterisk's state at a (re)connect; the events kept meanwhile follow."""

    def caught_up(self, snapshot: Snapshot) -> None:
        """Take note that every kept event was delivered: what is in neither is gone."""

    def disconnected(self) -> None:
        """Take note that no event will come until the next `snapshot`."""


class AriConnection:
    """One Asterisk's WebSocket, whichever side dialled; `rest` is the `Transport` over it."""

    def __init__(self, application: str, listener: Listener, *, metrics: Metrics | None = None) -> None:
        self._application = application
        self._listener = listener
        self._metrics = metrics
        self.rest = RestOverWebSocket()
        self._state = LinkState.DOWN
        self._ready = asyncio.Event()
        self._socket: AriSocket | None = None
        self._stopped = False
        self.dialled_by_us = False
        """We had to dial an Asterisk that should have (`controller.ari.link.stand_in`, whose it is to change)."""
        self._backlog: deque[AnyEvent] = deque()
        self._catching_up: asyncio.Task[None] | None = None
        self._heard = 0
        self._registered = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def state(self) -> LinkState:
        """How far the connection has come."""
        return self._state

    async def ready(self, timeout_s: float) -> None:
        """Wait until events are delivered; raises `AsteriskUnreachable` after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise AsteriskUnreachable(
                f"Asterisk did not connect within {timeout_s:g} s (link {self._state}); check that it runs and "
                "that websocket_client.conf names this controller's address"
            ) from None

    @property
    def stopped(self) -> bool:
        """Whether `close` was called: no further WebSocket is wanted."""
        return self._stopped

    async def close(self) -> None:
        """Close the WebSocket for good and wait for its end."""
        self._stopped = True
        await self._hang_up(b"controller stops")

    async def _hang_up(self, why: bytes) -> None:
        socket = self._socket
        if socket is not None:
            socket.hang_up(WSCloseCode.GOING_AWAY, why)
            self.lost(socket)
            await socket.gone()

    async def _watch(self, socket: AriSocket) -> None:
        await until_dead(lambda: self._heard, self._ask)
        log.warning("ari_link_frozen", advice="Asterisk says nothing and answers nothing; look at its host")
        socket.hang_up(WSCloseCode.GOING_AWAY, b"no answer")
        self.lost(socket)

    async def _ask(self) -> None:
        await self._registered.wait()  # nothing may be sent before
        await self.rest.request(ari.asterisk_ping())

    # --- what the socket reports (`controller.ari.socket.Reader`) -----------------------------------------

    def opened(self, socket: AriSocket) -> None:
        """Live on `socket` from now on. One that is still there is closed: the newer one counts."""
        older = self._socket
        if older is not None:
            log.warning("ari_link_replaced", application=self._application)
            self.lost(older)
            older.hang_up(WSCloseCode.GOING_AWAY, b"replaced by a newer connection")
        self._socket = socket
        log.info("ari_link_up", remote=socket.remote)
        self._enter(LinkState.CONNECTED)
        self._watching = asyncio.create_task(self._watch(socket), name="ari-heartbeat")
        if socket.registered:
            self._register()

    def received(self, socket: AriSocket, message: bytes) -> None:
        """Take one message, unless `socket` was replaced."""
        if socket is self._socket:
            self._heard += 1
            self._read(message)

    def lost(self, socket: AriSocket) -> None:
        """Take note of the end of `socket`, unless it was replaced."""
        if socket is not self._socket:
            return
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
        self._watching = None
        self.rest.detach()
        self._backlog.clear()
        self._ready.clear()
        self._registered.clear()
        self._socket = None
        self._enter(LinkState.DOWN)
        self._listener.disconnected()
        log.info("ari_link_down", application=self._application, code=socket.close_code)

    def _enter(self, state: LinkState) -> None:
        self._state = state
        if self._metrics is not None:
            self._metrics.link(state)

    def _read(self, frame: bytes) -> None:
        try:
            message = decode(frame)
        except msgspec.DecodeError as error:
            log.warning("ari_not_json", error=str(error), bytes=len(frame))
            return
        if isinstance(message, models.RESTResponse):
            self.rest.answered(message)
            return
        if self._metrics is not None:
            self._metrics.event(*_kind_and_lag(message))
        if isinstance(message, GenericEvent):
            log.warning("ari_event_unknown", kind=message.type, why=message.why)
        if self._state is LinkState.READY:
            self._deliver(message)
            return
        self._backlog.append(message)
        if isinstance(message, models.ApplicationRegistered) and self._state is LinkState.CONNECTED:
            self._register()
        elif len(self._backlog) > MAX_BACKLOG:
            log.error("ari_backlog_full", events=len(self._backlog), advice="restart this controller")
            self._abandon()

    def _register(self) -> None:
        self._enter(LinkState.REGISTERED)
        self._registered.set()
        self._catching_up = asyncio.create_task(self._catch_up(), name="ari-catch-up")

    def _deliver(self, event: AnyEvent) -> None:
        try:
            self._listener.dispatch(event)
        except Exception:
            # A fault of one call's handling must not take the events of all the others with it.
            log.exception("ari_dispatch_failed", kind=type(event).__name__)

    async def _catch_up(self) -> None:
        """Read Asterisk's state, then deliver what was kept meanwhile, then go on live."""
        socket = self._socket
        if socket is None:
            return
        self.rest.attach(socket)
        try:
            snapshot = await self._look_when_booted()
        except TelephonyError as error:
            log.warning("ari_resynchronisation_failed", error=str(error))
            self._abandon()
            return
        kept = len(self._backlog)
        try:
            self._go_live(snapshot, socket)
        except Exception:
            log.exception("ari_resynchronisation_failed")
            self._abandon()
            return
        log.info(
            "ari_link_ready",
            application=self._application,
            channels=len(snapshot.channels),
            bridges=len(snapshot.bridges),
            kept_events=kept,
        )

    def _go_live(self, snapshot: Snapshot, socket: AriSocket) -> None:
        self._listener.snapshot(snapshot)
        while self._backlog:
            self._deliver(self._backlog.popleft())
        self._listener.caught_up(snapshot)
        self._enter(LinkState.READY)
        self._ready.set()
        socket.worked = True

    async def _look_when_booted(self) -> Snapshot:
        """An Asterisk that is still booting dials us already, and answers every request with 503."""
        until = time.monotonic() + _BOOT_S
        while True:
            try:
                return await self._look()
            except AsteriskRefused as error:
                if error.status != _BOOTING or time.monotonic() >= until:
                    raise
            await asyncio.sleep(_BOOT_POLL_S)

    async def _look(self) -> Snapshot:
        channels, bridges, application = await asyncio.gather(
            self.rest.request(ari.channels_list()),
            self.rest.request(ari.bridges_list()),
            self.rest.request(ari.applications_get(self._application)),
        )
        return Snapshot(
            channels={channel.id: channel for channel in channels},
            bridges={bridge.id: bridge for bridge in bridges},
            ours=frozenset(application.channel_ids),
        )

    def _abandon(self) -> None:
        """Give the connection up; Asterisk dials again."""
        if self._socket is not None:
            self._socket.hang_up(WSCloseCode.TRY_AGAIN_LATER, b"")


def _kind_and_lag(event: AnyEvent) -> tuple[str, float]:
    if isinstance(event, models.Event):
        return type(event).__name__, time.time() - event.timestamp.timestamp()
    return "unknown", 0.0
