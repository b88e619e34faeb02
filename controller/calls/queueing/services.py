"""What the calls of a controller use of the distribution, beside their telephone: `controller.calls.distribution`."""

from __future__ import annotations

from typing import Protocol

from controller.acd.model import AgentId, Refused
from controller.calls.callback.desk import CallbackDesk
from controller.calls.conversation.keeper import Keeper
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.places import Places
from controller.flow.commands import (
    AgentActKind,
    HearMessage,
    ListMessages,
    MessageReady,
    MessagesListed,
    MessageTreated,
    TreatMessage,
)
from controller.flow.queuenow import QueuesNow
from controller.ports import AudioLibrary


class Mailbox(Protocol):
    """The voice messages, for agents who listen from their phones: the caller, known by `CallRef.endpoint`."""

    async def perform(
        self, call: CallRef, command: ListMessages | HearMessage | TreatMessage
    ) -> MessagesListed | MessageReady | MessageTreated:
        """Carry `command` out; a message is laid out for the telephone when the access has been written down."""

    def over(self, call_id: str) -> None:
        """Take away what was laid out for a call that has ended."""

    def library(self, audio: AudioLibrary) -> AudioLibrary:
        """Return `audio` with the messages that are laid out."""


class Services(Protocol):
    """Given to every call in `Surroundings.services`. How queues sound is the call's own release's."""

    @property
    def places(self) -> Places:
        """The waiting lines and the agents' engagements."""

    @property
    def keeper(self) -> Keeper:
        """Where the recordings of conversations go."""

    @property
    def mailbox(self) -> Mailbox:
        """The voice messages."""

    @property
    def callbacks(self) -> CallbackDesk | None:
        """Where flows ask for call-backs; None: there are none, and flows are told that they are unavailable."""

    @property
    def queues_now(self) -> QueuesNow:
        """How the queues are whenever it is asked, for the conditions of flows."""

    def agent_at(self, extension: str) -> AgentId | None:
        """Return the enabled agent with this extension."""

    async def keep_message(
        self, call: CallRef, queue: str, recording: str, duration_s: float, keep_s: float
    ) -> Refused | None:
        """Put the finished recording with the id `recording` into the mailbox of `queue` for `keep_s`.

        None when the mailbox has it (also when it had it before), else why not.
        """

    def act(self, call: CallRef, act: AgentActKind, reason: str) -> Refused | None:
        """Do what an agent asks for from the phone: the caller, known by `CallRef.endpoint`. None when it is done."""
