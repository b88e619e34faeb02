"""What goes on beside the calls: tasks that belong to nobody's call, the watch on the flows, the schema's upgrade."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog
import watchfiles

from controller.calls.releases import Releases
from controller.errors import StoreError
from controller.postgres import versions

log = structlog.get_logger(__name__)

_UPGRADE_RETRY_S = 2.0


class Background:
    """Tasks that belong to nobody's call; a failure of one is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Awaitable[object]) -> None:
        """Let `work` go on by itself."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def cancel(self) -> None:
        """End all of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background_failed", error=str(task.exception()), exc_info=task.exception())


async def watch_flows(releases: Releases, stop: asyncio.Event) -> None:
    """Reload on every change below the centre's folder."""
    async for _ in watchfiles.awatch(releases.folder, stop_event=stop, step=100, debounce=400):
        try:
            await releases.reload()
        except Exception:  # a bug here must not end the watching: the next change may be the mending one
            log.exception("release.reload_failed")


async def upgrade_schema(dsn: str) -> None:
    """Bring the schema up to date as soon as Postgres can be reached; records wait in the journal until then."""
    while True:
        try:
            await versions.ensure_database(dsn)
            await versions.bring_up_to_date(dsn)
        except StoreError as error:
            log.warning("postgres.not_upgraded", error=str(error), again_in_s=_UPGRADE_RETRY_S)
            await asyncio.sleep(_UPGRADE_RETRY_S)
        else:
            return
