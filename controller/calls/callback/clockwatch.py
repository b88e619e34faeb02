"""Whether the time of day can be believed: after a jump nobody is called, and nobody given up, by a wrong clock.

A server's clock jumps when it is set by hand, when NTP finds it wrong, when a virtual machine was asleep. Were it
believed at once, people would be called at night, and a morning's requests given up as too old. The monotonic clock
does not jump with it: both are compared at every look.
"""

from __future__ import annotations

import structlog

from controller.ports import Clock

log = structlog.get_logger(__name__)

JUMP_S = 60.0
"""Less is a clock being corrected; it matters to nobody's call."""
BELIEVED_AFTER_S = 300.0
"""A time of day that stays for so long after a jump is taken for the right one."""


class ClockWatch:
    """Compares the time of day with the monotonic clock. Ask `steady` before what the time of day decides."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._now_offset()
        self._jumped_to: float | None = None
        self._jumped_at = 0.0

    def steady(self) -> bool:
        """Tell whether the time of day is what it should be; False from a jump until it is back, or has stayed."""
        offset, at = self._now_offset(), self._clock.monotonic()
        if abs(offset - self._offset) < JUMP_S:
            if self._jumped_to is not None:
                log.info("callbacks.clock_is_back")
            self._believe(offset)
        elif self._jumped_to is None or abs(offset - self._jumped_to) >= JUMP_S:
            self._jumped_to, self._jumped_at = offset, at
            log.error(
                "callbacks.clock_jumped",
                by_s=round(offset - self._offset),
                hint=f"nobody is called back for {BELIEVED_AFTER_S:g} s unless it is set right; look after NTP",
            )
        elif at - self._jumped_at >= BELIEVED_AFTER_S:
            log.warning("callbacks.clock_believed", by_s=round(offset - self._offset))
            self._believe(offset)
        return self._jumped_to is None

    def _believe(self, offset: float) -> None:
        self._offset, self._jumped_to = offset, None

    def _now_offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
