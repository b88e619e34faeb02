"""An Asterisk of words only: speaks ARI over a WebSocket that it dials itself, and over HTTP, like the real one.

Kept equal to the real one by the contract suite, which runs on both. What it imitates on purpose: events queue
while nobody is connected and come before ApplicationRegistered; requests on the WebSocket are worked through one
after the other, and some wait for a playback to end; a created channel enters the application a moment after the
answer; ChannelDestroyed comes for channels that were bridged only; a bridge that is destroyed is left a moment after
the answer, and a playback asked for in that moment never starts (the real one: 3 of 71).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
from aiohttp import web

Answer = tuple[int, Any]
_LEAVES_S = 0.05
_PHRASES = {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 409: "Conflict"}
_CAUSES = {16: "Normal Clearing", 17: "User busy", 19: "User alerting, no answer", 21: "Call Rejected"}


@dataclass
class Playback:
    id: str
    media: list[str]
    state: str = "queued"
    stopped: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Channel:
    id: str
    name: str
    exten: str
    state: str
    app_data: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    playing: deque[Playback] = field(default_factory=deque)
    player: asyncio.Task[None] | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    bridged: bool = False  # was in a bridge at some time
    leaving: bool = False  # its bridge is being destroyed
    dialled: bool = False
    entered: bool = False

    def view(self) -> dict[str, Any]:
        nobody = {"name": "", "number": ""}
        dialplan = {"context": "test", "exten": self.exten, "priority": 1, "app_name": "Stasis"}
        return {
            "id": self.id,
            "protocol_id": "",
            "name": self.name,
            "state": self.state,
            "caller": nobody,
            "connected": nobody,
            "accountcode": "",
            "dialplan": dialplan | {"app_data": self.app_data},
            "creationtime": _text(self.created),
            "language": "en",
        }


class FakeAsterisk:
    """`controller` is the WebSocket's address; `base_url` is where its HTTP server is, once started."""

    def __init__(self, controller: str, user: str, password: str, app: str = "rappel") -> None:
        self._controller = controller
        self._login = aiohttp.encode_basic_auth(user, password)
        self._app = app
        self._events: deque[dict[str, Any]] = deque()
        self._socket: aiohttp.ClientWebSocketResponse[Any] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._numbers = count(1)
        self._runner: web.AppRunner | None = None
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, list[str]] = {}
        self.playbacks: dict[str, tuple[Playback, Channel]] = {}
        self.creations = 0

    async def start(self, http_port: int) -> None:
        application = web.Application()
        application.router.add_route("*", "/ari/{tail:.*}", self._http)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", http_port).start()
        self._spawn(self._dial_controller())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    # --- the caller's side --------------------------------------------------------------------------------

    def call(self, number: str, wait_s: float, digits: str, stay_s: float, cause: int) -> str:
        """Let a caller in, who waits, presses digits, stays and hangs up."""
        serial = next(self._numbers)
        channel = self._make(f"{datetime.now(UTC).timestamp():.0f}.{serial}", f"Local/in@test-{serial:08d};2", number)
        channel.app_data = f"{self._app},{number},test"
        channel.state = "Ring"
        channel.entered = True
        self._emit("StasisStart", channel, args=[number, "test"])
        self._spawn(self._behave(channel, wait_s, digits, stay_s, cause))
        return channel.id

    async def _behave(self, channel: Channel, wait_s: float, digits: str, stay_s: float, cause: int) -> None:
        await channel.answered.wait()
        await asyncio.sleep(wait_s)
        for digit in digits:
            await asyncio.sleep(0.06)
            self._emit("ChannelDtmfReceived", channel, digit=digit, duration_ms=60)
            await asyncio.sleep(0.06)
        await asyncio.sleep(stay_s)
        self._end(channel, cause)

    # --- the WebSocket ------------------------------------------------------------------------------------

    async def _dial_controller(self) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": self._login}) as session:
            while True:
                try:
                    async with session.ws_connect(self._controller, protocols=("ari",)) as socket:
                        await self._talk(socket)
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        while self._events:
            await socket.send_str(json.dumps(self._events.popleft()))
        await socket.send_str(json.dumps(self._event("ApplicationRegistered")))
        self._socket = socket
        try:
            async for message in socket:
                request = json.loads(message.data)
                if len(message.data) > 65_535:
                    await socket.close(code=1009)
                    return
                parts = urlsplit(request["uri"])
                body = json.loads(request.get("message_body") or "null")
                status, answer = await self._answer(request["method"], parts.path, dict(parse_qsl(parts.query)), body)
                reply = {
                    "type": "RESTResponse",
                    "transaction_id": request["transaction_id"],
                    "request_id": request["request_id"],
                    "status_code": status,
                    "reason_phrase": _PHRASES[status],
                    "uri": request["uri"],
                    "content_type": "application/json",
                    "message_body": None if answer is None else json.dumps(answer),
                }
                await socket.send_str(json.dumps({k: v for k, v in reply.items() if v is not None}))
        finally:
            self._socket = None

    def _event(self, kind: str, **members: Any) -> dict[str, Any]:
        return {"type": kind, "application": self._app, "timestamp": _text(datetime.now(UTC)), **members}

    def _emit(self, kind: str, channel: Channel | None = None, **members: Any) -> None:
        if channel is not None:
            members["channel"] = channel.view()
        event = self._event(kind, **members)
        if self._socket is None or self._socket.closed:
            self._events.append(event)
        else:
            self._spawn(self._socket.send_str(json.dumps(event)))

    # --- requests -----------------------------------------------------------------------------------------

    async def _http(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._login:
            return web.Response(status=401)
        body = await request.json() if request.can_read_body else None
        path = request.raw_path.partition("?")[0].removeprefix("/ari/")
        status, answer = await self._answer(request.method, path, dict(request.query), body)
        return web.Response(status=status) if answer is None else web.json_response(answer, status=status)

    async def _answer(self, method: str, path: str, query: dict[str, str], _body: Any) -> Answer:
        match method, [unquote(part) for part in path.split("/")]:
            case "GET", ["asterisk", "ping"]:
                return 200, {"asterisk_id": "fake", "ping": "pong", "timestamp": _text(datetime.now(UTC))}
            case "GET", ["applications", name]:
                return 200, self._application(name)
            case _, ["channels", *rest]:
                return await self._channels(method, rest, query)
            case _, ["bridges", *rest]:
                return await self._bridges(method, rest, query)
            case _, ["playbacks", playback_id]:
                return self._playbacks(method, playback_id)
        return 404, {"message": "Resource not found"}

    def _application(self, name: str) -> dict[str, Any]:
        empty = ("bridge_ids", "endpoint_ids", "device_names", "events_allowed", "events_disallowed")
        lists: dict[str, Any] = {name: [] for name in empty}
        return {"name": name, "channel_ids": list(self.channels), **lists}

    async def _channels(  # noqa: C901, PLR0911 - one line a request reads best
        self, method: str, rest: list[str], query: dict[str, str]
    ) -> Answer:
        match method, rest:
            case "GET", []:
                return 200, [channel.view() for channel in self.channels.values()]
            case "POST", ["create"]:
                return self._create(query)
        channel = self.channels.get(rest[0])
        if channel is None:
            return 404, {"message": "Channel not found"}
        match method, rest[1:]:
            case "GET", []:
                return 200, channel.view()
            case "DELETE", []:
                self._end(channel, int(query.get("reason_code", "16")), asked=True)
            case "POST", ["answer"] | ["variable"] as what:
                await self._when_idle(channel)
                if what == ["answer"] and not channel.answered.is_set():
                    channel.state = "Up"
                    channel.answered.set()
                    self._emit("ChannelStateChange", channel)
            case (("POST" | "DELETE"), ["ring"]):
                pass
            case "POST", ["dial"]:
                if channel.dialled:
                    return 409, {"message": "Channel is already in the process of being dialed."}
                channel.dialled = True
                self._spawn(self._ring(channel))
            case "POST", ["play", playback_id]:
                return 200, self._play(channel, playback_id, query["media"].split(","))
        return 204, None

    def _create(self, query: dict[str, str]) -> Answer:
        if query["channelId"] in self.channels:
            return 409, {"message": "Channel with given unique ID already exists"}
        exten, _, context = query["endpoint"].removeprefix("Local/").partition("@")
        if context != "test":
            return 400, {"message": "Allocation failed"}
        self.creations += 1
        leg = self._make(query["channelId"], f"Local/{exten}@test-{next(self._numbers):08d};1", exten)
        leg.app_data = f"{self._app},leg"
        asyncio.get_running_loop().call_later(0.005, self._enter, leg)
        return 200, leg.view()

    def _enter(self, leg: Channel) -> None:
        leg.entered = True
        self._emit("StasisStart", leg, args=["leg"])

    def _make(self, channel_id: str, name: str, exten: str) -> Channel:
        channel = self.channels[channel_id] = Channel(channel_id, name, exten, "Down")
        channel.idle.set()
        return channel

    async def _ring(self, leg: Channel) -> None:
        """What the extensions of the test do when they are dialled (`conftest.DIALPLAN` for the real one)."""
        self._emit("Dial", peer=leg.view(), dialstatus="")
        kind, _, talk_s = leg.exten.partition("-")
        if kind in {"busy", "refuse"}:
            self._end(leg, {"busy": 17, "refuse": 21}[kind])
            return
        leg.state = "Ringing"
        self._emit("ChannelStateChange", leg)
        if kind == "answers":
            await asyncio.sleep(0.2)
            leg.state = "Up"
            self._emit("ChannelStateChange", leg)
            await asyncio.sleep(float(talk_s))
            self._end(leg, 16)

    def _end(self, channel: Channel, cause: int, *, asked: bool = False) -> None:
        if self.channels.pop(channel.id, None) is None:
            return
        self._emit("ChannelHangupRequest", channel, **({"cause": 32, "soft": True} if asked else {"cause": cause}))
        for playback in list(channel.playing):
            playback.stopped.set()
        for bridge_id, members in self.bridges.items():
            if channel.id in members:
                self._leave(bridge_id, channel)
        self._emit("StasisEnd", channel)
        if channel.bridged:
            self._emit("ChannelDestroyed", channel, cause=cause, cause_txt=_CAUSES.get(cause, "Unknown"))

    # --- bridges and playbacks ----------------------------------------------------------------------------

    async def _bridges(  # noqa: PLR0911 - one line a request reads best
        self, method: str, rest: list[str], query: dict[str, str]
    ) -> Answer:
        if method == "GET" and not rest:
            return 200, [self._bridge(bridge_id) for bridge_id in self.bridges]
        bridge_id = rest[0]
        if method == "POST" and len(rest) == 1:
            if bridge_id in self.bridges:
                return 409, {"message": f"Bridge with id '{bridge_id}' already exists"}
            self.bridges[bridge_id] = []
            return 200, self._bridge(bridge_id)
        if bridge_id not in self.bridges:
            return 404, {"message": "Bridge not found"}
        match method, rest[1:]:
            case "GET", []:
                return 200, self._bridge(bridge_id)
            case "DELETE", []:
                self._destroy(bridge_id)
            case "POST", ["addChannel"]:
                return await self._add(bridge_id, query["channel"].split(","))
        return 204, None

    async def _add(self, bridge_id: str, ids: list[str]) -> Answer:
        channels = [self.channels.get(channel_id) for channel_id in ids]
        for channel in channels:
            if channel is None:
                return 400, {"message": "Channel not found"}
            if not channel.entered:
                return 409, {"message": "Channel not in Stasis application"}
            await self._when_idle(channel)
            if channel.id not in self.bridges[bridge_id]:
                self.bridges[bridge_id].append(channel.id)
                channel.bridged = True
                self._emit("ChannelEnteredBridge", channel, bridge=self._bridge(bridge_id))
        return 204, None

    def _destroy(self, bridge_id: str) -> None:
        """Destroy a bridge: whoever is in it is out a moment after the answer."""
        empty = {**self._bridge(bridge_id), "channels": []}
        for member in self.bridges.pop(bridge_id):
            self.channels[member].leaving = True
            asyncio.get_running_loop().call_later(_LEAVES_S, self._left, self.channels[member], empty)

    def _left(self, channel: Channel, bridge: dict[str, Any]) -> None:
        channel.leaving = False
        if channel.id in self.channels:
            self._emit("ChannelLeftBridge", channel, bridge=bridge)

    def _leave(self, bridge_id: str, channel: Channel) -> None:
        self.bridges[bridge_id].remove(channel.id)
        self._emit("ChannelLeftBridge", channel, bridge=self._bridge(bridge_id))

    def _bridge(self, bridge_id: str) -> dict[str, Any]:
        return {
            "id": bridge_id,
            "technology": "simple_bridge",
            "bridge_type": "mixing",
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": "",
            "channels": self.bridges[bridge_id],
            "creationtime": _text(datetime.now(UTC)),
        }

    def _playbacks(self, method: str, playback_id: str) -> Answer:
        if playback_id not in self.playbacks:
            return 404, {"message": "Playback not found"}
        playback, channel = self.playbacks[playback_id]
        if method == "DELETE":
            playback.stopped.set()
            return 204, None
        return 200, _playback(playback, channel)

    def _play(self, channel: Channel, playback_id: str, media: list[str]) -> dict[str, Any]:
        playback = Playback(playback_id, media)
        self.playbacks[playback_id] = (playback, channel)
        if channel.leaving:
            return _playback(playback, channel)  # it never starts
        channel.playing.append(playback)
        channel.idle.clear()
        if channel.player is None or channel.player.done():
            channel.player = self._spawn(self._perform(channel))
        return _playback(playback, channel)

    async def _perform(self, channel: Channel) -> None:
        """Play what waits, one after the other; a file that is missing fails its playback if it is the last."""
        while channel.playing:
            playback = channel.playing[0]
            for number, uri in enumerate(playback.media):
                playback.state = "playing"
                self._emit("PlaybackStarted", playback=_playback(playback, channel))
                length_s = _length_s(uri)
                playback.state = "failed" if length_s is None else "done"
                if length_s is not None and await _within(playback.stopped.wait, length_s):
                    break
                if number + 1 < len(playback.media):
                    self._emit("PlaybackContinuing", playback=_playback(playback, channel))
            channel.playing.popleft()
            self.playbacks.pop(playback.id, None)
            self._emit("PlaybackFinished", playback=_playback(playback, channel))
        channel.idle.set()

    async def _when_idle(self, channel: Channel) -> None:
        await channel.idle.wait()

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _within(wait: Callable[[], Any], limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            await wait()
    except TimeoutError:
        return False
    return True


def _length_s(uri: str) -> float | None:
    """How long a file plays; None when there is none."""
    file = Path(uri.removeprefix("sound:") + ".alaw")
    return file.stat().st_size / 8000 if file.exists() else None


def _playback(playback: Playback, channel: Channel) -> dict[str, Any]:
    return {
        "id": playback.id,
        "media_uri": playback.media[-1],
        "target_uri": f"channel:{channel.id}",
        "language": "en",
        "state": playback.state,
    }


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}+0000"
