"""Whether an Asterisk that says nothing is still there.

Asked with a request of ARI's and not with a WebSocket ping: Asterisk 22.10.1 that reads a ping of a controller that
was killed meanwhile fails to answer it, forgets to leave its loop, and waits for a closed connection for ever. It
never dials again then (measured: within three tries, a ping sent right before a reset; a request never in thirty).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from controller.errors import AsteriskRefused, AsteriskUnreachable

LOOK_S: Final = 0.5
IDLE_S: Final = 2.0
"""So long may Asterisk say nothing before it is asked."""
REPLY_S: Final = 2.0
"""So long may its answer take. A frozen Asterisk is noticed after `IDLE_S`, `REPLY_S` and one or two `LOOK_S`."""


async def until_dead(heard: Callable[[], int], ask: Callable[[], Awaitable[object]]) -> None:
    """Return when Asterisk has said nothing for `IDLE_S` and does not answer `ask` within `REPLY_S` either.

    `heard` counts the messages that came; a refusal is an answer too.
    """
    loop = asyncio.get_running_loop()
    before, since = heard(), loop.time()
    while True:
        await asyncio.sleep(LOOK_S)
        now = heard()
        if now == before and loop.time() - since >= IDLE_S:
            if not await _answered(ask):
                return
            now = heard()
        elif now == before:
            continue
        before, since = now, loop.time()


async def _answered(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(REPLY_S):
            await ask()
    except AsteriskRefused:
        return True
    except (AsteriskUnreachable, TimeoutError):
        return False
    return True
