"""What becomes of a conversation's recording once it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.calls.queueing.callref import CallRef


@dataclass(frozen=True, slots=True)
class TalkAudio:
    """A recording of one talk that Asterisk has been told to finish: `recording` is its id there."""

    recording: str
    call: CallRef
    queue: str
    agent: str
    began_at: datetime
    keep_s: float


class Keeper(Protocol):
    """Brings finished recordings into the store and writes `AudioKept`."""

    def keep_talk(self, audio: TalkAudio) -> None:
        """Take a recording over, in the background: neither waits nor raises. The same one again changes nothing."""
