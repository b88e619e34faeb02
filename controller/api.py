"""Assembles the API from the running parts and mounts it beside the pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import msgspec
from aiohttp import web

from controller.callback.figures import CallbackConversion, CallbackFigures
from controller.calls.callback.desk import CallbackDesk
from controller.calls.desk import Desk
from controller.calls.keeping import Keeping
from controller.calls.voice.desk import VoiceDesk
from controller.cdr.figures import AgentFigures, NumberFigures, QueueFigures
from controller.flow.release import Release
from controller.ids import CallId
from controller.ports import AgentDirectory, Clock
from controller.postgres import queries
from controller.postgres.callbackfigures import PostgresCallbackFigures
from controller.postgres.figures import PostgresFigures
from controller.postgres.history import PostgresHistory, Recording
from controller.postgres.store import PostgresStore
from controller.postgres.tokens import PostgresTokens
from controller.postgres.webhooks import PostgresWebhooks
from controller.web.api.agents import AgentRoutes
from controller.web.api.callbacks import AttemptBook, CallbackRoutes
from controller.web.api.events import EventRoutes
from controller.web.api.floor import FloorRoutes
from controller.web.api.hooks import WebhookRoutes
from controller.web.api.recordings import AccessView, RecordingRoutes, RecordingView
from controller.web.api.records import CallDetail, CallLine, ConversionQuery, FiguresQuery, RecordRoutes
from controller.web.api.server import PREFIX, make_api
from controller.web.metrics import Sample
from controller.web.public.hosted import HostedPages
from controller.web.public.origin import networks
from controller.web.public.server import PREFIX as PUBLIC_PREFIX
from controller.web.public.server import PublicRoutes, make_parts
from controller.web.scripts import add_scripts
from controller.web.webhooks import WebhookSender


class RecordingBook:
    """`RecordingStore` from what Postgres knows of recordings and the folder they are in."""

    def __init__(self, history: PostgresHistory, keeping: Keeping) -> None:
        self._history = history
        self._keeping = keeping

    async def recording(self, recording_id: str) -> RecordingView | None:
        """Return what is known of one."""
        found = await self._history.recording(recording_id)
        return _view(found) if found else None

    async def of_call(self, call_id: str) -> Sequence[RecordingView]:
        """Return a call's; none when it is no id of a call."""
        try:
            known = await self._history.recordings_of(CallId(str(UUID(call_id))))
        except ValueError:
            return []
        return [_view(each) for each in known]

    async def messages(self, queue: str, limit: int) -> Sequence[RecordingView]:
        """Return a queue's messages."""
        return [_view(each) for each in await self._history.messages(queue, limit)]

    async def accesses(self, recording_id: str) -> Sequence[AccessView]:
        """Return who listened."""
        return msgspec.convert(await self._history.accesses(recording_id), list[AccessView], from_attributes=True)

    async def open(self, recording_id: str, by: str) -> Path | None:
        """Note the download, then give the file."""
        found = await self._history.recording(recording_id)
        file = self._keeping.file(found.path) if found else None
        if file is None or not await self._history.note_access(recording_id, by, "downloaded"):
            return None
        self._keeping.listened()
        return file

    async def erase(self, recording_id: str, by: str) -> bool:
        """Delete the file."""
        found = await self._history.recording(recording_id)
        if found is None or found.erased_at is not None:
            return False
        await self._keeping.erase(recording_id, found.path, by)
        self._keeping.look_soon()
        return True


def _view(recording: Recording) -> RecordingView:
    return msgspec.convert(recording, RecordingView, from_attributes=True)


class PostgresBook:
    """`RecordBook` on Postgres."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._figures = PostgresFigures(store)
        self._callbacks = PostgresCallbackFigures(store)

    async def calls(self, limit: int) -> Sequence[CallLine]:
        """Return the newest calls."""
        rows = await queries.recent_calls(await self._store.pool(), limit)
        return msgspec.convert(rows, list[CallLine], from_attributes=True)

    async def call(self, call_id: str) -> CallDetail | None:
        """Return everything of one."""
        found = await queries.call_record(await self._store.pool(), CallId(call_id))
        return msgspec.convert(found, CallDetail, from_attributes=True) if found else None

    async def queue_figures(self, asked: FiguresQuery) -> Sequence[QueueFigures]:
        """Return the queues' rows."""
        return await self._figures.queues(
            asked.since, asked.until, interval=asked.interval, zone=asked.zone, queue=asked.only
        )

    async def agent_figures(self, asked: FiguresQuery) -> Sequence[AgentFigures]:
        """Return the agents' rows."""
        return await self._figures.agents(
            asked.since, asked.until, interval=asked.interval, zone=asked.zone, agent=asked.only
        )

    async def number_figures(self, asked: FiguresQuery) -> Sequence[NumberFigures]:
        """Return the called numbers' rows."""
        return await self._figures.numbers(
            asked.since, asked.until, interval=asked.interval, zone=asked.zone, number=asked.only
        )

    async def callback_figures(self, asked: FiguresQuery) -> Sequence[CallbackFigures]:
        """Return the call-backs' rows by queue."""
        return await self._callbacks.queues(
            asked.since, asked.until, interval=asked.interval, zone=asked.zone, queue=asked.only
        )

    async def callback_conversion(self, asked: ConversionQuery) -> Sequence[CallbackConversion]:
        """Return the call-backs' rows by where they came from."""
        return await self._callbacks.conversion(asked.since, asked.until, queue=asked.only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """What call-backs over the API and from pages stand on."""

    desk: CallbackDesk
    attempts: AttemptBook
    release: Callable[[], Release]
    """The version of the centre in force: its sites, its zone."""
    key: bytes
    """Of tickets and proof of work (`controller.web.public.keys`)."""
    voice: VoiceDesk | None = None
    proxies: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """The mounted API: run `sender.run()` in a task of its own, and let watchers go with `close()`."""

    sender: WebhookSender
    events: EventRoutes
    public: PublicRoutes | None = None

    async def close(self) -> None:
        """Let every watcher go: the controller stops."""
        await self.events.close()
        if self.public is not None:
            await self.public.close()

    def samples(self) -> Iterator[Sample]:
        """Yield the metrics of the public side."""
        if self.public is not None:
            yield from self.public.samples()


def mount_api(
    pages: web.Application,
    *,
    desk: Desk,
    directory: AgentDirectory,
    store: PostgresStore,
    clock: Clock,
    history: PostgresHistory,
    keeping: Keeping,
    webhook_hosts: Collection[str],
    calling: Calling | None = None,
) -> Api:
    """Add the API to `pages` under `/api/v1`, and with `calling` what pages and their visitors use."""
    webhooks = PostgresWebhooks(store)
    events = EventRoutes(desk)
    routes = (
        *AgentRoutes(directory, desk).routes(),
        *FloorRoutes(desk, directory).routes(),
        *WebhookRoutes(webhooks, webhook_hosts).routes(),
        *RecordRoutes(PostgresBook(store)).routes(),
        *RecordingRoutes(RecordingBook(history, keeping)).routes(),
        *events.routes(),
        *(CallbackRoutes(calling.desk, calling.attempts, directory, clock).routes() if calling else ()),
    )
    pages.add_subapp(PREFIX, make_api(routes, PostgresTokens(store), clock, version("rappel")))
    public = mount_public(pages, calling, clock) if calling else None
    return Api(WebhookSender(webhooks, clock, webhook_hosts), events, public)


def mount_public(pages: web.Application, calling: Calling, clock: Clock) -> PublicRoutes:
    """Add the public endpoints, the hosted pages and the scripts to `pages`."""
    parts = make_parts(
        calling.desk,
        clock,
        key=calling.key,
        sites=lambda: calling.release().sites,
        zone=lambda: calling.release().zone,
        voice=calling.voice,
        proxies=networks(calling.proxies),
    )
    public = PublicRoutes(parts)
    HostedPages(parts, public).mount(pages)
    add_scripts(pages)
    pages.add_subapp(PUBLIC_PREFIX, public.application())
    return public
