"""The AMI observer on a real Asterisk, with the rendered account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from controller.ami.observer import READ_ACTIONS, AmiEvent, AmiObserver, AmiTimes
from controller.cdr.entries import AsteriskCdr
from controller.errors import AsteriskUnreachable
from controller.runtime.asterisk import AsteriskServer
from controller.softphone.phone import Phone

TIMES = AmiTimes(ping_interval_s=0.3, ping_timeout_s=0.3, backoff_first_s=0.05, backoff_max_s=0.2)


class Watch:
    """An observer whose events the test takes one by one."""

    def __init__(self, observer: AmiObserver) -> None:
        self.observer = observer
        self.events: asyncio.Queue[AmiEvent] = asyncio.Queue()
        self.cdrs: asyncio.Queue[AsteriskCdr] = asyncio.Queue()
        observer.subscribe("*", self.events.put_nowait)
        observer.on_cdr(self.cdrs.put_nowait)

    async def until(self, name: str) -> AmiEvent:
        async with asyncio.timeout(10):
            while (event := await self.events.get()).name != name:
                pass
        return event


@pytest_asyncio.fixture
async def watch(asterisk: AsteriskServer) -> AsyncIterator[Watch]:
    secrets, port = asterisk.secrets, asterisk.settings.ami_port
    observer = AmiObserver("127.0.0.1", port, secrets.ami_user, secrets.ami_password, times=TIMES)
    watch = Watch(observer)
    await observer.start()
    await watch.until("FullyBooted")
    yield watch
    await observer.stop()


async def test_every_reading_action_is_permitted(watch: Watch) -> None:
    for name in sorted(READ_ACTIONS):
        answer = await watch.observer.action(name)
        assert answer[0]["Response"] == "Success", answer
    assert not watch.observer.security.counts


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Originate", {"Channel": "Local/s@nobody", "Application": "Wait", "Data": "1"}),
        ("Command", {"Command": "core show version"}),
        ("Setvar", {"Variable": "X", "Value": "1"}),
        ("GetConfig", {"Filename": "manager.conf"}),
        ("ModuleLoad", {"LoadType": "reload"}),
    ],
)
async def test_the_account_itself_cannot_act(watch: Watch, name: str, fields: dict[str, str]) -> None:
    connection = watch.observer._connection
    assert connection is not None
    answer = await connection.action(name, fields, 5.0)
    assert answer[0]["Response"] == "Error"
    assert "ermission" in answer[0]["Message"]


async def test_cdrs_arrive(watch: Watch, asterisk: AsteriskServer) -> None:
    target = f"sip:agi0800123456@127.0.0.1:{asterisk.settings.sip_port}"
    reader_done = asyncio.Event()

    async def answer_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        writer.write(b"ANSWER\n")
        await reader.readline()
        writer.write(b'EXEC Hangup "16"\n')
        await reader.readline()
        writer.close()
        reader_done.set()

    agi = await asyncio.start_server(answer_and_hang_up, "127.0.0.1", asterisk.settings.agi_port)
    async with agi, Phone(user="0612345678") as phone:
        call = await phone.call(target)
        assert await call.wait_ended(5)
        await asyncio.wait_for(reader_done.wait(), 5)
    cdr = await asyncio.wait_for(watch.cdrs.get(), 10)
    assert cdr.fields["Disposition"] == "ANSWERED"
    assert cdr.fields["Source"] == "0612345678"
    assert cdr.uniqueid.startswith("rappel-")


async def test_a_wrong_sip_password_is_counted(watch: Watch, asterisk: AsteriskServer) -> None:
    async with Phone(user="1001", password="wrong") as phone:
        await phone.register(f"sip:127.0.0.1:{asterisk.settings.sip_port}")
        event = await watch.until("ChallengeResponseFailed")
    assert event.headers["AccountID"] == "1001"
    assert watch.observer.security.counts["ChallengeResponseFailed"] >= 1


async def test_a_contact_is_seen(watch: Watch, asterisk: AsteriskServer) -> None:
    async with Phone(user="1001", password=asterisk.secrets.softphones["1001"]) as phone:
        await phone.register(f"sip:127.0.0.1:{asterisk.settings.sip_port}")
        event = await watch.until("ContactStatus")
    assert event.headers["AOR"] == "1001"


async def test_a_restarted_asterisk_is_found_again(watch: Watch, asterisk: AsteriskServer) -> None:
    connection = watch.observer._connection
    assert connection is not None
    await asterisk.kill()
    await asyncio.wait_for(connection.lost, 5)
    with pytest.raises(AsteriskUnreachable):
        await watch.observer.action("Ping")
    await asterisk.start()
    await watch.until("FullyBooted")
    assert watch.observer.connected


async def test_a_wrong_password_is_refused(asterisk: AsteriskServer) -> None:
    observer = AmiObserver("127.0.0.1", asterisk.settings.ami_port, "rappel", "wrong", times=TIMES)
    await observer.start()
    await asyncio.sleep(1.5)
    assert not observer.connected
    assert observer.counters.connects == 0
    await observer.stop()
