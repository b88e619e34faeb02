"""The place of the contract suite: a driver of ours, and an Asterisk that is either real or fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.ari.driver import AriDriver
from controller.ari.generated import operations as ari
from controller.ari.http import HttpTransport
from controller.ari.link import Door
from controller.ari.telephone import AriTelephone
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.cdr.entries import Role
from controller.flow.commands import Answer, Answered
from controller.runtime.asterisk import AsteriskInstall
from tests.contract.ari.fake import FakeAsterisk
from tests.rig import freeports
from tests.rig.asterisk import Rig

DIALPLAN = """
[test]
exten => in,1,Stasis(rappel,${NUMBER},test)
exten => phone,1,Answer()
 same => n,Wait(${WAIT})
 same => n,ExecIf($["${DIGITS}" != ""]?SendDTMF(${DIGITS},60,60))
 same => n,Wait(${STAY})
 same => n,Hangup(${CAUSE})
exten => busy,1,Hangup(17)
exten => refuse,1,Hangup(21)
exten => rings,1,Ringing()
 same => n,Wait(60)
exten => _a[n]swers-.,1,Ringing()
 same => n,Wait(0.2)
 same => n,Answer()
 same => n,Wait(${EXTEN:8})
 same => n,Hangup(16)
"""


class Audio:
    """A library of silence: `short` 0.2 s, `long` 5 s."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name, seconds in (("short", 0.2), ("long", 5.0)):
            (folder / f"{name}.alaw").write_bytes(b"\xd5" * int(8000 * seconds))

    def path(self, media: str) -> str:
        if media == "unknown":
            raise KeyError(media)
        return str(self._folder / media)

    def duration_s(self, media: str) -> float:
        return 5.0


@dataclass
class Legs:
    """What a telephone tells of its legs."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        self.told.append(("started", channel_id, number))

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        self.told.append(("answered", channel_id))

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        self.told.append(("ended", channel_id, cause, by_callee))

    @property
    def kinds(self) -> list[str]:
        return [told[0] for told in self.told]


def _endpoint_for(extension: str) -> str:
    if extension == "unknown":
        raise KeyError(extension)
    return "PJSIP/nowhere" if extension == "nowhere" else f"Local/{extension}@test"


class Calls:
    """Stands for the supervisor: hands each caller to the test."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.gone: dict[str, int] = {}
        self.settled: set[str] = set()
        self.tasks: list[asyncio.Task[None]] = []

    def incoming(self, call: IncomingCall) -> asyncio.Task[None] | None:
        self.arrived.put_nowait(call)
        self.tasks.append(asyncio.create_task(self._serve()))
        return self.tasks[-1]

    async def _serve(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        self.gone.setdefault(channel_id, cause)

    def settle(self, live_channels: Collection[str]) -> None:
        self.settled = set(live_channels)


@dataclass
class Caller:
    """One caller who has reached us."""

    incoming: IncomingCall
    audio: Audio
    legs: Legs = field(default_factory=Legs)

    def telephone(self, *, resumed: bool = False) -> AriTelephone:
        kit = TelephoneKit(self.audio, self.legs, _endpoint_for)
        made = self.incoming.telephone(self.incoming.call_id, kit, resumed=resumed)
        assert isinstance(made, AriTelephone)
        return made


@dataclass
class Place:
    """A driver with its Asterisk, real or fake."""

    audio: Audio
    new_driver: Callable[[], Awaitable[tuple[AriDriver, Calls]]]
    enter: Callable[[str, float, str, float, int], Awaitable[None]]
    driver: AriDriver
    calls: Calls

    async def caller(
        self, *, wait_s: float = 0.3, digits: str = "", stay_s: float = 30.0, cause: int = 16, number: str = "100"
    ) -> Caller:
        """Let a caller in, and answer; `wait_s` later `digits` are pressed, `stay_s` later comes `cause`."""
        await self.enter(number, wait_s, digits, stay_s, cause)
        caller = await self.arrival()
        assert await caller.telephone().perform(Answer()) == Answered()
        return caller

    async def arrival(self) -> Caller:
        async with asyncio.timeout(5):
            return Caller(await self.calls.arrived.get(), self.audio)

    async def channels(self) -> list[str]:
        return [channel.name for channel in await self.driver.transport.request(ari.channels_list())]

    async def restart(self) -> None:
        """Replace the controller."""
        await self.driver.close()
        self.driver, self.calls = await self.new_driver()


@pytest.fixture(params=["fake", "real"])
def install(request: pytest.FixtureRequest) -> AsteriskInstall | None:
    """The real Asterisk, got only for the tests that run on it; None for the fake."""
    return request.getfixturevalue("asterisk_install") if request.param == "real" else None


@pytest_asyncio.fixture
async def place(install: AsteriskInstall | None, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield await _build(install, tmp_path, stack)


async def _build(install: AsteriskInstall | None, tmp_path: Path, stack: AsyncExitStack) -> Place:
    audio = Audio(tmp_path)
    fake: FakeAsterisk | None = None

    port = freeports.block()
    stack.callback(freeports.release, port)
    if install is not None:
        rig = Rig(install)
        stack.push_async_callback(rig.end)
        asterisk = await rig.boot(controller_port=port)
        dialplan = asterisk.paths.etc / "extensions.conf"
        dialplan.write_text(dialplan.read_text() + DIALPLAN)
        await asterisk.cli("dialplan reload")
        base_url, ari_login = (
            asterisk.settings.asterisk_ari_url,
            (asterisk.secrets.ari_user, asterisk.secrets.ari_password),
        )
        login = (asterisk.secrets.controller_user, asterisk.secrets.controller_password)
    else:
        http_port = freeports.block()
        stack.callback(freeports.release, http_port)
        login = ari_login = ("asterisk", "secret")
        base_url = f"http://127.0.0.1:{http_port}/ari"
        fake = FakeAsterisk(f"ws://127.0.0.1:{port}/asterisk/ari", *login)
        await fake.start(http_port)
        stack.push_async_callback(fake.stop)

    door = Door(None, *login)
    await door.open("127.0.0.1", port)
    stack.callback(door.refuse)
    drivers: list[AriDriver] = []

    async def shut_the_door() -> None:
        """As the controller does at its stop: a redial of Asterisk's must not meet a server that is closing."""
        if drivers:
            drivers.clear()
            door.refuse()

    async def new_driver() -> tuple[AriDriver, Calls]:
        calls = Calls()
        driver = AriDriver(
            application="rappel",
            calls=calls,
            http=HttpTransport(base_url, *ari_login),
        )
        stack.push_async_callback(calls.close)
        stack.push_async_callback(driver.close)
        stack.push_async_callback(shut_the_door)
        drivers.append(driver)
        door.connection = driver.connection
        await driver.connection.ready(10)
        return driver, calls

    async def enter(number: str, wait_s: float, digits: str, stay_s: float, cause: int) -> None:
        if fake is not None:
            fake.call(number, wait_s, digits, stay_s, cause)
            return
        variables = {
            "WAIT": str(wait_s),
            "DIGITS": digits,
            "STAY": str(stay_s),
            "CAUSE": str(cause),
            "NUMBER": number,
        }
        await drivers[-1].transport.request(
            ari.channels_originate(
                endpoint="Local/in@test/n", context="test", extension="phone", priority=1, variables=variables
            )
        )

    driver, calls = await new_driver()
    return Place(audio, new_driver, enter, driver, calls)
