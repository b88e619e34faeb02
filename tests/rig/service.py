"""The HTTP service that the tests' centre asks: right answers, and every kind of wrong one."""

from __future__ import annotations

import asyncio
import json

from tests.rig import freeports

CUSTOMER, PIN = "4711", "83021957"


class Service:
    """A bare TCP server, so that it can lie. `behaviour` is one of the names in `_answer`."""

    def __init__(self) -> None:
        self.port = freeports.block()
        self.behaviour = "right"
        self.requests: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        freeports.release(self.port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            body = await reader.readexactly(length)
            self.requests.append(head + body)
            await self._answer(writer, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        right = json.loads(body) == {"number": CUSTOMER, "pin": PIN}
        match self.behaviour:
            case "right":
                status, answer = ("200 OK", {"balance": 42.5}) if right else ("403 Forbidden", {})
                text = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            case "hang":
                await asyncio.sleep(3600)
            case "lie":
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"balance": 1}')
            case "redirect":
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:22/\r\nContent-Length: 0\r\n\r\n")
            case "huge":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n")
                for _ in range(400):
                    writer.write(b" " * 10_000)
                    await writer.drain()
            case "nonsense":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html/>!!")
            case "slam":
                return
        await writer.drain()
