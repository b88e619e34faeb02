"""What is said before a voice message that an agent hears from a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from controller.flow.commands import MediaId, MessageNote
from controller.flow.spoken import Fragments, say_date, say_phone, say_time

if TYPE_CHECKING:
    from controller.flow.release import Release

PAUSE: MediaId = "silence/300"
"""Between what is said of a message and the message, and before the keys."""


def heading(release: Release, language: str, message: MessageNote) -> tuple[MediaId, ...]:
    """Return what is said before `message`: new or not, its queue, its day and time, the caller's number."""
    plan = release.queues.get(message.queue)  # a queue that was taken out may have left messages
    return (
        *_say(language, ("mailbox-item-new" if message.new else "mailbox-item-heard",)),
        *(plan.message_name(language) if plan is not None else ()),
        *_say(language, _when(release.zone, language, message)),
        PAUSE,
        *_say(language, _who(language, message.caller)),
        PAUSE,
    )


def _when(zone: str, language: str, message: MessageNote) -> Fragments:
    at = message.left_at.astimezone(ZoneInfo(zone))
    return (*say_date(at.date(), language, weekday=True, year=False), *say_time(at.time(), language))


def _who(language: str, caller: str) -> Fragments:
    if not caller:
        return ("mailbox-withheld",)
    try:
        return ("mailbox-caller", *say_phone(caller, language))
    except ValueError:
        return ()  # a SIP name, which nobody can spell out


def _say(language: str, fragments: Fragments) -> tuple[MediaId, ...]:
    return tuple(f"say/{language}/{fragment}" for fragment in fragments)
