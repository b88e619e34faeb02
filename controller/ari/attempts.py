"""One dialled attempt as its events tell of it, from before its channel exists until it is gone.

It is an inbox: until the callee answers it takes the events itself, from then on it is the inbox of the call too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from controller.ari.generated import models
from controller.ari.inbox import ChannelLost, Inbox, Item, Resynchronised
from controller.ari.line import hangup_cause
from controller.callback.model import AttemptId
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialNews, DialRinging

CONTEXT: Final = "rappel-outbound"
"""The one context of the dialplan that leads to a trunk."""
EVENT: Final = "RappelDial"
"""The dialplan's user event: what its gate said, and how a dial ended."""
_ATTEMPT: Final = re.compile(rf"Local/(?P<id>[0-9a-f]{{32}})@{CONTEXT}-[0-9a-f]+;[12]")
_RINGING: Final = frozenset({"RINGING", "PROGRESS"})


def attempt_of(channel: models.Channel) -> AttemptId | None:
    """Return the attempt that a channel is a half of; None for any other channel."""
    found = _ATTEMPT.fullmatch(channel.name)
    return AttemptId(found["id"]) if found and channel.id in halves(found["id"]) else None


def halves(attempt: str) -> tuple[str, str]:
    """Return the ids of the two halves of an attempt's channel: ours, and the one that the dialplan dials from."""
    return attempt, f"{attempt};2"


class Attempt(Inbox):
    """What is known of one attempt.

    `answered` is called with the `StasisStart` when the callee has answered, `unsure` when the channel should be
    looked for, `over` when nothing more will come. News go to `told` once somebody follows.
    """

    def __init__(
        self,
        attempt: AttemptId,
        *,
        answered: Callable[[models.StasisStart], None],
        unsure: Callable[[AttemptId], None],
        over: Callable[[AttemptId], None],
    ) -> None:
        super().__init__(attempt)
        self.attempt = attempt
        self.told: Callable[[DialNews], None] | None = None
        self.taken = False
        """Asterisk has, or had, a channel of it."""
        self.serving = False
        """It was answered, and is a call."""
        self.ended = False
        self._answered = answered
        self._unsure = unsure
        self._over = over
        self._rang = False
        self._word = ""
        self._cause = 0
        self._status = ""

    def put(self, item: Item) -> bool:
        """Take note of an event; once there is a call, it gets those of our half."""
        channel: models.Channel | None = getattr(item, "channel", None)
        if isinstance(item, models.StasisStart) and not self.serving:
            self.taken = True
            self._answered(item)  # which may make this the inbox of a call; the event itself is none of the call's
            return True
        self._note(item, channel)
        other_half = channel is not None and channel.id != self.attempt and channel.id in halves(self.attempt)
        return super().put(item) if self.serving and not other_half else True

    def _note(self, item: Item, channel: models.Channel | None) -> None:
        match item:
            case models.ChannelUserevent() if item.eventname == EVENT:
                self._noted(item.userevent)
            case models.Dial() if item.peer.id == self.attempt:
                self.taken = True
                if item.dialstatus in _RINGING:
                    self.ringing(item.timestamp)
            case models.ChannelHangupRequest() if channel is not None and channel.id == self.attempt:
                self._cause = self._cause or hangup_cause(item)
            case models.ChannelDestroyed() if channel is not None and channel.id == self.attempt:
                self.end(item.timestamp, item.cause)
            case ChannelLost() if item.channel_id == self.attempt and self.attempt in self.ids:
                self.end(datetime.now(UTC))
            case Resynchronised() if not self.serving:
                self._unsure(self.attempt)

    def _noted(self, said: dict[str, object]) -> None:
        """Take what the dialplan says: a word of its gate, or `ended` with cause and status."""
        self.taken = True
        self._word = str(said.get("Word", ""))
        if self._word == "ended":
            cause = str(said.get("Cause", ""))
            self._cause = int(cause) if cause.isascii() and cause.isdigit() else 0
            self._status = str(said.get("Status", ""))

    # --- what is told ---------------------------------------------------------------------------------------

    def ringing(self, at: datetime) -> None:
        """The called telephone rings: told once."""
        if not self._rang and not self.serving:
            self._rang = True
            self._tell(DialRinging(at))

    def pick_up(self, at: datetime, *, machine: bool = False) -> None:
        """The callee has answered, and the call begins."""
        if not self.serving:
            self.serving = True
            self._tell(DialAnswered(at, machine))

    def end(self, at: datetime, cause: int = 0) -> None:
        """The channel is gone, or the call on it has been let go of: told once."""
        if self.ended:
            return
        self._cause = self._cause or cause
        self.ended = True
        already = self._word == "already"
        refused = "" if self._word in {"", "first", "ended", "already"} else self._word.upper()
        self._tell(DialEnded(at, self._cause, refused or self._status, answered=self.serving, already=already))
        self._over(self.attempt)

    def _tell(self, news: DialNews) -> None:
        if self.told is not None:
            self.told(news)
