"""Voice messages heard from an agent's phone: which there are, one laid out to be played, one erased or kept as new.

The store of recordings is closed to everybody but the controller. A message that somebody listens to is copied beside
the prompts, where Asterisk reads by absolute path anyway (same machine, or a shared mount), under a name nobody can
guess in a folder nobody can list, and the copy goes with the call.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from controller.acd.model import AgentAccount
from controller.calls.keeping import Keeping
from controller.calls.queueing.callref import CallRef
from controller.errors import StoreError
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
from controller.ports import AudioLibrary, KeptMessage, Mailboxes

log = structlog.get_logger(__name__)

KIND = "message/"
_NAME = re.compile(r"[0-9A-Za-z_-]{1,80}")
_SUFFIX = ".wav"
_WAV_HEADER = 44
_BYTES_PER_S = 16_000
_SWEEP_EVERY_S = 600.0
_LEFT_OVER_S = 3 * 3600.0
"""No call listens that long: the copy of a call whose end no controller saw."""
_ERASED_KEPT = 200

_UNKNOWN, _GONE, _UNAVAILABLE = "unknown_agent", "gone", "unavailable"
"""Why something was not done, as the step tells it."""

AccountOf = Callable[[str], AgentAccount | None]
"""Finds the enabled agent who has a SIP endpoint."""
_Act = Callable[[AgentAccount, KeptMessage], Awaitable[tuple[str, str]]]


class Mailbox:
    """What agents do with messages from their phones; `folder` is where Asterisk finds the copies."""

    def __init__(self, folder: Path, keeping: Keeping, messages: Mailboxes, account_of: AccountOf) -> None:
        self._folder = folder.absolute()
        self._keeping = keeping
        self._messages = messages
        self._account_of = account_of
        self._erased: deque[str] = deque(maxlen=_ERASED_KEPT)
        """Just now: the database may not have heard of it yet."""
        self._laid_out = {path.name.partition("_")[0] for path in self._folder.glob(f"*{_SUFFIX}")}
        """Calls with a copy in the folder, those of the last controller included."""

    async def perform(
        self, call: CallRef, command: ListMessages | HearMessage | TreatMessage
    ) -> MessagesListed | MessageReady | MessageTreated:
        """See `controller.calls.queueing.services.Mailbox.perform`."""
        account = self._account_of(call.endpoint)
        match command:
            case ListMessages():
                return await self._list(account, command.most)
            case HearMessage():
                name, refused = await self._attempt(account, command, lambda who, m: self._hear(call, who, m))
                return MessageReady(refused=refused) if refused else MessageReady(f"{KIND}{name}")
            case TreatMessage():
                _, refused = await self._attempt(
                    account, command, lambda who, m: self._treat(call, who, m, command.act)
                )
                return MessageTreated(refused)

    def over(self, call_id: str) -> None:
        """Take away what was laid out for a call: it plays no more."""
        if call_id in self._laid_out:
            self._laid_out.discard(call_id)
            for path in self._folder.glob(f"{call_id}_*{_SUFFIX}"):
                path.unlink(missing_ok=True)

    def library(self, audio: AudioLibrary) -> AudioLibrary:
        """Return `audio` with the messages that are laid out."""
        return _WithMessages(audio, self._folder)

    async def run(self) -> None:
        """Take away what calls have left behind, until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self._sweep)
            except OSError as error:
                log.warning("messages.not_swept", folder=str(self._folder), error=str(error))
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _list(self, account: AgentAccount | None, most: int) -> MessagesListed:
        if account is None:
            return MessagesListed(refused=_UNKNOWN)
        try:
            found = await self._messages.inbox(sorted(account.queues), most + len(self._erased))
        except StoreError as error:
            log.warning("messages.not_read", error=str(error))
            return MessagesListed(refused=_UNAVAILABLE)
        there = [message for message in found if message.recording_id not in self._erased]
        return MessagesListed(tuple(_note(message) for message in there[:most]))

    async def _attempt(
        self, account: AgentAccount | None, command: HearMessage | TreatMessage, act: _Act
    ) -> tuple[str, str]:
        """Do `act` with the message of `command`, if this agent may; return its result, and why it was not done."""
        if account is None:
            return "", _UNKNOWN
        try:
            erased = command.recording in self._erased
            message = None if erased else await self._messages.message(command.recording)
            if message is None:
                return "", _GONE
            return await act(account, message) if message.queue in account.queues else ("", "not_allowed")
        except FileNotFoundError:  # erased by somebody else this very moment
            return "", _GONE
        except (StoreError, OSError) as error:
            log.warning("message.not_had", recording=command.recording, error=str(error))
            return "", _UNAVAILABLE

    async def _hear(self, call: CallRef, account: AgentAccount, message: KeptMessage) -> tuple[str, str]:
        """Write the access down, then put the sound where it can be played; return its name."""
        file = self._keeping.file(message.path)
        if file is None or not await self._messages.note_access(message.recording_id, _who(account), "listened"):
            return "", _GONE
        self._keeping.listened()
        return await asyncio.to_thread(self._lay_out, call.call_id, file), ""

    async def _treat(
        self, call: CallRef, account: AgentAccount, message: KeptMessage, act: MessageActKind
    ) -> tuple[str, str]:
        if act is MessageActKind.ERASE:
            await self._keeping.erase(message.recording_id, message.path, _who(account))
            self._erased.append(message.recording_id)
            self._keeping.look_soon()
            self.over(call.call_id)
        elif await self._messages.keep_as_new(message.recording_id):
            self._keeping.listened()
        else:
            return "", _GONE
        return "", ""

    def _lay_out(self, call_id: str, file: Path) -> str:
        """Copy a message to where Asterisk can read it, in place of the call's last one; return its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o711)
        self.over(call_id)
        self._laid_out.add(call_id)
        name = f"{call_id}_{secrets.token_hex(16)}"
        target = self._folder / f"{name}{_SUFFIX}"
        shutil.copyfile(file, target)
        target.chmod(0o644)  # Asterisk may run as another user than the controller
        return name

    def _sweep(self) -> None:
        before = time.time() - _LEFT_OVER_S
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


class _WithMessages:
    """`AudioLibrary` of a release, and of the messages in `folder`."""

    def __init__(self, audio: AudioLibrary, folder: Path) -> None:
        self._audio = audio
        self._folder = folder

    def path(self, media: MediaId) -> str:
        """See `AudioLibrary.path`."""
        if not media.startswith(KIND):
            return self._audio.path(media)
        return str(self._file(media).with_suffix(""))

    def duration_s(self, media: MediaId) -> float:
        """See `AudioLibrary.duration_s`."""
        if not media.startswith(KIND):
            return self._audio.duration_s(media)
        return max(0, self._file(media).stat().st_size - _WAV_HEADER) / _BYTES_PER_S

    def _file(self, media: MediaId) -> Path:
        name = media.removeprefix(KIND)
        file = self._folder / f"{name}{_SUFFIX}"
        if not _NAME.fullmatch(name) or not file.is_file():
            raise KeyError(media)
        return file


def _who(account: AgentAccount) -> str:
    """Return the agent as the log of accesses names them: as when they use the API."""
    return f"agent:{account.agent}"


def _note(message: KeptMessage) -> MessageNote:
    return MessageNote(message.recording_id, message.queue, message.kept_at, message.caller, message.new)
