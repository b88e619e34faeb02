"""The parts that need no matching: events, figures of the day, last talks, parking, files, accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from controller.acd.model import AgentAccount, AgentId
from controller.calls.desk import MonitorEvent
from controller.calls.distribution.accounts import Accounts
from controller.calls.distribution.broadcast import MAX_LAG, Broadcast
from controller.calls.distribution.ledger import Ledger, LedgerState
from controller.calls.distribution.parking import SLOTS, Parking
from controller.calls.distribution.recent import RecentTalks
from controller.calls.distribution.statefile import StateFile
from controller.cdr.entries import (
    AudioErased,
    OfferEnded,
    OfferMade,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkStarted,
)
from controller.ids import CallId
from controller.ports import DeviceSettings, LastTalk, QueueDay
from tests.rig.virtualtime import on_virtual_time, turns
from tests.unit.calls.distribution.hall import Directory

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CALL = CallId("c1")


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


# --- events


@on_virtual_time
async def test_a_reader_gets_everything_from_the_moment_it_asks() -> None:
    broadcast = Broadcast()
    broadcast.publish(AT, "agent.changed", data={})
    events = broadcast.events()
    for number in range(3):
        broadcast.publish(AT, "queue.entered", queue=f"q{number}", data={})
    got = [await anext(events) for _ in range(3)]
    assert [(event.seq, event.queue) for event in got] == [(2, "q0"), (3, "q1"), (4, "q2")]
    broadcast.close()
    assert [event async for event in events] == []
    assert [event async for event in broadcast.events()] == []


@on_virtual_time
async def test_a_lagging_reader_is_ended_and_the_others_are_not() -> None:
    broadcast = Broadcast()
    slow, quick, seen = broadcast.events(), broadcast.events(), list[MonitorEvent]()

    async def read() -> None:
        async for event in quick:
            seen.append(event)

    reading = asyncio.create_task(read())
    await turns()
    for _ in range(MAX_LAG + 1):
        broadcast.publish(AT, "agent.changed", data={})
        await turns(3)
    assert [event async for event in slow] == []
    assert (broadcast.readers, broadcast.ended_for_lag) == (1, 1)
    assert [event.seq for event in seen] == list(range(1, MAX_LAG + 2))
    broadcast.close()
    await reading
    assert broadcast.readers == 0


# --- figures


def ledger() -> Ledger:
    made = Ledger()
    made.use("Europe/Paris")
    return made


def visit(made: Ledger, number: int, wait_s: float, exit_: str, at: datetime = AT) -> None:
    made.note(QueueEntered(CALL, number, "ventes", at, at, service_level_s=30.0, short_abandoned_s=6.0))
    made.note(QueueExited(CALL, number, at + timedelta(seconds=wait_s), exit_))


def test_what_a_queue_does_is_counted_as_published() -> None:
    made = ledger()
    visit(made, 1, 30.0, "connected")
    visit(made, 2, 30.1, "connected")
    visit(made, 3, 5.9, "abandoned")
    visit(made, 4, 6.0, "abandoned")
    visit(made, 5, 90.0, "timeout")
    for number, exit_ in enumerate(("full", "closed", "moved"), 6):
        visit(made, number, 0.1, exit_)
    assert made.day("ventes", AT) == QueueDay("ventes", 5, 2, 2, 1, 1)
    assert made.day("autre", AT) == QueueDay("autre")


def test_a_day_ends_at_midnight_in_the_zone_of_the_centre() -> None:
    made = ledger()
    visit(made, 1, 3.0, "connected")
    assert made.midnight(AT) == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert made.day("ventes", datetime(2026, 3, 2, 22, 59, tzinfo=UTC)).offered == 1
    assert made.day("ventes", datetime(2026, 3, 2, 23, 0, tzinfo=UTC)).offered == 0


def test_what_watchers_are_told_names_queue_and_agent() -> None:
    made = ledger()
    told = [
        made.note(QueueEntered(CALL, 1, "ventes", AT, AT)),
        made.note(OfferMade(CALL, 1, 1, "ada", "ventes", AT)),
        made.note(OfferEnded(CALL, 1, AT, "connected")),
        made.note(QueueExited(CALL, 1, AT, "connected", "ada")),
        made.note(TalkStarted(CALL, 1, 1, "ada", "ventes", AT)),
        made.note(TalkEnded(CALL, 1, AT, Party.CALLER)),
        made.note(AudioErased("r", AT, "rule")),
    ]
    assert [(each.kind, each.queue, each.agent) for each in told] == [
        ("queue.entered", "ventes", ""),
        ("offer.made", "ventes", "ada"),
        ("offer.ended", "ventes", "ada"),
        ("queue.left", "ventes", "ada"),
        ("talk.started", "ventes", "ada"),
        ("talk.ended", "ventes", "ada"),
        ("", "", ""),
    ]


def test_the_ledger_goes_on_after_a_restart_and_closes_what_nobody_will() -> None:
    made, gone = ledger(), CallId("gone")
    visit(made, 1, 3.0, "connected")
    made.note(QueueEntered(CALL, 2, "ventes", AT, AT))
    made.note(QueueEntered(gone, 1, "ventes", AT, AT))
    made.note(OfferMade(gone, 4, 1, "ada", "ventes", AT))
    made.note(TalkStarted(gone, 2, 1, "bob", "ventes", AT))
    kept = msgspec.json.decode(msgspec.json.encode(made.kept()), type=LedgerState)
    again = ledger()
    again.restore(kept)
    ends = again.left_open({gone}, later(9))
    assert [type(end) for end in ends] == [OfferEnded, QueueExited, TalkEnded]
    assert [again.note(end).agent for end in ends] == ["ada", "", "bob"]
    assert again.left_open({gone}, later(9)) == []
    assert again.note(QueueExited(CALL, 2, later(30), "abandoned")).queue == "ventes"
    assert again.day("ventes", AT) == QueueDay("ventes", 3, 1, 2, 0, 1)


def test_what_ended_in_the_moment_of_the_kill_is_not_ended_twice() -> None:
    made = ledger()
    made.note(TalkStarted(CALL, 1, 1, "ada", "ventes", AT))
    made.note(TalkStarted(CallId("runs"), 1, 1, "bob", "ventes", AT))
    made.forget(lambda call_id: call_id == "runs")
    assert made.left_open({CALL}, AT) == []
    assert len(made.left_open({"runs"}, AT)) == 1


# --- last talks, parking


def test_the_last_talk_counts_and_the_oldest_is_forgotten() -> None:
    recent = RecentTalks(limit=2)
    recent.remember("+331", "ventes", AgentId("ada"), later(10))
    recent.load([LastTalk("+331", "ventes", "bob", AT), LastTalk("+332", "ventes", "bob", AT)])
    recent.remember("", "ventes", AgentId("ada"), AT)
    assert recent.last("+331", "ventes", since=AT) == "ada"
    assert recent.last("+331", "ventes", since=later(11)) is None
    recent.remember("+333", "ventes", AgentId("ada"), AT)
    assert recent.last("+331", "ventes", since=AT) is None
    assert len(recent) == 2


def test_slots_are_given_once_and_come_back() -> None:
    parking = Parking()
    assert [parking.park(f"c{number}") for number in range(20)] == list(SLOTS)
    assert parking.park("c3") == 703
    assert parking.park("late") == 0
    parking.unpark("c3")
    assert parking.park("late") == 703
    again = Parking()
    again.take("c9", 709)
    assert again.slots() == {"c9": 709}
    assert again.park("other") == 700


# --- files


@on_virtual_time
async def test_a_state_file_is_written_whole_and_seldom(tmp_path: Path) -> None:
    values = {"n": 0}
    file = StateFile(tmp_path / "state" / "x.json", dict[str, int], lambda: dict(values))
    assert file.load() is None
    for number in range(5):
        values["n"] = number
        file.soon()
    assert file.load() is None
    await asyncio.sleep(0.11)
    assert file.load() == {"n": 4}
    assert (tmp_path / "state" / "x.json").stat().st_mode & 0o777 == 0o600
    values["n"] = 5
    file.soon()
    file.now()
    file.now()
    await turns(3)
    assert file.load() == {"n": 5}
    (tmp_path / "state" / "x.json").write_text("{")
    assert file.load() is None


@on_virtual_time
async def test_a_disk_that_takes_nothing_is_said_and_survived(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    file = StateFile(tmp_path / "state" / "x.json", dict[str, int], dict)
    file.now()
    await turns(3)
    assert file.broken
    (tmp_path / "state").unlink()
    await file.close()
    assert not file.broken
    file.now()  # nothing more is written
    file.soon()
    (tmp_path / "state" / "x.json").unlink()
    await asyncio.sleep(1)
    assert file.load() is None


async def test_the_last_state_is_on_disk_however_fast_it_changes(tmp_path: Path) -> None:
    """On a real loop: the disk is left to a thread, and nothing is written out of order."""
    values = {"n": 0}
    file = StateFile(tmp_path / "x.json", dict[str, int], lambda: dict(values), delay_s=0.001)
    for number in range(300):
        values["n"] = number
        file.now() if number % 3 else file.soon()
        await asyncio.sleep(0)
    await file.close()
    assert file.load() == {"n": 299}
    assert not (tmp_path / "x.new").exists()


# --- accounts


class Devices:
    def __init__(self) -> None:
        self.wanted: list[DeviceSettings] = []

    def configure(self, wanted: Sequence[DeviceSettings]) -> None:
        self.wanted = list(wanted)

    def watch(self, changed: object) -> None:
        raise AssertionError

    def messages(self, mailbox: str, new: int, old: int) -> None:
        raise AssertionError


def account(agent: str, extension: str, *, enabled: bool = True) -> AgentAccount:
    return AgentAccount(
        agent=AgentId(agent), name=agent.title(), extension=extension, queues={"ventes": 1}, enabled=enabled
    )


@on_virtual_time
async def test_accounts_follow_the_directory_and_outlive_it(tmp_path: Path) -> None:
    directory, devices, seen = Directory(account("ada", "2001")), Devices(), list[list[str]]()
    accounts = Accounts(directory, devices, tmp_path, lambda by_id: seen.append(list(by_id)))
    watching = asyncio.create_task(accounts.watch())
    await turns()
    directory.there = [account("ada", "2001"), account("bob", "2002", enabled=False)]
    directory.tell()
    await turns()
    assert seen == [["ada"], ["ada", "bob"]]
    assert devices.wanted == [DeviceSettings("2001", "Ada", "ha1-ada", ("ventes",))]
    assert (accounts.by_extension("2001"), accounts.by_extension("2002")) == ("ada", None)
    directory.tell()  # nothing is different
    await turns()
    assert len(seen) == 2
    watching.cancel()

    directory.away, devices_after = True, Devices()
    again = Accounts(directory, devices_after, tmp_path, lambda _: None)
    again.load()
    assert list(again.by_id) == ["ada", "bob"]
    assert devices_after.wanted == devices.wanted
    watching = asyncio.create_task(again.watch())
    await asyncio.sleep(60)
    assert not again.fresh
    directory.away = False
    await asyncio.sleep(10)
    assert again.fresh
    watching.cancel()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"accounts": [{"agent": 3}]}'])
@on_virtual_time
async def test_a_spoilt_file_of_accounts_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "agents.json").write_bytes(content)
    accounts = Accounts(Directory(), None, tmp_path, lambda _: pytest.fail("nothing is known"))
    accounts.load()
    assert accounts.by_id == {}
