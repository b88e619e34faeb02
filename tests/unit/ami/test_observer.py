from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import panoramisk
import pytest
from structlog.testing import capture_logs

from controller.ami.observer import QUEUE_LIMIT, READ_ACTIONS, AmiEvent, AmiObserver, AmiTimes
from controller.ami.wire import MAX_MESSAGE_CHARS, checked
from controller.cdr.entries import AsteriskCdr
from controller.errors import AsteriskUnreachable
from tests.unit.ami.asterisk import FakeAmi, Session, StubClock, message

QUICK = AmiTimes(connect_s=1, login_s=0.2, ping_interval_s=0.1, ping_timeout_s=0.1, backoff_first_s=0.02)
SLOW = AmiTimes(connect_s=1, login_s=1, ping_interval_s=60, ping_timeout_s=1, backoff_first_s=0.02)


@pytest.fixture
async def ami() -> AsyncIterator[FakeAmi]:
    ami = FakeAmi()
    await ami.start()
    yield ami
    await ami.stop()


class Rig:
    def __init__(self, ami: FakeAmi, observer: AmiObserver) -> None:
        self.ami, self.observer = ami, observer
        self.events: asyncio.Queue[AmiEvent] = asyncio.Queue()
        observer.subscribe("*", self.events.put_nowait)

    async def next(self) -> AmiEvent:
        return await asyncio.wait_for(self.events.get(), 5)

    async def log_in(self) -> Session:
        """Return the next session once the observer reads its events."""
        session = await self.ami.session()
        session.event("FullyBooted")
        assert (await self.next()).name == "FullyBooted"
        assert self.observer.connected
        return session


@pytest.fixture
async def rig(ami: FakeAmi) -> AsyncIterator[Rig]:
    observer = AmiObserver("127.0.0.1", ami.port, "observer", "s3cret", clock=StubClock(), times=SLOW)
    rig = Rig(ami, observer)
    await observer.start()
    yield rig
    await observer.stop()


async def test_login_and_cdr(rig: Rig) -> None:
    taken: asyncio.Queue[AsteriskCdr] = asyncio.Queue()
    rig.observer.on_cdr(taken.put_nowait)
    session = await rig.log_in()
    login = session.actions[0]
    assert (login["Action"], login["Username"], login["Secret"]) == ("Login", "observer", "s3cret")
    session.event("Cdr", Privilege="cdr,all", UniqueID="1.2", AccountCode="", Disposition="ANSWERED")
    cdr = await asyncio.wait_for(taken.get(), 5)
    assert cdr == AsteriskCdr(
        uniqueid="1.2",
        at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        fields={"UniqueID": "1.2", "AccountCode": "", "Disposition": "ANSWERED"},
    )


async def test_answers_of_one_message_and_lists(rig: Rig) -> None:
    session = await rig.log_in()
    ping = asyncio.create_task(rig.observer.action("Ping"))
    await session.answer(Ping="Pong")
    assert (await ping)[0]["Ping"] == "Pong"
    channels = asyncio.create_task(rig.observer.action("CoreShowChannels"))
    action = await session.answer(EventList="start", Message="Channels will follow")
    session.event("CoreShowChannel", ActionID=action["ActionID"], Channel="PJSIP/101-1")
    session.event("CoreShowChannelsComplete", ActionID=action["ActionID"], EventList="Complete", ListItems="1")
    assert [m.get("Event") for m in await channels] == [None, "CoreShowChannel", "CoreShowChannelsComplete"]


@pytest.mark.parametrize(
    "name", ["Originate", "Command", "Redirect", "Hangup", "Setvar", "QueueAdd", "Login", "ping"]
)
async def test_nothing_but_reading_is_sent(rig: Rig, name: str) -> None:
    session = await rig.log_in()
    with pytest.raises(ValueError, match="no reading action"):
        await rig.observer.action(name)
    assert len(session.actions) == 1
    assert name not in READ_ACTIONS


@pytest.mark.parametrize(
    "fields",
    [
        {"Channel": "x\r\nAction: Originate"},
        {"Channel": "x\nAction: Command"},
        {"Cha\r\nnnel": "x"},
        {"Channel": "x\u2028y"},
        {"action": "Originate"},
        {"ActionID": "1"},
    ],
)
async def test_a_line_break_begins_no_second_action(rig: Rig, fields: dict[str, str]) -> None:
    session = await rig.log_in()
    with pytest.raises(ValueError, match=r"cannot be the name|control character"):
        await rig.observer.action("Ping", **fields)
    assert len(session.actions) == 1


def test_panoramisk_itself_lets_the_line_break_through() -> None:
    async def text() -> str:
        return str(panoramisk.actions.Action({"Action": "Ping", "X": "y\r\nAction: Originate"}))

    assert "\r\nAction: Originate\r\n" in asyncio.run(text())
    with pytest.raises(ValueError, match="control character"):
        checked({"X": "y\r\nAction: Originate"})


async def test_what_was_not_answered_is_not_sent_again(rig: Rig) -> None:
    session = await rig.log_in()
    status = asyncio.create_task(rig.observer.action("CoreStatus"))
    await session.action()
    session.writer.close()
    with pytest.raises(AsteriskUnreachable, match="before CoreStatus was answered"):
        await status
    again = await rig.log_in()
    ping = asyncio.create_task(rig.observer.action("Ping"))
    await again.answer(Ping="Pong")
    await ping
    assert [a["Action"] for a in again.actions] == ["Login", "Ping"]


async def test_a_late_answer_is_nobodys(rig: Rig) -> None:
    session = await rig.log_in()
    with pytest.raises(AsteriskUnreachable, match="did not answer CoreStatus"):
        await rig.observer.action("CoreStatus", timeout_s=0.05)
    connection = rig.observer._connection
    assert connection is not None
    assert connection._protocol is not None
    assert connection._protocol.responses == {}
    late = await session.action()
    session.writer.write(message(Response="Success", ActionID=late["ActionID"]))
    session.event("Registry", Domain="sip.example", Status="Registered")
    assert (await rig.next()).name == "Registry"


async def test_without_a_connection_nothing_waits() -> None:
    observer = AmiObserver("127.0.0.1", 1, "observer", "s", clock=StubClock(), times=QUICK)
    with pytest.raises(AsteriskUnreachable, match="not connected"):
        await observer.action("Ping")


async def test_a_silent_asterisk_is_noticed(ami: FakeAmi) -> None:
    observer = AmiObserver("127.0.0.1", ami.port, "observer", "s", clock=StubClock(), times=QUICK)
    rig = Rig(ami, observer)
    await observer.start()
    frozen = await rig.log_in()
    assert (await frozen.action())["Action"] == "Ping"  # and no answer, on a connection that stays open
    await rig.log_in()
    await observer.stop()
    assert observer.counters.connects == 2
    assert not observer.connected


async def test_it_comes_back_when_asterisk_does(ami: FakeAmi) -> None:
    observer = AmiObserver("127.0.0.1", ami.port, "observer", "s", clock=StubClock(), times=SLOW)
    rig = Rig(ami, observer)
    await observer.start()
    await rig.log_in()
    await ami.stop()
    await ami.start()
    await rig.log_in()
    await observer.stop()


async def test_a_refused_login_is_tried_again_and_says_what_to_compare(ami: FakeAmi) -> None:
    observer = AmiObserver("127.0.0.1", ami.port, "observer", "wr0ng", clock=StubClock(), times=SLOW)
    rig = Rig(ami, observer)
    with capture_logs() as logs:
        await observer.start()
        session = await asyncio.wait_for(ami.sessions.get(), 5)
        await session.answer(Response="Error", Message="Authentication failed")
        assert not observer.connected
        await rig.log_in()
        await observer.stop()
    refused = [line for line in logs if line["event"] == "ami.disconnected"]
    assert "refused the login of observer" in refused[0]["error"]
    assert "wr0ng" not in str(logs)


async def test_characters_cut_in_two_by_a_read_survive(rig: Rig) -> None:
    session = await rig.log_in()
    text = message(Event="Registry", Username="Zo\u00e9")
    for n in range(len(text)):
        session.writer.write(text[n : n + 1])
        await session.writer.drain()
        await asyncio.sleep(0)
    assert (await rig.next()).headers["Username"] == "Zo\u00e9"


async def test_a_message_without_end_ends_the_connection(rig: Rig) -> None:
    session = await rig.log_in()
    session.writer.write(b"Event: X\r\nY: " + b"y" * (MAX_MESSAGE_CHARS + 1))
    await rig.log_in()
    assert rig.observer.counters.connects == 2


async def test_a_handler_that_hangs_or_fails_delays_nobody(rig: Rig) -> None:
    stuck: list[Any] = []

    async def hang(event: AmiEvent) -> None:
        stuck.append(event)
        await asyncio.Event().wait()

    def fail(event: AmiEvent) -> None:
        raise RuntimeError("a bug")

    rig.observer.subscribe("Cdr", hang)
    rig.observer.subscribe("Cdr", fail)
    session = await rig.log_in()
    with capture_logs():
        for n in range(3):
            session.event("Cdr", UniqueID=str(n))
        assert [(await rig.next()).headers["UniqueID"] for _ in range(3)] == ["0", "1", "2"]
        session.event("Done")
        await rig.next()
    assert len(stuck) == 1
    assert rig.observer.counters.handler_errors >= 1


async def test_a_full_queue_drops_and_says_so(rig: Rig) -> None:
    async def hang(event: AmiEvent) -> None:
        await asyncio.Event().wait()

    rig.observer.subscribe("Flood", hang)
    with capture_logs() as logs:
        for n in range(QUEUE_LIMIT + 10):
            rig.observer._take("Flood", {"N": str(n)})
    assert rig.observer.counters.dropped == 20  # ten of each subscription, as nobody has run in between
    assert [line["event"] for line in logs] == ["ami.queue_full"]


async def test_security_and_registration_events_are_logged(rig: Rig) -> None:
    session = await rig.log_in()
    with capture_logs() as logs:
        session.event("InvalidPassword", AccountID="100", Service="PJSIP", RemoteAddress="IPV4/UDP/192.0.2.7/5060")
        session.event("ContactStatus", AOR="101", ContactStatus="Reachable", EndpointName="101", URI="sip:x")
        for _ in range(2):
            await rig.next()
    assert [(line["event"], line["event_name"]) for line in logs] == [
        ("asterisk.security", "InvalidPassword"),
        ("asterisk.registration", "ContactStatus"),
    ]
    assert logs[1]["status"] == "Reachable"
    assert rig.observer.security.counts == {"InvalidPassword": 1}
