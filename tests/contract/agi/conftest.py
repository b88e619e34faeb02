"""A FastAGI server of the test's own, where the rendered dialplan of a real Asterisk looks for it."""

from __future__ import annotations

import asyncio
import math
import struct
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest_asyncio

from controller.agi.server import AgiCallFacts, AgiServer
from controller.agi.session import AgiSession
from controller.agi.telephone import AgiTelephone
from controller.calls.clock import SystemClock
from controller.cdr.entries import Role
from controller.flow.commands import Event
from controller.ids import call_id_for
from controller.runtime.asterisk import AsteriskServer
from controller.softphone.phone import Phone

RATE = 8000
NUMBER = "+33800000001"


class Tones:
    """An `AudioLibrary` of tones, one second for each hundred hertz of its name: `fr/500` lasts five."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, media: str) -> str:
        name = media.partition("/")[2]
        file = self._folder / f"{name}.wav"
        if name != "missing" and not file.exists():
            with wave.open(str(file), "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(RATE)
                count = int(self.duration_s(media) * RATE)
                wave_of = (int(8000 * math.sin(2 * math.pi * int(name) * n / RATE)) for n in range(count))
                out.writeframes(b"".join(struct.pack("<h", sample) for sample in wave_of))
        return str(self._folder / name)

    def duration_s(self, media: str) -> float:
        name = media.partition("/")[2]
        return 1.0 if name == "missing" else int(name) / 100


class Legs:
    """Keeps what a telephone says about its legs."""

    def __init__(self) -> None:
        self.started: list[tuple[str, datetime]] = []
        self.answered: list[datetime] = []
        self.ended: list[tuple[int, datetime, bool]] = []

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        self.started.append((channel_name, at))

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        self.answered.append(at)

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        self.ended.append((cause, at, by_callee))


Behaviour = Callable[[AgiTelephone], Awaitable[Event | None]]


class AgiRig:
    """Serves the next calls with `behave`; what it returns comes out of `result`."""

    def __init__(self, asterisk: AsteriskServer, folder: Path) -> None:
        self.asterisk = asterisk
        self.tones = Tones(folder)
        self.legs = Legs()
        self.facts: list[AgiCallFacts] = []
        self.behave: Behaviour | None = None
        self.answered_hook = ""
        self._results: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self.server = AgiServer("127.0.0.1", asterisk.settings.agi_port, self._on_call)

    @property
    def target(self) -> str:
        return f"sip:agi{NUMBER}@127.0.0.1:{self.asterisk.settings.sip_port}"

    @property
    def server_uri(self) -> str:
        return f"sip:127.0.0.1:{self.asterisk.settings.sip_port}"

    def endpoint(self, extension: str) -> str:
        return f"PJSIP/{extension}"

    async def result(self) -> Event | None:
        got = await asyncio.wait_for(self._results.get(), 20)
        if isinstance(got, BaseException):
            raise got
        return got

    def _on_call(self, facts: AgiCallFacts, session: AgiSession) -> asyncio.Task[None]:
        return asyncio.create_task(self._serve(facts, session))

    async def _serve(self, facts: AgiCallFacts, session: AgiSession) -> None:
        self.facts.append(facts)
        telephone = AgiTelephone(
            session,
            channel_name=facts.channel_name,
            call_id=call_id_for(facts.channel_id, facts.created_at),
            audio=self.tones,
            legs=self.legs,
            clock=SystemClock(),
            endpoint_for=self.endpoint,
            answered_hook=self.answered_hook,
        )
        assert self.behave is not None
        try:
            self._results.put_nowait(await self.behave(telephone))
        except BaseException as error:
            self._results.put_nowait(error)
            raise

    async def no_channels(self) -> bool:
        """Tell whether Asterisk has got rid of every channel."""
        for _ in range(100):
            if "0 active channels" in await self.asterisk.cli("core show channels count"):
                return True
            await asyncio.sleep(0.02)
        return False


@pytest_asyncio.fixture
async def agi(asterisk: AsteriskServer, tmp_path: Path) -> AsyncIterator[AgiRig]:
    rig = AgiRig(asterisk, tmp_path)
    await rig.server.start()
    yield rig
    await rig.server.stop()


@pytest_asyncio.fixture
async def caller(asterisk: AsteriskServer) -> AsyncIterator[Phone]:
    """A caller from the trunk."""
    async with Phone(user="0612345678", display_name="Zo\u00e9 Lef\u00e8vre") as phone:
        yield phone
