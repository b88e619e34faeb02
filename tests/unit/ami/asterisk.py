"""Plays Asterisk's end of AMI connections for the unit tests, over real loopback sockets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def message(**headers: str) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


class Session:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.actions: list[dict[str, str]] = []

    async def action(self) -> dict[str, str]:
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode()
        headers = dict(line.split(": ", 1) for line in text.split("\r\n") if line)
        self.actions.append(headers)
        return headers

    async def answer(self, **headers: str) -> dict[str, str]:
        """Take one action and answer it."""
        action = await self.action()
        self.writer.write(
            message(Response=headers.pop("Response", "Success"), ActionID=action["ActionID"], **headers)
        )
        return action

    def event(self, name: str, **headers: str) -> None:
        self.writer.write(message(Event=name, **headers))


class FakeAmi:
    """Accepts connections; the test takes them in order from `sessions`."""

    def __init__(self) -> None:
        self.sessions: asyncio.Queue[Session] = asyncio.Queue()
        self._all: list[Session] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._all:
            session.writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        session = Session(reader, writer)
        self._all.append(session)
        self.sessions.put_nowait(session)

    async def session(self) -> Session:
        """Return the next connection, logged in."""
        session = await asyncio.wait_for(self.sessions.get(), 5)
        await session.answer(Message="Authentication accepted")
        return session


class StubClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds
