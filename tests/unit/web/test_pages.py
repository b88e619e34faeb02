"""The public listener: what a browser, a probe and an attacker get."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from controller.calls.desk import QueueView
from controller.web.metrics import Metrics, Sample
from controller.web.pages import Check, LiveCall, PastCall, Status, listen, make_pages
from tests.unit.web.api.fakes import view

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"&{{7*7}}"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass
class Source:
    """What the pages read from."""

    content: Status
    all_checks: list[Check] = field(default_factory=lambda: [Check("Asterisk", True), Check("Postgres", True)])
    error: Exception | None = None

    def checks(self) -> list[Check]:
        return self.all_checks

    async def status(self) -> Status:
        if self.error:
            raise self.error
        return self.content


def queue(text: str) -> QueueView:
    return QueueView(
        queue=text, title=text, open=True, waiting=3, longest_wait_s=61.5, agents_logged_in=2, agents_free=0,
        agents_talking=2, estimate_s=None,
    )  # fmt: skip


def content(text: str = "plain", **more: object) -> Status:
    values: dict[str, object] = {
        "node": text,
        "release": text,
        "checks": [Check(text, False, text), Check(text, True)],
        "numbers": [(text, text, text)],
        "live": [LiveCall(text, AT, text, text, text)],
        "queues": [queue(text)],
        "agents": [msgspec.structs.replace(view("claire"), name=text, extension=text, reason=text, queue=text)],
        "past": [PastCall(text, AT, text, text, text, 12.34, text, text)],
        "past_problem": text,
        "reload_problem": text,
    }
    return Status(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def source() -> Source:
    return Source(content())


@pytest.fixture
async def url(source: Source) -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics = Metrics(lambda: [Sample("calls_running", "Calls.", 3)])
    listener = await listen(make_pages(source, metrics), "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    await listener.close()


async def get(url: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def test_what_callers_and_operators_wrote_is_text(url: str, source: Source):
    source.content = content(HOSTILE)
    status, headers, page = await get(f"{url}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<script" not in page
    assert "49" not in page.replace("12.3", "")
    assert page.count("&lt;script&gt;") >= 15


async def test_the_page_says_what_is_wrong(url: str, source: Source):
    source.content = content("ok", checks=[Check("Asterisk", False, "is it up?")], past=[], past_problem="no answer")
    _, _, page = await get(f"{url}/")
    for words in ("is it up?", "no answer", "The last change of the flows was refused"):
        assert words in page
    source.content = content("ok", past=[], live=[], past_problem="", reload_problem="")
    _, _, page = await get(f"{url}/")
    assert "refused" not in page
    assert "Nobody is calling" in page
    assert "No call has ended yet" in page


async def test_a_withheld_number_and_many_calls(url: str, source: Source):
    many = [LiveCall(f"id{n}", AT, "", "100", "ari") for n in range(200)]
    source.content = content(live=many)
    _, _, page = await get(f"{url}/")
    assert page.count("withheld") == 50
    assert '<span class="count">200</span>' in page


async def test_readiness_says_why_not(url: str, source: Source):
    status, _, body = await get(f"{url}/readyz")
    assert (status, '"ready": true' in body) == (200, True)
    source.all_checks = [Check("Asterisk", False, "ARI WebSocket down: is Asterisk up?"), Check("Postgres", True)]
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        assert answer.status == 503
        body = await answer.json()
    assert body == {
        "ready": False,
        "checks": [
            {"name": "Asterisk", "ok": False, "reason": "ARI WebSocket down: is Asterisk up?"},
            {"name": "Postgres", "ok": True, "reason": ""},
        ],
    }


async def test_health_is_answered_whatever_is_away(url: str, source: Source):
    source.all_checks = [Check("Asterisk", False, "x")]
    status, _, body = await get(f"{url}/healthz")
    assert (status, body) == (200, '{"status": "alive"}')


@pytest.mark.parametrize("path", ["/", "/status.css", "/healthz", "/readyz", "/metrics", "/none", "/../etc/passwd"])
async def test_every_answer_has_the_security_headers(url: str, path: str):
    _, headers, _ = await get(f"{url}{path}")
    assert {name: headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/none", "GET", 404), ("/", "POST", 405), ("/", "HEAD", 200)]
)
async def test_other_questions(url: str, path: str, method: str, status: int):
    assert (await get(f"{url}{path}", method))[0] == status


async def test_a_page_that_fails_says_so_without_its_traceback(url: str, source: Source):
    source.error = ZeroDivisionError("a bug with a s3cr3t")
    with capture_logs() as logs:
        status, headers, page = await get(f"{url}/")
    assert status == 500
    assert "s3cr3t" not in page
    assert "log" in page
    assert headers["X-Content-Type-Options"] == "nosniff"
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("web.page_failed", "error")
    assert (await get(f"{url}/healthz"))[0] == 200


async def test_metrics_have_prometheus_s_content_type(url: str):
    status, headers, text = await get(f"{url}/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "rappel_calls_running 3.0" in text


async def test_a_broken_body_is_no_fault_of_ours(url: str):
    data, headers = b"not gzip", {"Content-Encoding": "gzip"}
    async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as answer:
        assert answer.status in {400, 405}


async def test_a_listener_that_refuses_still_serves_who_is_there(source: Source):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = await listen(make_pages(source, Metrics(list)), "127.0.0.1", port)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            await answer.read()
        await listener.refuse()
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await listener.close()


async def test_a_port_that_is_taken_is_told(source: Source):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            await listen(make_pages(source, Metrics(list)), "127.0.0.1", taken.getsockname()[1])
