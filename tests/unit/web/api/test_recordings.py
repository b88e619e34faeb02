"""Recordings over the API: the sound, who listened, what is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from controller.ports import Token
from controller.web.api.access import Scope, new_secret
from controller.web.api.recordings import AccessView, RecordingRoutes, RecordingView
from controller.web.api.server import make_api
from controller.web.pages import listen
from tests.unit.web.api.fakes import AT, Clock, Tokens

WAV = b"RIFF....WAVE sound"


def recording(name: str, **more: object) -> RecordingView:
    values: dict[str, object] = {
        "recording_id": name,
        "kind": "conversation",
        "call_id": "c1",
        "kept_at": AT,
        "queue": "ventes",
        "agent": "claire",
        "caller": "+33199001234",
        "duration_s": 12.0,
        "bytes": len(WAV),
        "sha256": "00",
        "keep_until": AT,
        "erased_at": None,
        "heard_at": None,
    }
    return RecordingView(**(values | more))  # type: ignore[arg-type]


@dataclass
class Store:
    """Two recordings in a folder; the second one is erased."""

    folder: Path
    known: dict[str, RecordingView]
    heard: list[tuple[str, str]] = field(default_factory=list)

    async def recording(self, recording_id: str) -> RecordingView | None:
        return self.known.get(recording_id)

    async def of_call(self, call_id: str) -> Sequence[RecordingView]:
        return [each for each in self.known.values() if each.call_id == call_id]

    async def messages(self, queue: str, limit: int) -> Sequence[RecordingView]:
        return [each for each in self.known.values() if each.queue == queue][:limit]

    async def accesses(self, recording_id: str) -> Sequence[AccessView]:
        return [AccessView(AT, by, "downloaded") for name, by in self.heard if name == recording_id]

    async def open(self, recording_id: str, by: str) -> Path | None:
        self.heard.append((recording_id, by))
        return self.folder / "a.wav"

    async def erase(self, recording_id: str, by: str) -> bool:
        erased = self.known[recording_id].erased_at is None
        self.known[recording_id] = recording(recording_id, erased_at=AT)
        return erased


@pytest.fixture
async def served(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[tuple[Store, aiohttp.ClientSession]]:
    (tmp_path / "a.wav").write_bytes(WAV)
    store = Store(tmp_path, {"r1": recording("r1"), "r2": recording("r2", erased_at=AT)})
    secret, digest = new_secret()
    token = Token(token_id="1", name="test", scopes=frozenset(Scope))
    app = web.Application()
    app.add_subapp("/api/v1", make_api(RecordingRoutes(store).routes(), Tokens({digest: token}), Clock(), "1"))
    listener = await listen(app, "127.0.0.1", unused_tcp_port)
    base, headers = f"http://127.0.0.1:{unused_tcp_port}/", {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(base_url=base, headers=headers) as session:
        yield store, session
    await listener.close()


async def told(session: aiohttp.ClientSession, path: str, method: str = "GET") -> tuple[int, object]:
    async with session.request(method, "/api/v1" + path) as response:
        content = await response.read()
        return response.status, msgspec.json.decode(content) if content else None


async def test_a_download_is_written_down(served: tuple[Store, aiohttp.ClientSession]) -> None:
    store, session = served
    async with session.get("/api/v1/recordings/r1/audio") as response:
        assert (response.status, response.content_type) == (200, "audio/wav")
        assert await response.read() == WAV
        assert 'filename="20261124-100000-r1.wav"' in response.headers["Content-Disposition"]
    assert store.heard == [("r1", "token:test")]
    status, accesses = await told(session, "/recordings/r1/accesses")
    assert (status, accesses) == (200, [{"at": "2026-11-24T10:00:00Z", "by": "token:test", "how": "downloaded"}])


async def test_what_is_erased_is_gone_and_said_to_be(served: tuple[Store, aiohttp.ClientSession]) -> None:
    store, session = served
    status, problem = await told(session, "/recordings/r2/audio")
    assert status == 410
    assert isinstance(problem, dict)
    assert problem["code"] == "erased"
    assert not store.heard
    assert await told(session, "/recordings/r1", "DELETE") == (204, None)
    assert (await told(session, "/recordings/r1", "DELETE"))[0] == 410
    assert (await told(session, "/recordings/r1/audio"))[0] == 410


async def test_lists_and_what_is_not_there(served: tuple[Store, aiohttp.ClientSession]) -> None:
    _, session = served
    assert len((await told(session, "/calls/c1/recordings"))[1]) == 2  # type: ignore[arg-type]
    assert len((await told(session, "/messages?queue=ventes&limit=1"))[1]) == 1  # type: ignore[arg-type]
    assert (await told(session, "/messages"))[0] == 422
    for path in ("/recordings/r9", "/recordings/r9/audio", "/recordings/r9/accesses", "/recordings/..%2F..%2Fetc"):
        assert (await told(session, path))[0] == 404


@pytest.mark.parametrize("spelling", ["0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF"])
async def test_a_call_is_found_by_the_id_of_its_attempt(
    served: tuple[Store, aiohttp.ClientSession], spelling: str
) -> None:
    store, session = served
    store.known["r3"] = recording("r3", call_id="01234567-89ab-cdef-0123-456789abcdef")
    for call_id in (spelling, "01234567-89ab-cdef-0123-456789abcdef"):
        status, found = await told(session, f"/calls/{call_id}/recordings")
        assert status == 200
        assert isinstance(found, list)
        assert [each["recording_id"] for each in found] == ["r3"], call_id
    assert (await told(session, f"/calls/{spelling[:31]}/recordings")) == (200, [])
