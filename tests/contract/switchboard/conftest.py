"""One call and some agents' phones: on the fake switchboard, and on the real Asterisk with real SIP and sound."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import pytest_asyncio

from controller.ari.driver import AriDriver
from controller.ari.http import HttpTransport
from controller.ari.link import Door
from controller.ari.telephone import AriTelephone
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.cdr.entries import Role
from controller.flow.commands import Answer, Answered
from controller.ids import CallId
from controller.ports import SIP_REALM, DeviceSettings
from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.softphone import Call, sdp
from controller.softphone import IncomingCall as Ringing
from controller.softphone import Phone as Softphone
from controller.softphone.g711 import to_alaw
from controller.softphone.media import tone
from controller.softphone.sound import level_dbfs, tone_level
from controller.switchboard import Gone, LegPlan, PickedUp, Switchboard
from tests.rig import freeports
from tests.rig.asterisk import Rig
from tests.rig.fakeswitchboard import Exchange, Phone

PASSWORD = "not-a-secret"
CALLER_HZ, SOUND_HZ, RINGING_HZ = 500, 700, 440
PHONE_HZ = (600, 1000, 1300, 1700)
MEDIA_S = {"short": 0.3, "tone": 3.0}
LEG_HEADER = "X-Rappel-Leg"
LISTEN_S = 0.5
LIMIT_S = 8.0
SILENT_DBFS, FAINT_DB = -70.0, 12.0
MUSIC = "music:default"


class Room(Protocol):
    """A call on a switchboard, and what the people at its ends do and hear."""

    board: Switchboard

    async def phone(self, endpoint: str, *phones: Phone) -> None:
        """Register an agent's devices, which do as `phones` say."""

    async def hears(self, party: str) -> set[str]:
        """Return whom or what a party hears just now: parties, `music:default`, `ringing`, `sound`."""

    async def hang_up(self, party: str) -> None:
        """Hang up at the far end."""

    async def press(self, party: str, digits: str) -> None:
        """Press keys at the far end."""

    async def hold(self, party: str, *, on: bool) -> None:
        """Put us on hold at the far end."""

    async def refer(self, party: str, target: str) -> None:
        """Ask for a transfer at the far end."""

    async def successor(self) -> None:
        """Replace the controller; `board` is then its successor's."""


@dataclass
class Table:
    """A room, and shorthands for tests."""

    room: Room

    @property
    def board(self) -> Switchboard:
        return self.room.board

    def plan(self, number: int, device: str, *, ring_s: float = 20.0, bridge: str = "") -> LegPlan:
        leg = self.board.leg_id(number)
        endpoint = device.removeprefix("PJSIP/").partition("/")[0]
        return LegPlan(leg, device, endpoint, Role.AGENT, ring_s, "0611223344", "Zoé", bridge, {LEG_HEADER: leg})

    async def until(self, *kinds: type[Any], party: str = "") -> Any:
        """Return the next happening of these kinds, about `party` if it is given; what comes before it is dropped."""
        end = self.board.now() + LIMIT_S
        while (happening := await self.board.next(end)) is not None:
            if isinstance(happening, kinds) and (not party or getattr(happening, "party", "") == party):
                return happening
        raise AssertionError(f"none of {kinds} within {LIMIT_S} s")

    async def connect(self, number: int, endpoint: str) -> str:
        """Ring an agent's phone, which answers, in bridge 1; return the leg."""
        plan = self.plan(number, (await self.board.contacts(endpoint))[0], bridge=self.board.bridge_id(1))
        await self.board.call(plan)
        await self.until(PickedUp, party=plan.party)
        return plan.party

    async def hears_music(self, party: str) -> bool:
        """Whether a party hears music and nothing else; a piece may begin softly."""
        heard = [await self.room.hears(party)]
        while heard[-1] != {MUSIC} and len(heard) < 10:
            heard.append(await self.room.hears(party))
        return heard[-1] == {MUSIC} and all(each <= {MUSIC} for each in heard)

    async def nothing_within(self, seconds: float, *kinds: type[Any]) -> None:
        """Fail if one of these kinds happens."""
        end = self.board.now() + seconds
        while (happening := await self.board.next(end)) is not None:
            assert not isinstance(happening, kinds), happening
            if isinstance(happening, Gone) and happening.party == self.board.caller:
                return


# --- the fake -----------------------------------------------------------------------------------------------


class FakeRoom:
    """A `Room` in memory."""

    def __init__(self) -> None:
        self.exchange = Exchange(media_s=lambda media: MEDIA_S.get(media, 0.3))
        self.board: Switchboard = self.exchange.call(CallId("01890000-0000-8000-8000-000000000001"))

    async def phone(self, endpoint: str, *phones: Phone) -> None:
        self.exchange.phone(endpoint, *phones)

    async def hears(self, party: str) -> set[str]:
        await asyncio.sleep(0.01)
        return self.exchange.hears(party)

    async def hang_up(self, party: str) -> None:
        self.exchange.hang_up(party)

    async def press(self, party: str, digits: str) -> None:
        self.exchange.press(party, digits)

    async def hold(self, party: str, *, on: bool) -> None:
        self.exchange.hold(party, on)

    async def refer(self, party: str, target: str) -> None:
        self.exchange.refer(party, target)

    async def successor(self) -> None:
        self.board = self.exchange.call(CallId("01890000-0000-8000-8000-000000000001"))


# --- the real one -------------------------------------------------------------------------------------------


class Audio:
    """A library of one tone, in several lengths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name, seconds in MEDIA_S.items():
            wave = np.sin(np.arange(int(8000 * seconds)) * 2 * np.pi * SOUND_HZ / 8000) * 8000
            (folder / f"{name}.alaw").write_bytes(to_alaw(wave.astype(np.int16)))

    def path(self, media: str) -> str:
        if "missing" in media:
            raise KeyError(media)
        return str(self._folder / media)

    def duration_s(self, media: str) -> float:
        return MEDIA_S[media]


@dataclass
class Legs:
    """What a telephone tells of its legs."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        self.told.append(("started", channel_id, number, role))

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        self.told.append(("answered", channel_id))

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        self.told.append(("ended", channel_id, cause, by_callee))


class Calls:
    """Stands for the supervisor: hands each caller to the test."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def incoming(self, call: IncomingCall) -> asyncio.Task[None] | None:
        self.arrived.put_nowait(call)
        self._tasks.append(asyncio.create_task(self._serve()))
        return self._tasks[-1]

    async def _serve(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        pass

    def settle(self, live_channels: Any) -> None:
        pass


class Controller:
    """A driver with its Asterisk; `replace` is what a restart of the controller is."""

    def __init__(self, asterisk: AsteriskServer, door: Door) -> None:
        self.asterisk = asterisk
        self.door = door
        self.calls = Calls()

    async def start(self) -> None:
        self.calls = Calls()
        settings, secrets = self.asterisk.settings, self.asterisk.secrets
        self.http = HttpTransport(settings.asterisk_ari_url, secrets.ari_user, secrets.ari_password)
        self.driver = self.new_driver(self.calls, self.http)
        self.door.connection = self.driver.connection
        await self.driver.connection.ready(10)

    def new_driver(self, calls: Calls, http: HttpTransport) -> AriDriver:
        return AriDriver(application=self.asterisk.settings.app, calls=calls, http=http)

    async def stop(self) -> None:
        self.door.connection = None
        await self.driver.close()
        await self.calls.close()


def account(endpoint: str, **changes: Any) -> DeviceSettings:
    """Return an agent's SIP account, whose password is `PASSWORD`."""
    ha1 = hashlib.md5(f"{endpoint}:{SIP_REALM}:{PASSWORD}".encode()).hexdigest()  # noqa: S324 - SIP's own digest
    return DeviceSettings(endpoint, **({"display_name": f"Agent {endpoint}", "ha1": ha1} | changes))


class RealRoom:
    """A `Room` on the real Asterisk."""

    board: Switchboard

    def __init__(self, controller: Controller, stack: AsyncExitStack, folder: Path) -> None:
        self.controller = controller
        self.legs = Legs()
        self._stack = stack
        self._audio = Audio(folder)
        self._calls: dict[str, Call] = {}
        self._hz: dict[str, int] = {}
        self._tones = itertools.cycle(PHONE_HZ)
        self._accounts: dict[str, DeviceSettings] = {}
        self.invites: list[Ringing] = []

    @property
    def sip(self) -> str:
        return f"127.0.0.1:{self.controller.asterisk.settings.sip_port}"

    async def call_in(self) -> None:
        caller = await self._stack.enter_async_context(Softphone(user="caller"))
        call = await caller.dial(f"sip:100@{self.sip}", source=tone(CALLER_HZ))
        incoming = await self._arrival()
        assert await self.telephone.perform(Answer()) == Answered()
        self._calls[incoming.channel_id] = self.caller_call = call
        self._hz[incoming.channel_id] = CALLER_HZ

    async def _arrival(self, *, resumed: bool = False) -> IncomingCall:
        async with asyncio.timeout(LIMIT_S):
            incoming = await self.controller.calls.arrived.get()
        kit = TelephoneKit(self._audio, self.legs, lambda extension: f"PJSIP/{extension}")
        telephone = incoming.telephone(incoming.call_id, kit, resumed=resumed)
        assert isinstance(telephone, AriTelephone)
        self.telephone = telephone
        self.call_id = incoming.call_id
        self.board = telephone.switchboard()
        return incoming

    async def phone(self, endpoint: str, *phones: Phone) -> None:
        self._accounts[endpoint] = account(endpoint)
        devices = self.controller.driver.devices
        devices.configure(list(self._accounts.values()))
        for phone in phones:
            hz = next(self._tones)
            softphone = Softphone(user=endpoint, password=PASSWORD, on_call=self._behaviour(phone, hz))
            await self._stack.enter_async_context(softphone)
            until = time.monotonic() + LIMIT_S
            while await softphone.register(f"sip:{self.sip}") != 200:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)

    def _behaviour(self, phone: Phone, hz: int) -> Callable[[Ringing], Awaitable[None]]:
        async def handle(ringing: Ringing) -> None:
            self.invites.append(ringing)
            leg = ringing.invite.get(LEG_HEADER)
            self._calls[leg] = ringing.call
            self._hz[leg] = hz
            if phone.refuses_after_s is not None:
                ringing.ring()
                await ringing.call.wait_for(phone.refuses_after_s)
                ringing.reject({17: 486, 21: 603}[phone.cause])
                return
            ringing.ring()
            if phone.answers_after_s is None:
                await ringing.call.wait_ended(60)
            elif await ringing.call.wait_for(phone.answers_after_s):
                ringing.answer(tone(hz))

        return handle

    async def hears(self, party: str) -> set[str]:
        heard = self._calls[party].heard
        await asyncio.sleep(0.15)  # what is under way
        before = len(heard.samples)
        await asyncio.sleep(LISTEN_S)
        samples = heard.samples[before:]
        if len(samples) < 8000 * LISTEN_S / 2 or level_dbfs(samples) < -70:
            return set()
        tones = {other: hz for other, hz in self._hz.items() if other != party}
        tones |= {"sound": SOUND_HZ, "ringing": RINGING_HZ}
        levels = {name: tone_level(samples, hz) for name, hz in tones.items()}
        found = {name for name, level in levels.items() if level > -30}
        return found or {MUSIC}

    async def hang_up(self, party: str) -> None:
        await self._calls[party].hangup()

    async def press(self, party: str, digits: str) -> None:
        await self._calls[party].press(digits)

    async def hold(self, party: str, *, on: bool) -> None:
        direction = sdp.Direction.SENDONLY if on else sdp.Direction.SENDRECV
        assert await self._calls[party].reinvite(direction) == 200

    async def refer(self, party: str, target: str) -> None:
        assert await self._calls[party].refer(f"sip:{target}@{self.sip}") == 202

    async def successor(self) -> None:
        await self.controller.stop()
        await self.controller.start()
        await self._arrival(resumed=True)


@pytest.fixture(params=["fake", "real"])
def install(request: pytest.FixtureRequest) -> AsteriskInstall | None:
    """The real Asterisk, got only for the tests that run on it; None for the fake."""
    return request.getfixturevalue("asterisk_install") if request.param == "real" else None


@pytest_asyncio.fixture
async def table(install: AsteriskInstall | None, tmp_path: Path) -> AsyncIterator[Table]:
    async with AsyncExitStack() as stack:
        yield Table(FakeRoom() if install is None else await a_real_room(install, stack, tmp_path))


@pytest_asyncio.fixture
async def real(asterisk_install: AsteriskInstall, tmp_path: Path) -> AsyncIterator[RealRoom]:
    async with AsyncExitStack() as stack:
        yield await a_real_room(asterisk_install, stack, tmp_path)


async def a_real_room(install: AsteriskInstall, stack: AsyncExitStack, folder: Path) -> RealRoom:
    port = freeports.block()
    stack.callback(freeports.release, port)
    rig = Rig(install)
    stack.push_async_callback(rig.end)
    asterisk = await rig.boot(controller_port=port)
    door = Door(None, asterisk.secrets.controller_user, asterisk.secrets.controller_password)
    await door.open("127.0.0.1", port)
    stack.callback(door.refuse)
    controller = Controller(asterisk, door)
    await controller.start()
    stack.push_async_callback(controller.stop)
    room = RealRoom(controller, stack, folder)
    await room.call_in()
    return room
