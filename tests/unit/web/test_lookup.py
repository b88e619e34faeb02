from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.flow.commands import LookedUp, Lookup, LookupFailed
from controller.flow.release import HttpHost
from controller.web.lookup import HttpLookupClient, is_forbidden


class RawServer:
    """Answers every request with bytes of the test's choice, true or not."""

    def __init__(self) -> None:
        self.answer: bytes | Callable[[asyncio.StreamWriter], Any] = b""
        self.requests: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def json(self, body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> None:
        size = len(body) if length is None else length
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers])
        self.answer = head.encode() + b"\r\n\r\n" + body

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((int(h.split(":")[1]) for h in head.split("\r\n") if h.lower().startswith("content-le")), 0)
            self.requests.append(head + (await reader.readexactly(length)).decode())
            if callable(self.answer):
                await self.answer(writer)
            else:
                writer.write(self.answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client gave up, as some tests want
        finally:
            writer.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listener = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.port = listener.sockets[0].getsockname()[1]
    raw.json(b'{"vip": true}')
    yield raw
    listener.close()
    await raw.stop()


@pytest.fixture
async def client(server: RawServer) -> AsyncIterator[HttpLookupClient]:
    client = HttpLookupClient(
        {HttpHost("http", "127.0.0.1", server.port), HttpHost("http", "localhost", server.port)}
    )
    yield client
    await client.close()


def to(server: RawServer, path: str = "/customers/7", host: str = "127.0.0.1", **changes: Any) -> Lookup:
    return Lookup(**{"step": "crm", "method": "GET", "url": f"http://{host}:{server.port}{path}", **changes})


def reason(event: LookedUp | LookupFailed) -> str:
    assert isinstance(event, LookupFailed)
    return event.reason


async def test_a_plain_answer(client: HttpLookupClient, server: RawServer) -> None:
    assert await client.fetch(to(server)) == LookedUp(200, {"vip": True})
    assert await client.fetch(to(server, host="LOCALHOST")) == LookedUp(200, {"vip": True})
    assert "Accept-Encoding: gzip" in server.requests[0]
    assert "Cookie" not in server.requests[1]


async def test_a_body_is_sent_as_json(client: HttpLookupClient, server: RawServer) -> None:
    request = to(server, method="POST", body={"num": "0612345677"}, headers={"X-Key": "k"})
    assert await client.fetch(request) == LookedUp(200, {"vip": True})
    assert "Content-Type: application/json" in server.requests[0]
    assert "X-Key: k" in server.requests[0]
    assert server.requests[0].endswith('{"num":"0612345677"}')


async def test_error_status_and_empty_bodies(client: HttpLookupClient, server: RawServer) -> None:
    server.json(b'{"error": "unknown"}', status="404 Not Found")
    assert await client.fetch(to(server)) == LookedUp(404, {"error": "unknown"})
    server.json(b"", status="204 No Content")
    assert await client.fetch(to(server)) == LookedUp(204)
    server.json(b'\xef\xbb\xbf{"a": 1}')
    assert await client.fetch(to(server)) == LookedUp(200, {"a": 1})


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{", b'{"a": \xff}', b"[" * 50_000, b'{"a": NaN}', b"\x00\x01"],
    ids=["html", "cut", "utf8", "deep", "nan", "binary"],
)
async def test_what_is_no_json(client: HttpLookupClient, server: RawServer, body: bytes) -> None:
    server.json(body)
    assert reason(await client.fetch(to(server))) == "not_json"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temp", "308 Perm"])
async def test_redirects_are_not_followed(client: HttpLookupClient, server: RawServer, status: str) -> None:
    server.json(b"", f"Location: http://127.0.0.1:{server.port}/inside", status=status)
    assert reason(await client.fetch(to(server))) == "redirect"
    assert len(server.requests) == 1


async def test_too_large_by_its_own_word_and_in_fact(client: HttpLookupClient, server: RawServer) -> None:
    server.json(b"[1]", length=10_000_000)
    assert reason(await client.fetch(to(server, max_bytes=1000))) == "too_large"
    server.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 100_000
    assert reason(await client.fetch(to(server, max_bytes=1000))) == "too_large"
    server.json(b'"' + b"x" * 998 + b'"')
    assert await client.fetch(to(server, max_bytes=1000)) == LookedUp(200, "x" * 998)


async def test_packed_answers(client: HttpLookupClient, server: RawServer) -> None:
    packed = gzip.compress(b'{"vip": true}')
    server.json(packed, "Content-Encoding: gzip")
    assert await client.fetch(to(server)) == LookedUp(200, {"vip": True})
    server.json(packed[:-9], "Content-Encoding: gzip")
    assert reason(await client.fetch(to(server))) == "unreachable"
    server.json(b"\x1f\x8bnot gzip at all", "Content-Encoding: gzip")
    assert reason(await client.fetch(to(server))) == "not_json"
    server.json(b'{"vip": true}', "Content-Encoding: br")
    assert reason(await client.fetch(to(server))) == "not_json"
    server.json(b"", "Content-Encoding: gzip")
    assert await client.fetch(to(server)) == LookedUp(200)


async def test_a_bomb_stops_at_the_limit(client: HttpLookupClient, server: RawServer) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 262_144
    server.json(bomb, "Content-Encoding: gzip")
    assert reason(await client.fetch(to(server))) == "too_large"


async def test_lies_about_the_length(client: HttpLookupClient, server: RawServer) -> None:
    server.json(b'{"vip": true}', length=200)
    assert reason(await client.fetch(to(server))) == "unreachable"
    server.answer = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":'
    assert reason(await client.fetch(to(server))) == "unreachable"
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"
    assert reason(await client.fetch(to(server))) == "unreachable"
    server.answer = b"220 smtp.example ESMTP\r\n"
    assert reason(await client.fetch(to(server))) == "unreachable"
    server.answer = b""
    assert reason(await client.fetch(to(server))) == "unreachable"


async def test_one_clock_over_everything(client: HttpLookupClient, server: RawServer) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    for behaviour in (silent, dripping):
        server.answer = behaviour
        event = await client.fetch(to(server, timeout_s=0.1))
        assert reason(event) == "timeout"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "https://127.0.0.1:{port}/x",
        "http://127.0.0.2:{port}/x",
        "http://2130706433:{port}/x",
        "http://0x7f000001:{port}/x",
        "http://localhost.:1/x",
        "http://127.0.0.1:{port}@evil.example/x",
        "http://user:pw@127.0.0.1:{port}/x",
        "http://evil.example#@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "//127.0.0.1:{port}/x",
        "/x",
        "",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "http://169.254.169.254/latest",
    ],
)
async def test_no_other_host(client: HttpLookupClient, server: RawServer, url: str) -> None:
    event = await client.fetch(to(server, url=url.format(port=server.port)))
    assert url == "" or url.startswith("http://localhost") or "pw" not in str(event)
    assert reason(event) == "refused"
    assert server.requests == []


async def test_the_list_follows_the_version_in_force(client: HttpLookupClient, server: RawServer) -> None:
    client.permit([HttpHost("https", "crm.example", 443)])
    assert reason(await client.fetch(to(server))) == "refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "CONNECT"},
        {"method": "GET / HTTP/1.1\r\nX: y"},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"X-Caller": "a\r\nX-Admin: 1"}},
        {"headers": {"X-A\r\nB": "1"}},
        {"headers": {"": "1"}},
    ],
)
async def test_requests_that_smuggle(client: HttpLookupClient, server: RawServer, changes: dict[str, Any]) -> None:
    assert reason(await client.fetch(to(server, **changes))) == "refused"
    assert server.requests == []


async def test_a_body_that_is_no_json_is_a_fault_of_ours_and_still_an_event(
    client: HttpLookupClient, server: RawServer
) -> None:
    with capture_logs() as logs:
        event = await client.fetch(
            to(server, method="POST", body=object(), url=f"http://127.0.0.1:{server.port}/s3cret")
        )
    assert isinstance(event, LookupFailed)
    assert [line["event"] for line in logs] == ["lookup.crashed"]
    assert "s3cret" not in str(logs)
    assert "s3cret" not in str(event)


async def test_nobody_listens(unused: int, server: RawServer) -> None:
    client = HttpLookupClient([HttpHost("http", "127.0.0.1", unused)])
    event = await client.fetch(to(server, url=f"http://127.0.0.1:{unused}/?pin=1234"))
    assert reason(event) == "unreachable"
    assert "1234" not in str(event)
    await client.close()


@pytest.fixture
def unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_name_that_leads_to_metadata_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = HttpLookupClient([HttpHost("http", "crm.example", 80)])
    event = await client.fetch(Lookup("crm", "GET", "http://crm.example/"))
    assert event == LookupFailed("unreachable", "crm.example leads to a link-local or metadata address")
    await client.close()


async def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, client: HttpLookupClient, server: RawServer, unused: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused}")
    assert await client.fetch(to(server)) == LookedUp(200, {"vip": True})


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.1.1", True),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("0.0.0.0", True),  # noqa: S104 - an address to refuse, not to listen on
        ("224.0.0.1", True),
        ("127.0.0.1", False),
        ("10.0.0.5", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses(address: str, forbidden: bool) -> None:
    assert is_forbidden(address) is forbidden
