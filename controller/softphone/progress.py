"""How far a call has come, what happened in it, and how it ended: plain facts and the two events others wait for."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from enum import StrEnum

from controller.softphone.message import Message

MAX_EVENTS = 10_000
_Q850 = re.compile(r"Q\.850\s*;\s*cause\s*=\s*([0-9]{1,3})", re.IGNORECASE)


class CallState(StrEnum):
    """Where a call stands; it only moves downwards."""

    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class EndedBy(StrEnum):
    """Who ended a call."""

    LOCAL = "local"  # we hung up, cancelled or declined
    REMOTE = "remote"  # the other side hung up, cancelled or refused
    TIMEOUT = "timeout"  # nobody answered in time, or the other side is gone


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened in a call, `at` monotonic seconds: ringing, answered, digit, refer and so on."""

    at: float
    name: str
    detail: str = ""


class Progress:
    """The facts of one call; the fields mean what they mean in `Call`.

    `hanging_up` says that we want the call to end, whatever the other side still answers.
    """

    def __init__(self) -> None:
        self.state = CallState.DIALLING
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.status = 0
        self.reason = ""
        self.cause = 0
        self.events: list[CallEvent] = []
        self.hanging_up = False
        self._answered = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def unanswered(self) -> bool:
        """Whether the call is still being dialled or ringing."""
        return self.state in {CallState.DIALLING, CallState.RINGING}

    # --- waiting ------------------------------------------------------------------------------------------

    async def wait_answered(self, timeout_s: float) -> bool:
        """Wait until the call is answered; false when it ended or `timeout_s` passed first."""
        waiting = {asyncio.ensure_future(event.wait()) for event in (self._answered, self._ended)}
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return self.state is CallState.ANSWERED

    async def wait_ended(self, timeout_s: float) -> bool:
        """Wait until the call has ended; false when `timeout_s` passed first."""
        try:
            await asyncio.wait_for(self._ended.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    # --- what happened ------------------------------------------------------------------------------------

    def note(self, name: str, detail: str = "") -> None:
        """Add an event, as long as there is room."""
        if len(self.events) < MAX_EVENTS:
            self.events.append(CallEvent(time.monotonic(), name, detail))

    def note_cause(self, message: Message) -> None:
        """Keep the Q.850 cause of a message's Reason header, if it has one."""
        for value in message.get_all("Reason"):
            found = _Q850.search(value)
            if found:
                self.cause = int(found[1])

    def ring(self) -> None:
        """The called side rings."""
        self.state = CallState.RINGING
        self.ringing_at = time.monotonic()

    def connect(self, status: int, reason: str) -> None:
        """The call is answered with `status`; `announce_answer` follows once the audio is agreed."""
        self.state = CallState.ANSWERED
        self.status, self.reason = status, reason

    def announce_answer(self) -> None:
        """Wake those who wait for the answer."""
        self.note("answered")
        self._answered.set()

    def end(self, by: EndedBy, status: int, reason: str) -> None:
        """The call has ended; 0 and "" keep what was known. `announce_end` follows once everything is stopped."""
        self.state = CallState.ENDED
        self.ended_at = time.monotonic()
        self.ended_by = by
        self.status = status or self.status
        self.reason = reason or self.reason

    def announce_end(self, by: EndedBy) -> None:
        """Wake those who wait for the end."""
        self.note("ended", by)
        self._ended.set()
