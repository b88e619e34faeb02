"""Busy lines of which somebody can tell when they are free: the customer is called then, and not at the next try."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any

from controller.callback.model import Request, RequestId, RequestState
from controller.callback.retry import free_from
from controller.calls.callback.means import Exit
from controller.calls.callback.store import CallbackStore
from controller.errors import StoreError
from controller.ports import Clock

MOST_LINES = 1000
"""Busy lines that are watched at once."""


class BusyLines:
    """Watches the lines of requests that met them busy. `start` runs work, `due` hears of tries brought forward."""

    def __init__(
        self,
        store: CallbackStore,
        way_out: Exit,
        clock: Clock,
        *,
        start: Callable[[Coroutine[Any, Any, None]], object],
        due: Callable[[], None],
    ) -> None:
        self._store = store
        self._exit = way_out
        self._clock = clock
        self._start = start
        self._due = due
        self._watched: dict[RequestId, Callable[[], None]] = {}

    def watch(self, request: Request, busy_at: datetime) -> None:
        """Call the customer once their line is free, if their next try is still to come then."""
        if request.state is not RequestState.SCHEDULED or len(self._watched) >= MOST_LINES:
            return
        self._unwatch(request.request_id)
        told = partial(self._free, request, free_from(request, busy_at))
        self._watched[request.request_id] = self._exit.when_free(request.number, told)

    def clear(self) -> None:
        """Watch nothing any more."""
        for request_id in list(self._watched):
            self._unwatch(request_id)

    def _free(self, request: Request, not_before: datetime) -> None:
        self._unwatch(request.request_id)
        self._start(self._call_soon(request, not_before))

    def _unwatch(self, request_id: RequestId) -> None:
        stop = self._watched.pop(request_id, None)
        if stop is not None:
            stop()

    async def _call_soon(self, request: Request, not_before: datetime) -> None:
        now = self._clock.now()
        with contextlib.suppress(StoreError):
            found = await self._store.get(request.request_id)
            if found is not None and _as_it_was(found) == _as_it_was(request):  # else they have chosen another time
                due_at = min(max(now, not_before), found.due_at)
                await self._store.change(request.request_id, {"due_at": due_at}, at=now)
        self._due()


def _as_it_was(request: Request) -> tuple[RequestState, int, datetime]:
    return request.state, request.fence, request.due_at
