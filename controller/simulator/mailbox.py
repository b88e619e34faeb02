"""The voice messages that a simulated agent finds, and what becomes of them: as the scenario says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from controller.flow.commands import (
    HearMessage,
    ListMessages,
    MediaId,
    MessageActKind,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    TreatMessage,
)


class LeftMessage(msgspec.Struct, frozen=True):
    """A message for `queue`, left `ago_s` before the call began and `seconds` long."""

    queue: str
    caller: str = ""
    heard: bool = False
    ago_s: float = 3600.0
    seconds: float = 10.0


class SimulatedMailbox:
    """Performs what an agent wishes with `messages`; `refused` is why there is no list of them."""

    def __init__(self, messages: Sequence[LeftMessage] = (), refused: str = "") -> None:
        self._messages = {str(number): message for number, message in enumerate(messages, 1)}
        self._refused = refused

    def perform(
        self, command: ListMessages | HearMessage | TreatMessage, began_at: datetime
    ) -> MessagesListed | MessageReady | MessageTreated:
        """Carry `command` out; messages are named by their place in the scenario."""
        match command:
            case ListMessages(most=most):
                return self._list(most, began_at)
            case HearMessage(recording=recording):
                there = recording in self._messages
                return MessageReady(f"message/{recording}") if there else MessageReady(refused="gone")
            case TreatMessage(recording=recording, act=act):
                there = recording in self._messages
                if act is MessageActKind.ERASE:
                    self._messages.pop(recording, None)
                return MessageTreated("" if there else "gone")

    def seconds(self, media: MediaId) -> float:
        """Return how long a message lasts."""
        return self._messages[media.removeprefix("message/")].seconds

    def _list(self, most: int, began_at: datetime) -> MessagesListed:
        if self._refused:
            return MessagesListed(refused=self._refused)
        notes = [
            MessageNote(name, each.queue, began_at - timedelta(seconds=each.ago_s), each.caller, not each.heard)
            for name, each in self._messages.items()
        ]
        new = sorted((note for note in notes if note.new), key=lambda note: note.left_at)
        heard = sorted((note for note in notes if not note.new), key=lambda note: note.left_at, reverse=True)
        return MessagesListed(tuple([*new, *heard][:most]))
