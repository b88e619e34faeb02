"""Wires the controller: the only place that knows every part. `run_controller` is the life of one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
import watchfiles

from controller.agi.driver import AgiDriver
from controller.agi.server import AgiServer
from controller.ami.observer import AmiObserver
from controller.ari.driver import AriDriver
from controller.ari.http import HttpTransport
from controller.ari.link import Door, dial
from controller.calls.call import Surroundings
from controller.calls.clock import SystemClock
from controller.calls.releases import AudioIndex, LiveRelease, Releases
from controller.calls.supervisor import Supervisor
from controller.cdr.entries import ReleaseUsed
from controller.collector import settle
from controller.config import Config
from controller.errors import StoreError
from controller.flow.release import Release
from controller.journal import Journal
from controller.postgres import versions
from controller.postgres.store import PostgresStore
from controller.speech.edition import edition
from controller.status import StatusBoard
from controller.watchdog import keep_awake
from controller.web.lookup import HttpLookupClient
from controller.web.metrics import Metrics
from controller.web.pages import listen, make_pages

log = structlog.get_logger(__name__)

_STATES_TIMEOUT_S = 1.0
_UPGRADE_RETRY_S = 2.0
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts, as the status board and the tests see them."""

    config: Config
    releases: Releases
    journal: Journal
    store: PostgresStore
    supervisor: Supervisor
    driver: AriDriver
    agi: AgiServer
    ami: AmiObserver


async def run_controller(config: Config) -> None:
    """Run one controller until SIGTERM or SIGINT; SIGHUP reads the flows again.

    Raises `RappelError` when it cannot start. Calls in progress stay with Asterisk and are taken up by the next
    controller.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with assembled(config) as parts:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        background = _Background()
        background.start(keep_awake())
        loop.add_signal_handler(signal.SIGHUP, lambda: background.start(parts.releases.reload()))
        if config.centre.watch:
            background.start(_watch(parts.releases, stop))
        settle()
        log.info("controller.started", node=config.node.name, release=parts.releases.current_hash)
        await stop.wait()
        log.info("controller.stopping", calls=len(parts.supervisor.running))
        await background.cancel()


@contextlib.asynccontextmanager
async def assembled(config: Config) -> AsyncIterator[Parts]:
    """Make all parts, start them in the order in which they need each other, and stop them in the reverse."""
    async with AsyncExitStack() as stack:
        state_dir = Path(config.node.state_dir)
        background = _Background()
        stack.push_async_callback(background.cancel)

        store = PostgresStore(config.postgres.url)
        stack.push_async_callback(store.close)
        background.start(_upgrade(config.postgres.url))
        journal = Journal(state_dir / "journal", store, max_bytes=config.postgres.journal_max_mib * _MIB)
        await journal.start()
        stack.push_async_callback(journal.stop, config.calls.shutdown_s)

        clock = SystemClock()
        lookups = HttpLookupClient(())
        stack.push_async_callback(lookups.close)

        def in_force(live: LiveRelease) -> None:
            lookups.permit(live.release.http_hosts)
            journal.record(ReleaseUsed(live.release.hash, clock.now(), live.stored.sources))

        releases = Releases(
            Path(config.centre.folder).absolute(),  # noqa: ASYNC240 - before anything else runs
            state_dir / "releases",
            lambda folder, release: _prepare_audio(folder, Path(config.node.cache_dir), release),
            archive=store,
            edition=edition(),
            in_force=in_force,
        )
        releases.load(last_good=True)  # before anything else runs
        around = Surroundings(releases, journal, lookups, clock, config.node.name)
        supervisor = Supervisor(around, max_calls=config.calls.max_calls)
        supervisor.expect(await journal.live_states(_STATES_TIMEOUT_S))

        manager = config.asterisk
        ami = AmiObserver(manager.ami_host, manager.ami_port, manager.ami_user, manager.ami_password, clock=clock)
        ami.on_cdr(journal.record)
        ari_url = f"{manager.ari_url.rstrip('/')}/ari"
        http = HttpTransport(ari_url, manager.ari_user, manager.ari_password)
        driver = AriDriver(application=config.asterisk.app, calls=supervisor, http=http)
        agi = AgiServer(
            config.web.socket_host,
            config.web.agi_port,
            AgiDriver(calls=supervisor, clock=clock).serve,
            max_calls=config.calls.max_calls,
        )
        parts = Parts(config, releases, journal, store, supervisor, driver, agi, ami)

        # The public listener first: health can be asked for while the rest comes up.
        board = StatusBoard(parts)
        pages = await listen(make_pages(board, Metrics(board.samples)), config.web.host, config.web.port)
        stack.push_async_callback(pages.close)
        await agi.start()
        stack.push_async_callback(agi.stop)
        await ami.start()
        stack.push_async_callback(ami.stop)
        if manager.link == "controller":
            background.start(dial(driver.connection, ari_url, manager.app, manager.ari_user, manager.ari_password))
        door = Door(driver.connection, manager.socket_user, manager.socket_password)
        await door.open(config.web.socket_host, config.web.socket_port)
        stack.push_async_callback(driver.close)
        # Asterisk dials again within milliseconds; it must find the door shut, not a controller on its way out.
        stack.callback(door.refuse)
        stack.push_async_callback(supervisor.stop, config.calls.shutdown_s)
        yield parts


def _prepare_audio(folder: Path, cache_dir: Path, release: Release) -> AudioIndex:
    # Decoding and resampling take a quarter of a second to import, and a restarted controller, whose release is
    # ready on disk, needs neither.
    from controller.speech.release import prepare_release  # noqa: PLC0415

    return prepare_release(folder, cache_dir, release)


async def _watch(releases: Releases, stop: asyncio.Event) -> None:
    """Reload on every change below the centre's folder."""
    async for _ in watchfiles.awatch(releases.folder, stop_event=stop, step=100, debounce=400):
        try:
            await releases.reload()
        except Exception:  # a bug here must not end the watching: the next change may be the mending one
            log.exception("release.reload_failed")


async def _upgrade(dsn: str) -> None:
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


class _Background:
    """Tasks that belong to nobody's call; a failure of one is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background_failed", error=str(task.exception()), exc_info=task.exception())
