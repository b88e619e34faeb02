"""Plays Asterisk's end of FastAGI connections for the unit tests, over real loopback sockets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from controller.cdr.entries import Role

ENVIRONMENT = {
    "network": "yes",
    "network_script": "accueil?lang=fr",
    "request": "agi://127.0.0.1/accueil?lang=fr",
    "channel": "PJSIP/trunk-00000001",
    "language": "fr",
    "uniqueid": "1795433542.1",
    "callerid": "+33612345678",
    "calleridname": "Zo\u00e9 Lef\u00e8vre",
    "dnid": "unknown",
    "context": "inbound",
    "extension": "0800123456",
    "accountcode": "",
}


def environment(**changes: str) -> bytes:
    """Return the bytes that describe a call."""
    lines = [f"agi_{name}: {value}\n" for name, value in {**ENVIRONMENT, **changes}.items()]
    return "".join(lines).encode() + b"\n"


class FakeAsterisk:
    """One connection whose answers the test gives, one per command."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.commands: list[str] = []

    @classmethod
    async def connect(cls, port: int, **changes: str) -> FakeAsterisk:
        fake = cls(*await asyncio.open_connection("127.0.0.1", port))
        fake.writer.write(environment(**changes))
        return fake

    async def answer(self, *answers: str | bytes) -> None:
        """Take one command per answer, in order."""
        for text in answers:
            line = await asyncio.wait_for(self.reader.readline(), 5)
            assert line.endswith(b"\n"), "the controller closed the connection"
            self.commands.append(line.decode().rstrip("\n"))
            self.writer.write((text.encode() if isinstance(text, str) else text) + b"\n")

    async def closed(self) -> bool:
        """Wait until the controller has closed the connection; tell whether it said nothing more before."""
        rest = await asyncio.wait_for(self.reader.read(), 5)
        self.writer.close()
        return rest == b""


class StubAudio:
    """Two pieces that exist."""

    known: ClassVar = {"fr/menu": ("/audio/fr/menu", 2.0), "fr/bye": ("/audio/fr/bye", 1.0)}

    def path(self, media: str) -> str:
        return self.known[media][0]

    def duration_s(self, media: str) -> float:
        return self.known[media][1]


class StubClock:
    """Moves only when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class LegLog:
    """Keeps what a telephone says about its legs."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        self.seen.append(("started", channel_name, number))

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        self.seen.append(("answered", at))

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        self.seen.append(("ended", cause, by_callee))
