"""The bench's IVR on asyncari, as a user of that library would write it.

Arguments: base URL, user, password, application, menu and done (sounds). Prints `ready` when calls are served.
"""

from __future__ import annotations

import sys
from typing import Any

import anyio
import asyncari  # type: ignore[import-not-found]  # the bench installs it into an environment of its own

_FIRST_DIGIT_S = 6.0


async def serve(channel: Any, menu: str, done: str) -> None:
    """Answer, play the menu until a digit, play the next prompt, hang up."""
    events = channel.__aiter__()

    async def until(*kinds: str) -> Any:
        while True:  # bounded by the time-out below
            event = await events.__anext__()
            if event.type in kinds:
                return event

    try:
        with anyio.fail_after(_FIRST_DIGIT_S):
            await channel.answer()
            playback = await channel.play(media=menu)
            event = await until("ChannelDtmfReceived", "StasisEnd")
            if event.type == "StasisEnd":
                return
            await playback.stop()
            if event.digit == "1":
                second = await channel.play(media=done)
                while True:
                    event = await until("PlaybackFinished", "StasisEnd")
                    if event.type == "StasisEnd" or event.playback.id == second.id:
                        break
            if event.type != "StasisEnd":
                await channel.hang_up()
    except Exception as error:  # noqa: BLE001 - one call's failure is that call's; SIPp counts it
        print(f"call failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


async def main() -> None:
    """Serve every call that enters the application."""
    url, user, password, application, menu, done = sys.argv[1:]
    async with asyncari.connect(url, application, user, password) as ari, anyio.create_task_group() as calls:
        print("ready", flush=True)
        async with ari.on_channel_event("StasisStart") as arrivals:
            async for objects, _ in arrivals:
                channel = objects["channel"] if isinstance(objects, dict) else objects
                calls.start_soon(serve, channel, menu, done)


anyio.run(main)
