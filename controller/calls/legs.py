"""Writes the legs that a telephone creates into the record."""

from __future__ import annotations

from datetime import datetime

from controller.cdr.entries import LegAnswered, LegEnded, LegStarted, Party, Role
from controller.ids import CallId, LegId
from controller.ports import Recorder


class RecordedLegs:
    """A `LegObserver` for one call."""

    def __init__(self, call_id: CallId, recorder: Recorder) -> None:
        self._call_id = call_id
        self._recorder = recorder

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        """Record a leg towards `number`."""
        leg_id = LegId(channel_id)
        self._recorder.record(LegStarted(self._call_id, leg_id, at, channel_id, channel_name, role, number))

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        """Record that the far end answered."""
        self._recorder.record(LegAnswered(self._call_id, LegId(channel_id), at))

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        """Record the end of a leg with the cause Asterisk gave."""
        by = Party.CALLEE if by_callee else Party.SYSTEM
        self._recorder.record(LegEnded(self._call_id, LegId(channel_id), at, cause, cause_text, by))
