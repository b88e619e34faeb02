"""What is known of a leg that we created: whether it entered, answered, ended, and why."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.line import hangup_cause
from controller.cdr.entries import Role
from controller.ports import LegObserver

_PLAIN = (0, 16)
"""Causes that say nothing."""


class Leg:
    """One leg, as its events tell of it; the observer is told of each change once."""

    def __init__(self, leg_id: str, observer: LegObserver) -> None:
        self.id = leg_id
        self.entered = False
        """The application has it."""
        self.answered_at: datetime | None = None
        self.left_at: datetime | None = None
        """It left the application: its end is near, and ChannelDestroyed may not come."""
        self.ended = False
        self.cause = 0
        self._ended_at: datetime | None = None
        self._hint = 0
        self._observer = observer

    @property
    def ended_at(self) -> datetime:
        """When it ended; now, as long as it has not."""
        return self._ended_at or datetime.now(UTC)

    @property
    def explained(self) -> bool:
        """Whether its far end has said why it hangs up: nothing better will come."""
        return self._hint not in _PLAIN

    @property
    def talked_s(self) -> float:
        """How long the conversation has lasted, by Asterisk's clock at both ends where events gave the times."""
        if self.answered_at is None:
            return 0.0
        return max(0.0, (self.ended_at - self.answered_at).total_seconds())

    def exists(self, channel: models.Channel, number: str, role: Role = Role.EXTENSION) -> None:
        """Note that Asterisk has the channel towards `number`."""
        self._observer.leg_started(self.id, channel.name, number, channel.creationtime, role)

    def note(self, event: AnyEvent, *, by_callee: bool) -> None:
        """Take note of an event of this channel; `by_callee`: if it ends now, its far end has done it."""
        match event:
            case models.StasisStart():
                self.entered = True
            case models.ChannelStateChange(channel=channel) if channel.state == "Up":
                self.answered(channel, event.timestamp)
            case models.ChannelHangupRequest():
                self._hint = self._hint or hangup_cause(event)
            case models.StasisEnd():
                self.left_at = event.timestamp
            case models.ChannelDestroyed():
                # A Local channel's own cause may be plain clearing where the far end's was telling.
                if event.channel.state == "Up":
                    self.answered(event.channel)  # while nobody looked
                cause = self._hint if event.cause in _PLAIN and self._hint else event.cause
                self.end(cause, event.cause_txt, event.timestamp, by_callee=by_callee)

    def answered(self, channel: models.Channel, at: datetime | None = None) -> None:
        """Note the answer, once. Without its event the time is that of the creation: the best there is."""
        if self.answered_at is not None:
            return
        self.answered_at = at or channel.creationtime
        if at is not None:
            self._observer.leg_answered(self.id, at)

    def end(self, cause: int = 0, text: str = "", at: datetime | None = None, *, by_callee: bool) -> None:
        """Note the end, once; without a cause, that of the far end's hang-up counts if there was one."""
        if self.ended:
            return
        self.ended = True
        self._ended_at = at or self.left_at or datetime.now(UTC)
        self.cause = cause or self._hint
        self._observer.leg_ended(self.id, self.cause, text, self._ended_at, by_callee=by_callee)
