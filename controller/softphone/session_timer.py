"""Session timers (RFC 4028): who refreshes a call, when, and what happens if nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.softphone.message import Message, parameter

MIN_SESSION_S = 90
_MAX_DIGITS = 9


class SessionTimer:
    """The one running session timer of a call.

    `refresh` is called with the interval (seconds) when it is our turn, `expired` when the other side let the
    session lapse.
    """

    def __init__(self, refresh: Callable[[int], None], expired: Callable[[], None]) -> None:
        self._refresh = refresh
        self._expired = expired
        self._handle: asyncio.TimerHandle | None = None

    def agree(self, request: Message, response: Message) -> None:
        """Accept what `request` asks for in our `response`, and start."""
        interval, refresher = session_expires(request.get("Session-Expires"))
        if interval and "timer" in request.get("Supported").lower():
            refresher = refresher or "uac"
            response.add("Supported", "timer")
            response.add("Session-Expires", f"{interval};refresher={refresher}")
            response.add("Require", "timer")
            self.start(interval, ours=refresher == "uas")

    def agreed(self, response: Message) -> None:
        """Start by the 2xx to a request of ours; it may have no session timer."""
        interval, refresher = session_expires(response.get("Session-Expires"))
        if interval:
            self.start(interval, ours=refresher != "uas")

    def start(self, interval: int, *, ours: bool) -> None:
        """Start over: refresh at half-time when it is ours to do, else give up shortly before the end."""
        self.stop()
        loop = asyncio.get_running_loop()
        if ours:
            self._handle = loop.call_later(interval / 2, self._refresh, interval)
        else:  # RFC 4028, section 10
            self._handle = loop.call_later(interval - min(32, interval / 3), self._expired)

    def stop(self) -> None:
        """Stop."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def session_expires(value: str) -> tuple[int, str]:
    """Return interval in seconds and refresher (`uac`, `uas` or empty) of a Session-Expires; 0 for none."""
    number = value.split(";", 1)[0].strip()
    if not (number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS):
        return 0, ""
    return int(number), parameter(value, "refresher").lower()
