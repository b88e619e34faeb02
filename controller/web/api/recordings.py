"""Recordings and voice messages over the API. Who listens is written down before the first byte leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web

from controller.web.api.access import Scope
from controller.web.api.problems import GONE, NOT_FOUND, Problem
from controller.web.api.routes import ApiRequest, Nothing, Route, missing


class RecordingView(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded conversation, or a voice message. `erased_at` is set once its file is gone."""

    recording_id: str
    kind: str
    """conversation or message"""
    call_id: str | None
    kept_at: datetime
    queue: str
    agent: str
    caller: str
    duration_s: float
    bytes: int
    sha256: str
    keep_until: datetime
    erased_at: datetime | None
    heard_at: datetime | None


class AccessView(msgspec.Struct, frozen=True):
    """Somebody listened."""

    at: datetime
    by: str
    how: str


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose messages."""

    queue: Annotated[str, msgspec.Meta(min_length=1, max_length=60, description="name of the queue")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=500, description="at most so many")] = 100


class RecordingStore(Protocol):
    """The recordings: what is known of them in Postgres (`StoreError`), and their files."""

    async def recording(self, recording_id: str) -> RecordingView | None:
        """Return what is known of one."""

    async def of_call(self, call_id: str) -> Sequence[RecordingView]:
        """Return a call's, oldest first."""

    async def messages(self, queue: str, limit: int) -> Sequence[RecordingView]:
        """Return a queue's messages that are not erased: new ones first."""

    async def accesses(self, recording_id: str) -> Sequence[AccessView]:
        """Return who listened, oldest first."""

    async def open(self, recording_id: str, by: str) -> Path | None:
        """Note that `by` downloads it and return the file; None when it is erased or not there."""

    async def erase(self, recording_id: str, by: str) -> bool:
        """Delete the file and write down who wanted it; False when it was erased already."""


class RecordingRoutes:
    """The handlers."""

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        read, one = Scope.RECORDINGS_READ, "/recordings/{recording}"
        return (
            Route(
                "GET",
                "/calls/{call_id}/recordings",
                "listRecordingsOfCall",
                "A call's recordings",
                read,
                self.of_call,
                answer=list[RecordingView],
            ),
            Route(
                "GET",
                "/messages",
                "listMessages",
                "A queue's voice messages, new ones first",
                read,
                self.messages,
                query=MessagesQuery,
                answer=list[RecordingView],
            ),
            Route(
                "GET",
                one,
                "getRecording",
                "One recording",
                read,
                self.one,
                answer=RecordingView,
                problems=(NOT_FOUND,),
            ),
            Route(
                "GET",
                one + "/audio",
                "listen",
                "The sound, as WAV",
                read,
                self.audio,
                media_type="audio/wav",
                problems=(NOT_FOUND, GONE),
                note="Every download is written down (`/recordings/{recording}/accesses`); a message is heard then.",
            ),
            Route(
                "GET",
                one + "/accesses",
                "listAccesses",
                "Who listened",
                read,
                self.accesses,
                answer=list[AccessView],
                problems=(NOT_FOUND,),
            ),
            Route(
                "DELETE",
                one,
                "eraseRecording",
                "Delete the sound now",
                Scope.RECORDINGS_ERASE,
                self.erase,
                problems=(NOT_FOUND, GONE),
                note="What is known of it stays: when, how long, who deleted it.",
            ),
        )

    async def of_call(self, request: ApiRequest[Nothing, None]) -> list[RecordingView]:
        """A call's."""
        return list(await self._store.of_call(request.path["call_id"]))

    async def messages(self, request: ApiRequest[MessagesQuery, None]) -> list[RecordingView]:
        """A queue's."""
        return list(await self._store.messages(request.query.queue, request.query.limit))

    async def one(self, request: ApiRequest[Nothing, None]) -> RecordingView:
        """One."""
        return await self._known(request)

    async def accesses(self, request: ApiRequest[Nothing, None]) -> list[AccessView]:
        """Who listened."""
        known = await self._known(request)
        return list(await self._store.accesses(known.recording_id))

    async def audio(self, request: ApiRequest[Nothing, None]) -> web.StreamResponse:
        """The file."""
        known = await self._known(request)
        file = None if known.erased_at else await self._store.open(known.recording_id, request.token.actor)
        if file is None:
            raise _erased(known)
        name = f"{known.kept_at:%Y%m%d-%H%M%S}-{known.recording_id}.wav"
        headers = {"Content-Type": "audio/wav", "Content-Disposition": f'attachment; filename="{name}"'}
        return web.FileResponse(file, headers=headers)

    async def erase(self, request: ApiRequest[Nothing, None]) -> None:
        """Delete the file."""
        known = await self._known(request)
        if not await self._store.erase(known.recording_id, request.token.actor):
            raise _erased(known)

    async def _known(self, request: ApiRequest[Any, Any]) -> RecordingView:
        found = await self._store.recording(request.path["recording"])
        if found is None:
            raise missing("recording", request.path["recording"])
        return found


def _erased(known: RecordingView) -> Problem:
    when = f" on {known.erased_at:%Y-%m-%d}" if known.erased_at else ""
    return Problem(GONE, "erased", f"the sound was deleted{when}", "its time was over, or somebody asked for it")
