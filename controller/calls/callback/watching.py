"""Tells who watches a request how it is: the last state always, those in between when there is time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from controller.callback.model import FINAL, RequestId
from controller.calls.callback.desk import Progress
from controller.errors import StoreError

LOOK_S = 3.0
"""How often a watched request is looked at anyway: another controller may have changed it."""
MOST = 2_000
"""Watchers at once; one more ends the oldest."""


class Watchers:
    """Everybody who watches. `look` reads a request as it stands."""

    def __init__(self, look: Callable[[RequestId], Awaitable[Progress | None]]) -> None:
        self._look = look
        self._boxes: dict[_Box, RequestId] = {}
        self._by_request: dict[RequestId, set[_Box]] = {}

    def __len__(self) -> int:
        return len(self._boxes)

    def watched(self, request_id: RequestId) -> bool:
        """Tell whether anybody watches a request."""
        return request_id in self._by_request

    def tell(self, progress: Progress) -> None:
        """A request has changed. Never waits; a slow watcher misses what is no longer so."""
        for box in self._by_request.get(progress.request.request_id, ()):
            box.put(progress)

    async def watch(self, request_id: RequestId) -> AsyncIterator[Progress]:
        """Tell how a request is: at once, at every change, and a last time in its final state."""
        box = self._open(request_id)
        last: Progress | None = None
        try:
            while not box.closed:
                news = box.take()
                if news is None:
                    with contextlib.suppress(StoreError):
                        news = await self._look(request_id)
                        if news is None and last is None:
                            return
                if news is not None and news != last:
                    last = news
                    yield news
                    if news.request.state in FINAL:
                        return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(box.wait(), LOOK_S)
        finally:
            self._close(box)

    def close(self) -> None:
        """End all watching."""
        for box in list(self._boxes):
            box.end()

    def _open(self, request_id: RequestId) -> _Box:
        if len(self._boxes) >= MOST:
            oldest = next(iter(self._boxes))
            oldest.end()
            self._close(oldest)
        box = _Box()
        self._boxes[box] = request_id
        self._by_request.setdefault(request_id, set()).add(box)
        return box

    def _close(self, box: _Box) -> None:
        request_id = self._boxes.pop(box, None)
        boxes = self._by_request.get(request_id) if request_id is not None else None
        if request_id is not None and boxes is not None:
            boxes.discard(box)
            if not boxes:
                del self._by_request[request_id]


class _Box:
    """Holds the last state for one watcher."""

    __slots__ = ("_news", "_wake", "closed")

    def __init__(self) -> None:
        self._news: Progress | None = None
        self._wake = asyncio.Event()
        self.closed = False

    def put(self, progress: Progress) -> None:
        self._news = progress
        self._wake.set()

    def take(self) -> Progress | None:
        news, self._news = self._news, None
        self._wake.clear()
        return news

    def end(self) -> None:
        self.closed = True
        self._wake.set()

    async def wait(self) -> None:
        await self._wake.wait()
