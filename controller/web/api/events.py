"""Live events over a WebSocket: what boards and integrations follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from controller.acd.model import AgentView
from controller.calls.desk import Desk, MonitorEvent, QueueView, TalkView, WaitingView
from controller.web.api.access import Scope
from controller.web.api.problems import TOO_MANY, Problem
from controller.web.api.routes import ApiRequest, Route

log = structlog.get_logger(__name__)

ASK_SNAPSHOT = "snapshot"
"""What a watcher may send: the answer is a snapshot of now, at most twice a second."""
HEARTBEAT_S = 10.0
MAX_WATCHERS = 100
_SEND_TIMEOUT_S = 5.0
_SNAPSHOT_EVERY_S = 0.5


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot", tag_field="type"):
    """The first message: everything as it is. The events that follow tell what changes from there."""

    agents: list[AgentView]
    queues: list[QueueView]
    waiting: list[WaitingView]
    talks: list[TalkView]


class EventMessage(msgspec.Struct, frozen=True, tag="event", tag_field="type"):
    """One event. A gap in `event.seq` cannot be: a reader that lags is let go with code 1008 and connects again."""

    event: MonitorEvent


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Narrows the events down."""

    queue: Annotated[str, msgspec.Meta(description="only events of this queue, and of agents", max_length=60)] = ""


class EventRoutes:
    """The handler of `/events`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sockets: set[web.WebSocketResponse] = set()

    def routes(self) -> tuple[Route, ...]:
        """Return the operation."""
        return (
            Route(
                "GET",
                "/events",
                "watchEvents",
                "Follow everything live (WebSocket)",
                Scope.EVENTS_READ,
                self.watch,
                query=EventsQuery,
                answer=Snapshot | EventMessage,
                problems=(TOO_MANY,),
                note="Open as a WebSocket. The first message is a snapshot, then one message for each event. "
                "Sending the text `snapshot` brings another one.",
            ),
        )

    async def close(self) -> None:
        """Let every watcher go: the controller stops."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"controller stops")

    async def watch(self, request: ApiRequest[EventsQuery, None]) -> web.StreamResponse:
        """Serve one watcher until it leaves or lags."""
        if len(self._sockets) >= MAX_WATCHERS:
            detail = f"{MAX_WATCHERS} watchers are connected already"
            raise Problem(TOO_MANY, "too_many_watchers", detail, "let several screens share one connection", 10)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4096)
        if not socket.can_prepare(request.http).ok:
            raise Problem(422, "not_a_websocket", "this address is a WebSocket", "open it with ws:// or wss://")
        await socket.prepare(request.http)
        self._sockets.add(socket)
        # Subscribed before the snapshot is taken, so that nothing falls between the two.
        events = self._desk.events()
        sender = asyncio.create_task(self._send(socket, events, request.query.queue))
        try:
            await self._listen(socket, request.query.queue)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self._sockets.discard(socket)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, queue: str) -> None:
        """Answer what the watcher asks until it leaves."""
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == ASK_SNAPSHOT and loop.time() >= free_at:
                free_at = loop.time() + _SNAPSHOT_EVERY_S
                await asyncio.wait_for(socket.send_str(self._snapshot(queue)), _SEND_TIMEOUT_S)

    def _snapshot(self, queue: str) -> str:
        desk = self._desk
        now = Snapshot(list(desk.agents()), list(desk.queues()), list(desk.waiting(queue)), list(desk.talks()))
        return msgspec.json.encode(now).decode()

    async def _send(self, socket: web.WebSocketResponse, events: AsyncIterator[MonitorEvent], queue: str) -> None:
        try:
            await asyncio.wait_for(socket.send_str(self._snapshot(queue)), _SEND_TIMEOUT_S)
            async for event in events:
                if not queue or event.queue in ("", queue):
                    text = msgspec.json.encode(EventMessage(event)).decode()
                    await asyncio.wait_for(socket.send_str(text), _SEND_TIMEOUT_S)
        except (TimeoutError, ConnectionError):
            log.info("api.watcher_lost")
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too slow: connect again")
