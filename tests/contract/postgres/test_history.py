from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from controller.cdr.entries import (
    AudioErased,
    AudioKept,
    CallStarted,
    DistributionEntry,
    Entry,
    QueueEntered,
    QueueExited,
)
from controller.errors import StoreError
from controller.ids import call_id_for
from controller.ports import ExpiredAudio, History, LastTalk, Mailboxes, QueueDay
from controller.postgres.history import PostgresHistory
from controller.postgres.store import PostgresStore
from tests.unit.cdr.distribution import visit
from tests.unit.cdr.histories import START, history


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def call(number: int, caller: str) -> list[Entry]:
    entries = history(number)
    start = entries[0]
    assert isinstance(start, CallStarted)
    entries[0] = msgspec.structs.replace(start, caller_number=caller)
    return entries


async def test_whom_a_number_talked_with_last(store: PostgresStore):
    past: History = PostgresHistory(store)
    entries: list[Entry] = [*call(0, "+331"), *call(100, "+331"), *call(200, "+332"), *call(300, "")]
    entries += [*visit(0, agent="a"), *visit(100, agent="b"), *visit(200, agent="c"), *visit(300, agent="d")]
    await store.write(entries)
    assert await past.last_talks(at(0)) == [
        LastTalk("+332", "sales", "c", at(270)),
        LastTalk("+331", "sales", "b", at(170)),
    ]
    assert await past.last_talks(at(271)) == []


def wait(number: int, seconds: float, how: str, queue: str = "sales") -> list[DistributionEntry]:
    begin = at(number)
    call_id = call_id_for(f"1772442000.{number}", begin)
    return [
        QueueEntered(call_id, 1, queue, begin, begin, service_level_s=20, short_abandoned_s=5),
        QueueExited(call_id, 1, begin + timedelta(seconds=seconds), how),
    ]


async def test_what_a_queue_has_done_today(store: PostgresStore):
    past = PostgresHistory(store)
    waits = [
        wait(1, 20, "connected"), wait(2, 20.5, "connected"), wait(3, 4.9, "abandoned"), wait(4, 5, "abandoned"),
        wait(5, 900, "timeout"), wait(6, 0, "full"), wait(7, 30, "moved"), wait(8, 40, "callback"),
        wait(9, 3, "connected", "support"),
    ]  # fmt: skip
    await store.write([entry for each in waits for entry in each] + wait(0, 0.5, "connected") + wait(900, 9, "")[:1])
    today = QueueDay("sales", 6, 2, 2, 1, 1)
    assert await past.day(at(1), {}) == [today, QueueDay("support", 1, 1, 0, 0, 1)]
    assert (await past.day(at(1), {"sales": (30.0, 4.0)}))[0] == QueueDay("sales", 6, 2, 2, 0, 2)
    assert await past.day(at(9999), {}) == []


def audio(number: int, kind: str, queue: str, keep_s: float) -> AudioKept:
    kept = next(entry for entry in visit(number) if isinstance(entry, AudioKept))
    return msgspec.structs.replace(kept, kind=kind, queue=queue, keep_until=at(keep_s))


async def test_mailboxes_and_who_listened(store: PostgresStore):
    past = PostgresHistory(store)
    await store.write([audio(1, "message", "sales", 100), audio(2, "message", "sales", 100)])
    await store.write([audio(3, "message", "support", 100), audio(4, "conversation", "sales", 50)])
    assert await past.mailboxes() == {"sales": (2, 0), "support": (1, 0)}
    assert await past.note_access("r1", "agent:claire.d", "listened")
    assert await past.note_access("r1", "token:crm", "downloaded")
    assert await past.mailboxes() == {"sales": (1, 1), "support": (1, 0)}
    assert [(each.by, each.how) for each in await past.accesses("r1")] == [
        ("agent:claire.d", "listened"),
        ("token:crm", "downloaded"),
    ]
    heard = await past.recording("r1")
    assert heard is not None
    assert (heard.heard_by, heard.sha256, heard.kind) == ("agent:claire.d", "ab" * 32, "message")
    assert [each.recording_id for each in await past.messages("sales")] == ["r2", "r1"]
    await store.write([AudioErased("r1", at(9), "rule"), AudioErased("never seen", at(9), "rule")])
    assert await past.mailboxes() == {"sales": (1, 0), "support": (1, 0)}
    assert not await past.note_access("r1", "token:crm", "downloaded")
    assert not await past.note_access("never seen", "token:crm", "downloaded")
    assert await past.recording("never seen") is None
    with pytest.raises(StoreError, match="who and how"):
        await past.note_access("r2", "", "listened")


async def test_an_inbox_of_several_queues_and_a_message_kept_as_new(store: PostgresStore):
    past: Mailboxes = PostgresHistory(store)
    later = msgspec.structs.replace(audio(3, "message", "support", 100), at=at(500))
    await store.write([audio(1, "message", "sales", 100), later, audio(4, "conversation", "sales", 100)])
    await store.write([msgspec.structs.replace(audio(2, "message", "sales", 100), at=at(300), caller="")])
    await store.write([audio(5, "message", "elsewhere", 100)])
    both = ["sales", "support"]
    assert [each.recording_id for each in await past.inbox(both, 10)] == ["r1", "r2", "r3"]
    assert [each.recording_id for each in await past.inbox(both, 2)] == ["r1", "r2"]
    assert await past.inbox([], 10) == []
    for heard in ("r1", "r2"):
        await past.note_access(heard, "agent:claire.d", "listened")
    assert [(each.recording_id, each.new) for each in await past.inbox(both, 10)] == [
        ("r3", True),
        ("r2", False),
        ("r1", False),
    ]
    second = await past.message("r2")
    assert second is not None
    assert (second.queue, second.caller, second.kept_at, second.new) == ("sales", "", at(300), False)
    assert await past.message("r4") is None
    assert await past.keep_as_new("r2")
    assert [each.recording_id for each in await past.inbox(both, 10)] == ["r2", "r3", "r1"]
    assert [each.by for each in await PostgresHistory(store).accesses("r2")] == ["agent:claire.d"]
    await store.write([AudioErased("r2", at(600), "agent:claire.d")])
    assert await past.message("r2") is None
    assert not await past.keep_as_new("r2")
    assert not await past.keep_as_new("never seen")


async def test_what_is_to_be_erased(store: PostgresStore):
    past = PostgresHistory(store)
    await store.write([audio(1, "message", "sales", 100), audio(2, "conversation", "sales", 50)])
    await store.write([audio(3, "conversation", "sales", 70), audio(4, "conversation", "sales", 999)])
    due = [ExpiredAudio("r2", "2026/r2.wav"), ExpiredAudio("r3", "2026/r3.wav"), ExpiredAudio("r1", "2026/r1.wav")]
    assert await past.expired_audio(at(101), 10) == due
    assert await past.expired_audio(at(101), 2) == due[:2]
    await store.write([AudioErased("r2", at(102), "rule")])
    assert await past.expired_audio(at(101), 10) == due[1:]
