from __future__ import annotations

import asyncio
import hashlib
import io
import wave
from datetime import timedelta
from pathlib import Path

import pytest

from controller.calls.conversation.keeper import TalkAudio
from controller.calls.keeping import LOOK_EVERY_S, Keeping
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import AudioErased, AudioKept
from controller.errors import AsteriskUnreachable, ChannelGone
from controller.ids import CallId
from controller.ports import ExpiredAudio
from tests.rig.virtualtime import VirtualClock, on_virtual_time
from tests.unit.calls.distribution.hall import Past, Phones, Recorder

CALL = CallRef(CallId("c1"), "1700.1", "+331", "", "100", "fr")
RECORDING = "a" * 32


def sound(seconds: float) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(int(16000 * seconds)))
    return made.getvalue()


class Stored:
    """`StoredRecordings`."""

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}
        self.away = False

    async def fetch(self, recording: str) -> bytes:
        if self.away:
            raise AsteriskUnreachable("away")
        if recording not in self.there:
            raise ChannelGone("no such recording", status=404)
        return self.there[recording]

    async def forget(self, recording: str) -> None:
        if self.away:
            raise AsteriskUnreachable("away")
        self.there.pop(recording, None)


class Store:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder / "recordings", VirtualClock()
        self.stored, self.recorder, self.past, self.phones = Stored(), Recorder(), Past(), Phones()
        self.keeping = self.anew()

    def anew(self) -> Keeping:
        return Keeping(
            self.folder,
            self.stored,
            told=self.recorder.record,
            clock=self.clock,
            history=self.past,
            devices=self.phones,
        )

    def talk(self, recording: str = RECORDING) -> TalkAudio:
        return TalkAudio(recording, CALL, "sales", "ada", self.clock.now(), 3600.0)

    @property
    def pending(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "pending").glob("*.json"))


@on_virtual_time
async def test_a_message_is_kept_with_its_checksum_and_the_lamp_is_lit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.stored.there[RECORDING] = sound(2.5)
    assert await store.keeping.keep_message(CALL, "sales", RECORDING, 2.0, 86_400.0) is None
    [kept] = store.recorder.of(AudioKept)
    now = store.clock.now()
    assert kept == AudioKept(
        recording_id=RECORDING,
        call_id=CALL.call_id,
        kind="message",
        at=kept.at,
        queue="sales",
        path=f"message/{now:%Y/%m/%d}/{RECORDING}.wav",
        sha256=hashlib.sha256(sound(2.5)).hexdigest(),
        bytes=len(sound(2.5)),
        duration_s=2.5,
        keep_until=kept.keep_until,
        caller="+331",
    )
    assert abs(kept.keep_until - now - timedelta(days=1)) < timedelta(seconds=1)
    file = store.keeping.file(kept.path)
    assert file is not None
    assert file.read_bytes() == sound(2.5)
    assert file.stat().st_mode & 0o077 == 0
    assert store.phones.lamps == {"sales": (1, 0)}
    assert store.stored.there == {}
    assert store.pending == []
    # performed again after a crash: it is in the mailbox, and told again, which changes nothing
    assert await store.keeping.keep_message(CALL, "sales", RECORDING, 2.0, 86_400.0) is None
    assert store.recorder.of(AudioKept)[1].sha256 == kept.sha256


@on_virtual_time
async def test_a_message_that_asterisk_does_not_know_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    refused = await store.keeping.keep_message(CALL, "sales", RECORDING, 2.0, 60.0)
    assert refused is not None
    assert refused.code == "unknown_recording"
    assert (store.pending, store.recorder.entries) == ([], [])


@on_virtual_time
async def test_a_conversation_is_fetched_in_the_background(tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = asyncio.create_task(store.keeping.run())
    await asyncio.sleep(5)
    store.keeping.keep_talk(store.talk())
    store.stored.there[RECORDING] = sound(1)  # Asterisk has finished it a moment later
    await asyncio.sleep(2)
    [kept] = store.recorder.of(AudioKept)
    assert (kept.kind, kept.agent, kept.queue, kept.duration_s) == ("conversation", "ada", "sales", 1.0)
    assert store.pending == []
    running.cancel()


@on_virtual_time
async def test_nothing_is_lost_while_asterisk_is_away_or_the_controller_dies(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.stored.there[RECORDING], store.stored.away = sound(1), True
    assert await store.keeping.keep_message(CALL, "sales", RECORDING, 1.0, 60.0) is None
    store.keeping.keep_talk(store.talk("b" * 32))
    assert store.pending == [RECORDING, "b" * 32]
    again = store.anew()
    running = asyncio.create_task(again.run())
    await asyncio.sleep(1)
    store.stored.away, store.stored.there["b" * 32] = False, sound(2)
    await asyncio.sleep(LOOK_EVERY_S)
    assert {each.recording_id: each.duration_s for each in store.recorder.of(AudioKept)} == {
        RECORDING: 1.0,
        "b" * 32: 2.0,
    }
    assert store.pending == []
    running.cancel()


@on_virtual_time
async def test_a_recording_that_never_comes_is_given_up_after_a_while(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keeping.keep_talk(store.talk())
    running = asyncio.create_task(store.keeping.run())
    await asyncio.sleep(300)
    assert store.pending == [RECORDING]
    await asyncio.sleep(400)
    assert (store.pending, store.keeping.counts["lost"]) == ([], 1)
    running.cancel()


@on_virtual_time
async def test_a_note_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.stored.there[RECORDING] = sound(1)
    store.keeping.keep_talk(store.talk())
    (store.folder / "pending" / "0.json").write_text("{")
    running = asyncio.create_task(store.keeping.run())
    await asyncio.sleep(1)
    assert len(store.recorder.of(AudioKept)) == 1
    assert (store.folder / "pending" / "0.unreadable").exists()
    running.cancel()


@on_virtual_time
async def test_a_full_disk_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.folder.write_text("a file where the folder should be")
    refused = await store.keeping.keep_message(CALL, "sales", RECORDING, 1.0, 60.0)
    assert refused is not None
    assert refused.code == "no_space"
    store.keeping.keep_talk(store.talk())  # does not raise
    assert store.keeping.counts["failed"] == 2


@pytest.mark.parametrize("recording", ["../../etc/passwd", "", "a/b", "a" * 65])
@on_virtual_time
async def test_only_ids_name_files(tmp_path: Path, recording: str) -> None:
    store = Store(tmp_path)
    assert await store.keeping.keep_message(CALL, "sales", recording, 1.0, 60.0) is not None
    assert store.pending == []


@on_virtual_time
async def test_what_has_expired_is_erased_and_lamps_follow_the_mailboxes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = store.folder / "message" / "x.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"x")
    store.past.expired = [ExpiredAudio("x", "message/x.wav"), ExpiredAudio("y", "message/gone.wav")]
    store.past.expired.append(ExpiredAudio("z", "../outside.wav"))
    store.past.boxes = {"sales": (2, 1)}
    running = asyncio.create_task(store.keeping.run())
    await asyncio.sleep(1)
    assert not file.exists()
    assert outside.exists()
    assert [(each.recording_id, each.by) for each in store.recorder.of(AudioErased)] == [
        ("x", "rule"),
        ("y", "rule"),
        ("z", "rule"),
    ]
    assert store.phones.lamps == {"sales": (2, 1)}
    store.past.boxes = {}
    store.past.away = True
    await asyncio.sleep(LOOK_EVERY_S)
    store.past.away = False
    store.keeping.listened()
    await asyncio.sleep(1)
    assert store.phones.lamps == {"sales": (0, 0)}
    running.cancel()
