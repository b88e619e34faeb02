"""Ends a controller whose event loop is stuck, so that its supervisor starts another and the calls go on.

Asterisk itself notices a frozen controller late or never (25 s and more were measured), and callers would hang in
the ring. The clock runs in a thread of the interpreter's own, outside the GIL; when it is not wound again in time
it writes the stack of every thread to standard error and ends the process with code 1.
"""

from __future__ import annotations

import asyncio
import faulthandler

STUCK_S = 8.0
"""How long the event loop may be busy with one thing. No work of the controller takes a tenth of it."""


async def keep_awake(stuck_s: float = STUCK_S) -> None:
    """Wind the watchdog again and again until cancelled."""
    try:
        while True:
            faulthandler.dump_traceback_later(stuck_s, exit=True)
            await asyncio.sleep(stuck_s / 4)
    finally:
        faulthandler.cancel_dump_traceback_later()
