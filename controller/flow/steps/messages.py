"""The `messages` step: an agent listens to the voice messages of the queues they serve, from their own phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import msgspec

from controller.flow.commands import (
    Collect,
    Collected,
    DigitRules,
    Event,
    HearMessage,
    ListMessages,
    MediaId,
    MessageActKind,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    Play,
    Played,
    TreatMessage,
)
from controller.flow.expressions import ValueType
from controller.flow.mailbox import PAUSE
from controller.flow.refkinds import Variable
from controller.flow.spoken.mailbox import count_notice
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn

MAX_MESSAGES = 50
"""Heard in one call; who wants more dials again."""
MAX_ANSWERS = 300
AGAIN, FORWARD, ERASE, KEEP, STOP = "1", "2", "3", "4", "*"
_KEYS = (AGAIN, FORWARD, ERASE, KEEP, STOP)
_HEADING, _KEYS_TOLD, _ERASING = "heading", "keys", "erasing"
"""What a key is an answer to."""
_AT_ONCE_S = 0.1
"""After what is said of a message, before the message."""
_GONE = "gone"
_MAX_SILENCES = 2


class Messages(Step, frozen=True, kw_only=True):
    """Tell how many new messages there are, and play them: new ones first, each with its queue, time and number.

    Who calls is found by the phone that calls. `none`: no message at all. `refused`: no agent's phone, or the
    messages cannot be had now; `save` gives a variable the reason (`unknown_agent`, `unavailable`). Silence after
    the keys were told twice, and the star, leave by `done`. A message passed over before it is played stays new.
    """

    type: ClassVar[str] = "messages"
    needs: ClassVar[frozenset[str]] = frozenset({"play", "collect", "agents"})

    done: Next
    none: Next
    refused: Next
    save: Annotated[str, Variable(ValueType.TEXT)] = ""

    def enter(self, run: Turn) -> Outcome:
        return ListMessages(MAX_MESSAGES)

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        match event:
            case MessagesListed():
                return self._listed(run, event)
            case MessageReady():
                return self._ready(run, event)
            case Collected():
                return self._chosen(run, event.digits)
            case MessageTreated():
                return self._treated(run, event.refused)
            case Played():
                return Go("done", self.done)
        return super().resume(run, event)

    def _listed(self, run: Turn, event: MessagesListed) -> Outcome:
        if event.refused:
            return self._refuse(run, event.refused)
        if self.save:
            run.save(self.save, "")
        if not event.messages:
            return Go("none", self.none)
        new = sum(message.new for message in event.messages)
        run.local["messages"] = msgspec.to_builtins(event.messages)
        run.local["place"] = 0
        run.note(messages=len(event.messages), new=new, heard=0, erased=0)
        return self._announce(run, run.notice(count_notice(new)))

    def _announce(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        """Tell of the message in turn, after `before`; nobody has listened to it until it is played."""
        run.local["mode"] = _HEADING
        return Collect((*before, *run.heading(_message(run))), _rules(_AT_ONCE_S, *_KEYS))

    def _hear(self, run: Turn) -> Outcome:
        """Go on with the sound of the message: the access is written down first."""
        return HearMessage(_message(run).recording)

    def _ready(self, run: Turn, event: MessageReady) -> Outcome:
        if event.refused == _GONE:
            return self._next(run, run.notice("mailbox-lost"))
        if event.refused:
            return self._refuse(run, event.refused)
        heard = run.local["heard"] = run.local.get("heard", 0) + 1
        run.note(heard=heard)
        run.local["silences"] = 0
        return self._ask(run, (event.media, PAUSE))

    def _ask(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        run.local["mode"] = _KEYS_TOLD
        return Collect((*before, *run.notice("mailbox-keys")), _rules(run.defaults.first_digit_s, *_KEYS))

    def _chosen(self, run: Turn, digits: str) -> Outcome:
        local = run.local
        if not digits and local["mode"] == _HEADING:
            return self._hear(run)
        local["answers"] = local.get("answers", 0) + 1
        local["silences"] = 0 if digits else local.get("silences", 0) + 1
        run.pressed(digits)
        if local["answers"] >= MAX_ANSWERS or local["silences"] >= _MAX_SILENCES:
            return Go("done", self.done)
        if local["mode"] == _ERASING:
            return self._treat(run, MessageActKind.ERASE) if digits == ERASE else self._ask(run)
        keys: dict[str, Callable[[Turn], Outcome]] = {
            AGAIN: self._hear,
            FORWARD: self._next,
            ERASE: self._ask_erase,
            KEEP: lambda turn: self._treat(turn, MessageActKind.KEEP_NEW),
            STOP: lambda _: Go("done", self.done),
        }
        return keys.get(digits, self._ask)(run)

    def _ask_erase(self, run: Turn) -> Outcome:
        run.local["mode"] = _ERASING
        return Collect(run.notice("mailbox-erase"), _rules(run.defaults.first_digit_s, ERASE, STOP))

    def _treat(self, run: Turn, act: MessageActKind) -> Outcome:
        run.local["act"] = act.value
        return TreatMessage(_message(run).recording, act)

    def _treated(self, run: Turn, refused: str) -> Outcome:
        if refused == _GONE:
            return self._next(run, run.notice("mailbox-lost"))
        if refused:
            return self._refuse(run, refused)
        if run.local["act"] == MessageActKind.KEEP_NEW:
            return self._next(run, run.notice("mailbox-kept"))
        erased = run.local["erased"] = run.local.get("erased", 0) + 1
        run.note(erased=erased)
        return self._next(run, run.notice("mailbox-erased"))

    def _next(self, run: Turn, before: tuple[MediaId, ...] = ()) -> Outcome:
        run.local["place"] += 1
        if run.local["place"] >= len(run.local["messages"]):
            return Play((*before, *run.notice("mailbox-end")))
        return self._announce(run, before)

    def _refuse(self, run: Turn, reason: str) -> Outcome:
        if self.save:
            run.save(self.save, reason)
        run.note(refused=reason)
        return Go("refused", self.refused)


def _message(run: Turn) -> MessageNote:
    return msgspec.convert(run.local["messages"][run.local["place"]], MessageNote)


def _rules(first_digit_s: float, *keys: str) -> DigitRules:
    return DigitRules(first_digit_s=first_digit_s, choices=keys)
