"""Wires the controller: the only place that knows every part. `run_controller` is the life of one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from controller.agi.driver import AgiDriver
from controller.agi.server import AgiServer
from controller.ami.observer import AmiObserver
from controller.api import Api, Calling, mount_api
from controller.ari.driver import AriDriver
from controller.ari.http import HttpTransport
from controller.ari.link import Door, dial
from controller.ari.recordings import AriRecordings
from controller.ari.trunk import NumberFormat, TrunkNumbers
from controller.background import Background, upgrade_schema, watch_flows
from controller.callbacks import Callbacks, make_callbacks
from controller.calls.call import Surroundings
from controller.calls.clock import SystemClock
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.services import DistributionServices
from controller.calls.guard import Guard
from controller.calls.keeping import Keeping
from controller.calls.outbound.exit import Outbound
from controller.calls.releases import AudioIndex, LiveRelease, Releases
from controller.calls.supervisor import Supervisor
from controller.calls.voice.availability import of_queue
from controller.cdr.entries import ReleaseUsed
from controller.collector import settle
from controller.config import Config, Sip
from controller.flow.release import Release
from controller.journal import Journal
from controller.numberkey import number_key
from controller.postgres.agents import PostgresAgents
from controller.postgres.history import PostgresHistory
from controller.postgres.outbound import PostgresOutbound
from controller.postgres.retention import PostgresRetention, Retention
from controller.postgres.store import PostgresStore
from controller.reception import Reception
from controller.speech.edition import edition
from controller.status import StatusBoard
from controller.trunks import networks_of, way_out
from controller.voice import PageVoice
from controller.watchdog import keep_awake
from controller.web.lookup import HttpLookupClient
from controller.web.metrics import Metrics
from controller.web.pages import listen, make_pages
from controller.web.public.keys import public_key
from controller.web.public.origin import client_address, networks

log = structlog.get_logger(__name__)

_STATES_TIMEOUT_S = 1.0
_MIB = 1024 * 1024
LISTENING = "audio/listening"
"""In the cache: beside the prompts, where Asterisk may read, on whatever machine it is."""


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
    distributor: Distributor
    services: DistributionServices
    keeping: Keeping
    voice: PageVoice
    callbacks: Callbacks


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
        background = Background()
        background.start(keep_awake())
        loop.add_signal_handler(signal.SIGHUP, lambda: background.start(parts.releases.reload()))
        if config.centre.watch:
            background.start(watch_flows(parts.releases, stop))
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
        background = Background()
        stack.push_async_callback(background.cancel)

        store = PostgresStore(config.postgres.url)
        stack.push_async_callback(store.close)
        journal = Journal(state_dir / "journal", store, max_bytes=config.postgres.journal_max_mib * _MIB)
        await journal.start()
        stack.push_async_callback(journal.stop, config.calls.shutdown_s)

        clock = SystemClock()
        lookups = HttpLookupClient(())
        stack.push_async_callback(lookups.close)

        distributors: list[Distributor] = []  # the one, once it is there

        def in_force(live: LiveRelease) -> None:
            lookups.permit(live.release.http_hosts)
            journal.record(ReleaseUsed(live.release.hash, clock.now(), live.stored.sources))
            for each in distributors:
                each.use(live.release)

        releases = Releases(
            Path(config.centre.folder).absolute(),  # noqa: ASYNC240 - before anything else runs
            state_dir / "releases",
            lambda folder, release: _prepare_audio(folder, Path(config.node.cache_dir), release),
            archive=store,
            edition=edition(),
            in_force=in_force,
        )
        releases.load(last_good=True)  # before anything else runs
        # Not sooner: a first load prepares audio for seconds, in which a connection would seem to time out.
        background.start(upgrade_schema(config.postgres.url))

        ami = _manager(config, journal, clock)
        http = HttpTransport(_ari_url(config), config.asterisk.ari_user, config.asterisk.ari_password)
        calls = Reception()
        driver = AriDriver(application=config.asterisk.app, calls=calls, http=http, trunk=_trunk_numbers(config.sip))
        ami.on_security(_guard(config, driver, clock).failed)
        _tell_of_contacts(ami, driver)
        directory, history = PostgresAgents(store), PostgresHistory(store, _retention(config))
        distributor = Distributor(
            recorder=journal,
            clock=clock,
            directory=directory,
            devices=driver.devices,
            history=history,
            state_dir=state_dir,
            alive=calls.alive,
        )
        distributors.append(distributor)
        keeping = Keeping(
            state_dir / "recordings",
            AriRecordings(http),
            told=distributor.told,
            clock=clock,
            history=history,
            devices=driver.devices,
        )
        services = DistributionServices(distributor, keeping, history, Path(config.node.cache_dir) / LISTENING)
        callbacks = make_callbacks(
            config,
            store=store,
            distributor=distributor,
            services=services,
            way_out=_exit(config, driver, store, releases, clock, stack),
            calls=calls,
            driver=driver,
            releases=releases,
            clock=clock,
        )
        services.callbacks = callbacks.service
        around = Surroundings(
            releases, journal, lookups, clock, config.node.name, services, attempts=callbacks.dialler
        )
        supervisor = Supervisor(around, max_calls=config.calls.max_calls)
        supervisor.expect(await journal.live_states(_STATES_TIMEOUT_S))
        calls.use(supervisor, distributor, callbacks.dialler)
        agi = AgiServer(
            config.web.socket_host,
            config.web.agi_port,
            AgiDriver(calls=supervisor, clock=clock).serve,
            max_calls=config.calls.max_calls,
        )
        parts = Parts(
            config=config,
            releases=releases,
            journal=journal,
            store=store,
            supervisor=supervisor,
            driver=driver,
            agi=agi,
            ami=ami,
            distributor=distributor,
            services=services,
            keeping=keeping,
            voice=_voice(config, driver, releases, services, clock),
            callbacks=callbacks,
        )

        await _start(parts, stack, background, directory, history, clock)
        yield parts


async def _start(
    parts: Parts,
    stack: AsyncExitStack,
    background: Background,
    directory: PostgresAgents,
    history: PostgresHistory,
    clock: SystemClock,
) -> None:
    """Start all parts, in the order in which they need each other."""
    config = parts.config
    # The public listener first: health can be asked for while the rest comes up.
    background.start((await _serve_public(parts, stack, directory, history, clock)).sender.run())
    parts.distributor.start(parts.releases.current.release)
    parts.callbacks.dialler.start()
    for part in (parts.keeping, parts.services.mailbox):
        background.start(part.run())
    background.start(PostgresRetention(parts.store).run(_retention(config), clock.now))
    await _open_doors(parts, stack, background)
    stack.push_async_callback(parts.supervisor.stop, config.calls.shutdown_s)
    # What agents do is written down while their calls still run: the next controller finds them as they are.
    stack.push_async_callback(parts.distributor.stop)
    background.start(parts.callbacks.dialler.run())
    stack.push_async_callback(parts.callbacks.dialler.stop)
    stack.callback(parts.callbacks.service.watchers.close)
    stack.push_async_callback(parts.voice.close)


async def _serve_public(
    parts: Parts, stack: AsyncExitStack, directory: PostgresAgents, history: PostgresHistory, clock: SystemClock
) -> Api:
    """Open the public listener: pages, metrics and the API."""
    board = StatusBoard(parts)
    metrics = Metrics(board.samples)
    pages = make_pages(board, metrics)
    told, callbacks = parts.config.web, parts.callbacks.service
    api = mount_api(
        pages,
        desk=parts.services.desk,
        directory=directory,
        store=parts.store,
        clock=clock,
        webhook_hosts=told.webhook_hosts,
        history=history,
        keeping=parts.keeping,
        calling=Calling(
            desk=callbacks,
            attempts=callbacks,
            release=lambda: parts.releases.current.release,
            key=public_key(told.public_key, Path(parts.config.node.state_dir)),
            voice=parts.voice.desk,
            proxies=told.proxies,
        ),
    )
    metrics.also(api.samples)
    proxies = networks(told.proxies)
    parts.voice.mount(pages, lambda request: client_address(request, proxies))
    public = await listen(pages, parts.config.web.host, parts.config.web.port)
    stack.push_async_callback(public.close)
    stack.push_async_callback(api.close)
    return api


async def _open_doors(parts: Parts, stack: AsyncExitStack, background: Background) -> None:
    """Let Asterisk in, by FastAGI and by its WebSocket; watch it by AMI."""
    config, driver, manager = parts.config, parts.driver, parts.config.asterisk
    await parts.agi.start()
    stack.push_async_callback(parts.agi.stop)
    await parts.ami.start()
    stack.push_async_callback(parts.ami.stop)
    url = _ari_url(config)
    if manager.link == "controller":
        background.start(dial(driver.connection, url, manager.app, manager.ari_user, manager.ari_password))
    else:
        background.start(driver.stand_in(url, manager.ari_user, manager.ari_password))
    door = Door(driver.connection, manager.socket_user, manager.socket_password)
    await door.open(config.web.socket_host, config.web.socket_port)
    stack.push_async_callback(driver.close)
    # Asterisk dials again within milliseconds; it must find the door shut, not a controller on its way out.
    stack.callback(door.refuse)


def _tell_of_contacts(ami: AmiObserver, driver: AriDriver) -> None:
    """Have the driver know of every change of a registered device, and of when it might miss one."""
    ami.on_contact(driver.contact)
    driver.contacts.watched_by(lambda: ami.counters.connects if ami.connected else None)


def _manager(config: Config, journal: Journal, clock: SystemClock) -> AmiObserver:
    told = config.asterisk
    ami = AmiObserver(told.ami_host, told.ami_port, told.ami_user, told.ami_password, clock=clock)
    ami.on_cdr(journal.record)
    return ami


def _exit(
    config: Config,
    driver: AriDriver,
    store: PostgresStore,
    releases: Releases,
    clock: SystemClock,
    stack: AsyncExitStack,
) -> Outbound:
    """Return the one way out: it alone has what dials."""
    done = PostgresOutbound(store, number_key(config))
    outbound = Outbound(driver.originator, done, clock, lambda: releases.current.release.outbound)
    stack.push_async_callback(outbound.close)
    return outbound


def _guard(config: Config, driver: AriDriver, clock: SystemClock) -> Guard:
    # The own address is that of all pages, whose calls the controller relays.
    friends = ["127.0.0.1", "::1", *networks_of(config.sip), config.web.socket_host]
    return Guard(driver.bans.ban, clock, trusted=friends)


def _voice(
    config: Config, driver: AriDriver, releases: Releases, services: DistributionServices, clock: SystemClock
) -> PageVoice:
    return PageVoice(
        lines=driver.pages,
        clock=clock,
        asterisk=config.asterisk.ari_url,
        most=config.web.page_calls,
        availability=lambda queue: of_queue(services.desk, queue),
        known_number=lambda number: releases.current.release.number(number) is not None,
    )


def _trunk_numbers(sip: Sip) -> TrunkNumbers:
    softphone = way_out(sip).softphone
    endpoint = f"PJSIP/{softphone}" if softphone else ""
    return TrunkNumbers(NumberFormat(sip.trunk_format), sip.trunk_country, sip.trunk_prefix, endpoint)


def _retention(config: Config) -> Retention:
    days = config.retention
    return Retention(
        records_days=days.records_days,
        recordings_days=days.recordings_days,
        messages_days=days.messages_days,
        deliveries_days=days.deliveries_days,
    )


def _ari_url(config: Config) -> str:
    return f"{config.asterisk.ari_url.rstrip('/')}/ari"


def _prepare_audio(folder: Path, cache_dir: Path, release: Release) -> AudioIndex:
    # Decoding and resampling take a quarter of a second to import, and a restarted controller, whose release is
    # ready on disk, needs neither.
    from controller.speech.release import prepare_release  # noqa: PLC0415

    return prepare_release(folder, cache_dir, release)
