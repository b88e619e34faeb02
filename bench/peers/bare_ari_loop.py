"""The bench's IVR on ARI with nothing around it: how little a Python controller can cost on this machine.

The fastest parts there are (uvloop, picows, msgspec, REST over the events' WebSocket), a dictionary from channel to
step and no more: no answer is looked at, nothing has a timeout, nothing is written down, a lost connection ends it.
Nobody would put it before customers; what Rappel costs beyond it is what its promises cost.

Arguments: base URL, user, password, application, menu and done (sounds). Prints `ready` when calls are served.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from typing import Any

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Channel(msgspec.Struct):
    """Of a channel, its id."""

    id: str


class Playback(msgspec.Struct):
    """Of a playback, its id."""

    id: str


class Event(msgspec.Struct):
    """What is read of an event."""

    type: str
    channel: Channel | None = None
    playback: Playback | None = None
    digit: str = ""


class Request(msgspec.Struct, tag_field="type", tag="RESTRequest"):
    """A request over the WebSocket."""

    transaction_id: str
    request_id: str
    method: str
    uri: str


class Loop(WSListener):
    """Every call of the application: the menu's playback by channel, the last prompt's channel by playback."""

    def __init__(self, menu: str, done: str) -> None:
        self._menu, self._done = menu, done
        self._menus: dict[str, str] = {}
        self._endings: dict[str, str] = {}
        self._numbers = count(1)
        self._decode = msgspec.json.Decoder(Event).decode
        self._encode = msgspec.json.Encoder().encode
        self._transport: Any = None
        self.gone = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take note of where requests go."""
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """End."""
        self.gone.set_result(None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 - picows' signature
        """Answer, play the menu until a digit, play the next prompt, hang up."""
        event = self._decode(frame.get_payload_as_memoryview())
        if event.type == "StasisStart" and event.channel is not None:
            self._ask("POST", f"channels/{event.channel.id}/answer")
            menu = self._menus[event.channel.id] = f"m{next(self._numbers)}"
            self._ask("POST", f"channels/{event.channel.id}/play/{menu}?media={self._menu}")
        elif event.type == "ChannelDtmfReceived" and event.channel is not None and event.digit == "1":
            self._ask("DELETE", f"playbacks/{self._menus[event.channel.id]}")
            done = f"d{next(self._numbers)}"
            self._endings[done] = event.channel.id
            self._ask("POST", f"channels/{event.channel.id}/play/{done}?media={self._done}")
        elif event.type == "PlaybackFinished" and event.playback is not None:
            channel = self._endings.pop(event.playback.id, None)
            if channel is not None:
                self._ask("DELETE", f"channels/{channel}")
        elif event.type == "StasisEnd" and event.channel is not None:
            self._menus.pop(event.channel.id, None)

    def _ask(self, method: str, uri: str) -> None:
        number = str(next(self._numbers))
        self._transport.send(WSMsgType.TEXT, self._encode(Request(number, number, method, uri)))


async def main() -> None:
    """Serve every call that enters the application."""
    url, user, password, application, menu, done = sys.argv[1:]
    address = f"ws{url.removeprefix('http')}/ari/events?app={application}&api_key={user}:{password}"
    _, loop = await ws_connect(lambda: Loop(menu, done), address, extra_headers={"Sec-WebSocket-Protocol": "ari"})
    print("ready", flush=True)
    await loop.gone


uvloop.run(main())
