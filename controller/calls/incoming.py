"""What an adapter tells the supervisor about a caller's channel that has reached us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from controller.calls.voice.ports import PageFacts
from controller.ids import CallId, call_id_for, call_id_of_attempt
from controller.ports import AudioLibrary, LegObserver, Telephone


@dataclass(frozen=True, slots=True)
class TelephoneKit:
    """What a telephone needs of its call: the audio and the extensions of the call's own release.

    `endpoint_for` gives the endpoint to dial for an extension (`PJSIP/1001`); `KeyError` when there is none.
    """

    audio: AudioLibrary
    legs: LegObserver
    endpoint_for: Callable[[str], str]


class TelephoneFactory(Protocol):
    """Makes the telephone of one call. `resumed`: an earlier controller may have left something playing."""

    def __call__(self, call_id: CallId, kit: TelephoneKit, *, resumed: bool) -> Telephone:
        """Return the telephone."""


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A caller's channel, seen for the first time or again after a restart.

    `created_at` is Asterisk's creation time of the channel: with `channel_id` it determines the call's id.
    `flow` names the flow to run instead of the one that the called number leads to (FastAGI's `agi://host/flow`).
    """

    driver: str
    channel_id: str
    channel_name: str
    created_at: datetime
    called_number: str
    caller_number: str
    caller_name: str
    telephone: TelephoneFactory
    flow: str | None = None
    attempt: str = ""
    """We called, and they answered: the attempt's id, which is the channel's; the call's is the same as a UUID."""
    page: PageFacts | None = None
    """The call comes from a web page."""
    call_id: CallId = field(init=False)
    """The id of the call this channel began."""

    def __post_init__(self) -> None:
        call_id = call_id_of_attempt(self.attempt) if self.attempt else call_id_for(self.channel_id, self.created_at)
        object.__setattr__(self, "call_id", call_id)
