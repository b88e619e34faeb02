"""Messages that agents hear by phone: who may, what is written down first, and where the sound lies meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.acd.model import AgentAccount, AgentId
from controller.calls.keeping import Keeping
from controller.calls.mailbox import Mailbox
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import AudioErased
from controller.errors import StoreError
from controller.flow.commands import (
    HearMessage,
    ListMessages,
    MessageActKind,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    TreatMessage,
)
from controller.ids import CallId
from controller.ports import KeptMessage
from tests.rig.virtualtime import VirtualClock, on_virtual_time
from tests.unit.calls.distribution.hall import Past, Phones, Recorder
from tests.unit.calls.test_keeping import Stored, sound

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ANNE = AgentAccount(agent=AgentId("anne"), name="Anne", extension="2001", queues={"sales": 1})
ERASE, KEEP = MessageActKind.ERASE, MessageActKind.KEEP_NEW


def call(endpoint: str = "2001", call_id: str = "c1") -> CallRef:
    return CallRef(CallId(call_id), "1700.1", endpoint, "", "*16", "fr", f"PJSIP/{endpoint}-0000002a")


def kept(name: str, queue: str = "sales") -> KeptMessage:
    return KeptMessage(recording_id=name, queue=queue, kept_at=AT, caller="+331", path=f"{name}.wav", new=True)


class Messages:
    """`Mailboxes`: what happens is noted in `log`, in order."""

    def __init__(self, *there: KeptMessage) -> None:
        self.there = {each.recording_id: each for each in there}
        self.away = False
        self.log: list[str] = []

    def _answers(self) -> None:
        if self.away:
            raise StoreError("away")

    async def inbox(self, queues: Sequence[str], limit: int) -> Sequence[KeptMessage]:
        self._answers()
        return [each for each in self.there.values() if each.queue in queues][:limit]

    async def message(self, recording_id: str) -> KeptMessage | None:
        self._answers()
        return self.there.get(recording_id)

    async def note_access(self, recording_id: str, by: str, how: str) -> bool:
        self._answers()
        self.log.append(f"{by} {how} {recording_id}")
        return recording_id in self.there

    async def keep_as_new(self, recording_id: str) -> bool:
        self._answers()
        self.log.append(f"new {recording_id}")
        return recording_id in self.there


class Library:
    """`AudioLibrary` of a release."""

    def path(self, media: str) -> str:
        return {"fr/x": "/prompts/x"}[media]

    def duration_s(self, media: str) -> float:
        return {"fr/x": 1.5}[media]


class Desk:
    def __init__(self, folder: Path, *there: KeptMessage) -> None:
        self.store, self.laid_out = folder / "recordings", folder / "listening"
        self.store.mkdir()
        for each in there:
            (self.store / each.path).write_bytes(sound(2.0))
        self.messages, self.recorder, self.past, self.phones = Messages(*there), Recorder(), Past(), Phones()
        self.keeping = Keeping(
            self.store,
            Stored(),
            told=self.recorder.record,
            clock=VirtualClock(),
            history=self.past,
            devices=self.phones,
        )
        self.mailbox = self.anew()

    def anew(self) -> Mailbox:
        return Mailbox(self.laid_out, self.keeping, self.messages, {"2001": ANNE}.get)

    @property
    def copies(self) -> list[Path]:
        return sorted(self.laid_out.glob("*.wav"))


@on_virtual_time
async def test_the_list_is_of_the_queues_that_who_calls_serves(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"), kept("r2", "support"), kept("r3"))
    perform = desk.mailbox.perform
    one = MessageNote("r1", "sales", AT, "+331", new=True)
    assert await perform(call(), ListMessages(1)) == MessagesListed((one,))
    assert [each.recording for each in (await perform(call(), ListMessages())).messages] == ["r1", "r3"]  # type: ignore[union-attr]
    assert await perform(call("2002"), ListMessages()) == MessagesListed(refused="unknown_agent")
    desk.messages.away = True
    assert await perform(call(), ListMessages()) == MessagesListed(refused="unavailable")


@on_virtual_time
async def test_a_message_lies_where_nobody_finds_it_who_does_not_know_its_name(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"), kept("r3"))
    ready = await desk.mailbox.perform(call(), HearMessage("r1"))
    assert isinstance(ready, MessageReady)
    assert desk.messages.log == ["agent:anne listened r1"]
    library = desk.mailbox.library(Library())
    assert library.duration_s(ready.media) == 2.0
    (path,) = desk.copies
    assert library.path(ready.media) == str(path.with_suffix(""))
    assert path.read_bytes() == sound(2.0)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o711)
    assert len(path.stem.partition("_")[2]) == 32
    assert (library.path("fr/x"), library.duration_s("fr/x")) == ("/prompts/x", 1.5)
    for wrong in ("message/nothing", "message/../recordings/r1", "message/"):
        with pytest.raises(KeyError):
            library.path(wrong)
    # one at a time, and none after the call
    again = await desk.mailbox.perform(call(), HearMessage("r3"))
    assert again != ready
    assert len(desk.copies) == 1
    desk.mailbox.over("c1")
    assert desk.copies == []


@on_virtual_time
async def test_nothing_is_laid_out_that_is_not_written_down(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"), kept("r2", "support"))
    perform = desk.mailbox.perform
    for recording, endpoint, why in [
        ("r1", "2002", "unknown_agent"), ("r2", "2001", "not_allowed"), ("r9", "2001", "gone"),
    ]:  # fmt: skip
        assert await perform(call(endpoint), HearMessage(recording)) == MessageReady(refused=why)
        assert await perform(call(endpoint), TreatMessage(recording, ERASE)) == MessageTreated(why)
    desk.messages.away = True
    assert await perform(call(), HearMessage("r1")) == MessageReady(refused="unavailable")
    assert await perform(call(), TreatMessage("r1", KEEP)) == MessageTreated("unavailable")
    desk.messages.away = False
    (desk.store / "r1.wav").unlink()
    assert await perform(call(), HearMessage("r1")) == MessageReady(refused="gone")
    assert (desk.messages.log, desk.copies, desk.recorder.entries) == ([], [], [])


@on_virtual_time
async def test_a_cache_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"))
    desk.laid_out.write_text("in the way")
    assert await desk.mailbox.perform(call(), HearMessage("r1")) == MessageReady(refused="unavailable")


@on_virtual_time
async def test_an_erased_message_is_gone_at_once_and_the_lamp_follows(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"))
    desk.past.boxes = {"sales": (1, 0)}
    running = asyncio.create_task(desk.keeping.run())
    await asyncio.sleep(1)
    await desk.mailbox.perform(call(), HearMessage("r1"))
    assert await desk.mailbox.perform(call(), TreatMessage("r1", ERASE)) == MessageTreated()
    [erased] = desk.recorder.of(AudioErased)
    assert (erased.recording_id, erased.by) == ("r1", "agent:anne")
    assert (list(desk.store.glob("*.wav")), desk.copies) == ([], [])
    # the database hears of it a moment later
    assert await desk.mailbox.perform(call(), ListMessages()) == MessagesListed()
    assert await desk.mailbox.perform(call(), HearMessage("r1")) == MessageReady(refused="gone")
    assert await desk.mailbox.perform(call(), TreatMessage("r1", KEEP)) == MessageTreated("gone")
    desk.past.boxes = {}
    await asyncio.sleep(2)
    assert desk.phones.lamps == {"sales": (0, 0)}
    running.cancel()


@on_virtual_time
async def test_a_message_is_kept_as_new(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"))
    assert await desk.mailbox.perform(call(), TreatMessage("r1", KEEP)) == MessageTreated()
    assert desk.messages.log == ["new r1"]


@on_virtual_time
async def test_what_another_controller_laid_out_goes_with_its_call_or_in_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path, kept("r1"))
    await desk.mailbox.perform(call(), HearMessage("r1"))
    await desk.mailbox.perform(call(call_id="c2"), HearMessage("r1"))
    await desk.mailbox.perform(call(call_id="c3"), HearMessage("r1"))
    later = desk.anew()
    later.over("c1")
    assert [path.name[:2] for path in desk.copies] == ["c2", "c3"]
    long_ago = time.time() - 4 * 3600
    os.utime(desk.copies[0], (long_ago, long_ago))
    running = asyncio.create_task(later.run())
    await asyncio.to_thread(lambda: None)
    async with asyncio.timeout(5):
        while len(desk.copies) > 1:
            await asyncio.sleep(0.01)
    assert [path.name[:2] for path in desk.copies] == ["c3"]
    running.cancel()
