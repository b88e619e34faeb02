"""The public endpoints as an aiohttp application, to be mounted under `/public/v1` of the public listener.

No cookie is set or read, so no other page can act in a visitor's name: what acts is the ticket, and the page that has
it sends it itself. Nothing personal is in an address, so none is in a proxy's log either.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from controller.acd.model import Refused
from controller.callback.model import Slot
from controller.calls.callback.desk import CallbackDesk
from controller.calls.voice.desk import VoiceAsk, VoiceDesk
from controller.errors import StoreError
from controller.flow.sitekinds import Site
from controller.hours import zones
from controller.ports import Clock
from controller.web.metrics import Sample
from controller.web.public.following import Following, told
from controller.web.public.forms import (
    AskBody,
    AvailabilityView,
    ChangeBody,
    SiteView,
    SlotsView,
    SlotView,
    VoiceBody,
    VoiceView,
    customer_in,
    origin_in,
)
from controller.web.public.limits import address_keys
from controller.web.public.origin import Network, client_address, cors, may_use, origin_of, preflight
from controller.web.public.protection import Protection
from controller.web.public.refusals import Refusal, refused
from controller.web.public.requests import KEY, Requests, Visitor
from controller.web.public.tickets import Seal
from controller.web.public.wire import MAX_BODY_BYTES, cached_answer, json_answer, json_body, send_event, ticket_of
from controller.web.public.wording import language_of
from controller.web.public.work import Captcha, Work

log = structlog.get_logger(__name__)

PREFIX: Final = "/public/v1"
MAX_WATCHERS: Final = 2000
WATCHERS_EACH: Final = 10
"""Of one address."""
SLOTS_FRESH_S: Final = 5.0
Answerer = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the public side stands on; `sites` are those of the version in force."""

    desk: CallbackDesk
    sites: Callable[[], Mapping[str, Site]]
    clock: Clock
    zone: Callable[[], str]
    """The centre's zone, for who names none."""
    work: Work
    protection: Protection
    following: Following
    requests: Requests
    voice: VoiceDesk | None = None
    """Talking from the page; None: there is none here."""
    proxies: tuple[Network, ...] = ()


def make_parts(
    desk: CallbackDesk,
    clock: Clock,
    *,
    key: bytes,
    sites: Callable[[], Mapping[str, Site]],
    zone: Callable[[], str],
    voice: VoiceDesk | None = None,
    proxies: tuple[Network, ...] = (),
    captcha: Captcha | None = None,
) -> Parts:
    """Return the parts on one key: 16 bytes or more, the same on every node."""
    work = Work(key)
    protection = Protection(desk, clock, work, captcha)
    following = Following(desk, clock)
    requests = Requests(desk, clock, Seal(key), protection, following)
    return Parts(desk, sites, clock, zone, work, protection, following, requests, voice, proxies)


class PublicRoutes:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ask_body = msgspec.json.Decoder(AskBody)
        self._voice_body = msgspec.json.Decoder(VoiceBody)
        self._change_body = msgspec.json.Decoder(ChangeBody)
        self._slots: dict[str, tuple[float, asyncio.Task[Any]]] = {}
        self._watchers: Counter[str] = Counter()

    def application(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._in_words], client_max_size=MAX_BODY_BYTES)
        base = "/sites/{site}"
        for method, path, answerer in (
            (hdrs.METH_GET, base, self.site),
            (hdrs.METH_GET, f"{base}/availability", self.availability),
            (hdrs.METH_GET, f"{base}/slots", self.slots),
            (hdrs.METH_GET, f"{base}/challenge", self.challenge),
            (hdrs.METH_POST, f"{base}/requests", self.ask),
            (hdrs.METH_POST, f"{base}/voice", self.talk),
            (hdrs.METH_GET, f"{base}/request", self.look),
            (hdrs.METH_PATCH, f"{base}/request", self.change),
            (hdrs.METH_DELETE, f"{base}/request", self.cancel),
            (hdrs.METH_GET, f"{base}/request/events", self.events),
        ):
            app.router.add_route(method, path, self.served(answerer))
        app.router.add_route(hdrs.METH_OPTIONS, base + "{tail:.*}", self.preflight)
        return app

    async def close(self) -> None:
        """Let every watcher go: the controller stops."""
        self._parts.following.stop()

    def samples(self) -> Iterator[Sample]:
        """Yield `rappel_public_*`."""
        yield from self._parts.protection.samples()
        yield Sample("public_watchers", "Visitors who follow their request.", self.watchers)

    @property
    def watchers(self) -> int:
        """How many visitors follow their request now."""
        return self._watchers.total()

    def served(self, answerer: Answerer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return `answerer` as aiohttp calls it: with the visitor known, and refusals in words."""

        async def handle(request: web.Request) -> web.StreamResponse:
            site = self._parts.sites().get(request.match_info["site"])
            language = language_of(
                request.query.get("lang", "") or request.headers.get(hdrs.ACCEPT_LANGUAGE, ""),
                site.languages if site else ("fr", "en"),
            )
            try:
                if site is None:
                    raise Refusal("unknown_site")  # noqa: TRY301 - one way from a refusal to its answer
                if not may_use(request, site.origins):
                    raise Refusal("not_from_here")  # noqa: TRY301
                visitor = Visitor(site, client_address(request, self._parts.proxies), language)
                response = await answerer(request, visitor)
            except Exception as error:  # noqa: BLE001 - every failure becomes an answer that says what to do
                response = self.refusal(error).response(language)
            if not response.prepared:
                response.headers.update(cors(request, site.origins if site else ()))
            return response

        return handle

    def refusal(self, error: Exception) -> Refusal:
        """Return what a visitor is told of `error`; count it."""
        if isinstance(error, Refusal):
            refusal = error
        elif isinstance(error, web.HTTPRequestEntityTooLarge):
            refusal = Refusal("too_large")
        elif isinstance(error, StoreError):
            log.warning("public.database_away", error=str(error))
            refusal = Refusal("unavailable", 10)
        else:
            # Not its text, which may hold what the visitor wrote.
            frames = traceback.extract_tb(error.__traceback__)[-6:]
            log.error("public.failed", kind=type(error).__name__, where=[f"{f.name}:{f.lineno}" for f in frames])
            refusal = Refusal("fault")
        self._parts.protection.counts[f"answered_{refusal.code}"] += 1
        return refusal

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        """Tell a browser whether a page may ask."""
        site = self._parts.sites().get(request.match_info["site"])
        return preflight(request, site.origins if site else ())

    async def site(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """What the form needs."""
        self._parts.protection.read(visitor.address)
        return cached_answer(request, site_view(visitor), 60, language=visitor.language)

    async def availability(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """What the button may offer now."""
        self._parts.protection.read(visitor.address)
        return cached_answer(request, availability(self._parts, visitor.site), 5)

    async def slots(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """The times to choose from."""
        self._parts.protection.read(visitor.address)
        zone = request.query.get("zone") or self._parts.zone()
        return cached_answer(request, await self.slots_view(visitor.site, zone), int(SLOTS_FRESH_S))

    async def challenge(self, _: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Some work to do."""
        return json_answer(self._parts.protection.challenge(visitor.site, visitor.address))

    async def ask(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Take a request."""
        self._parts.protection.read(visitor.address)
        body = await json_body(request, self._ask_body)
        key = request.headers.get("Idempotency-Key", "")
        return json_answer(await self._parts.requests.ask(visitor, key, body), status=201)

    async def talk(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Let the page make one call to the site's number."""
        parts, site = self._parts, visitor.site
        parts.protection.read(visitor.address)
        body: VoiceBody = await json_body(request, self._voice_body)
        key = request.headers.get("Idempotency-Key", "")
        if not KEY.fullmatch(key):
            raise Refusal("key_missing")
        if parts.voice is None or "voice" not in site.modes or not site.voice_number:
            raise Refusal("mode_off")
        await parts.protection.admit(site, visitor.address, key, body.work, body.captcha)
        ticket = parts.voice.open(
            VoiceAsk(
                site=site.name,
                web_origin=origin_of(request),
                number=site.voice_number,
                queue=site.queue,
                address=visitor.address,
                language=site.language(body.language or visitor.language),
                customer=customer_in(body, site.name),
                origin=origin_in(body),
            )
        )
        if isinstance(ticket, Refused):
            parts.protection.counts[f"refused_{ticket.code}"] += 1
            raise refused(ticket)
        parts.protection.counts["voice"] += 1
        return json_answer(VoiceView(ticket.ticket, ticket.expires_at), status=201)

    async def look(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """How a request is."""
        self._parts.protection.read(visitor.address)
        return json_answer(await self._parts.requests.look(visitor, ticket_of(request)))

    async def change(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Another time or number."""
        self._parts.protection.read(visitor.address)
        body = await json_body(request, self._change_body)
        return json_answer(await self._parts.requests.change(visitor, ticket_of(request), body))

    async def cancel(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Cancel a request."""
        self._parts.protection.read(visitor.address)
        return json_answer(await self._parts.requests.cancel(visitor, ticket_of(request)))

    async def events(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Follow a request live: server-sent events, read by `fetch` (an `EventSource` can send no ticket)."""
        self._parts.protection.read(visitor.address)
        text = ticket_of(request)
        ticket = self._parts.requests.opened(visitor.site, text)
        first = await self._parts.requests.look(visitor, text)  # an unknown one is refused in words
        async with self._watching(visitor):
            response = web.StreamResponse(
                headers=cors(request, visitor.site.origins)
                | {hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
                | {hdrs.CACHE_CONTROL: "no-store"}
            )
            await response.prepare(request)
            await send_event(response, first)
            if not first.final:
                async for view in self._parts.following.follow(text, ticket, visitor.language):
                    await send_event(response, view)
        return response

    @asynccontextmanager
    async def _watching(self, visitor: Visitor) -> AsyncIterator[None]:
        """Count a watcher."""
        who = address_keys(visitor.address)[0]
        if self._watchers[who] >= WATCHERS_EACH or self.watchers >= MAX_WATCHERS:
            raise Refusal("too_many", 10)
        self._watchers[who] += 1
        try:
            yield
        except (TimeoutError, ConnectionError):
            log.info("public.watcher_lost")
        finally:
            self._watchers[who] -= 1
            if not self._watchers[who]:
                del self._watchers[who]

    async def slots_view(self, site: Site, zone: str) -> SlotsView:
        """Return the slots of a site's queue in `zone`; asked of the desk once in five seconds at most."""
        if zone not in zones():
            raise Refusal("zone_unknown")
        if "slot" not in site.modes:
            raise Refusal("mode_off")
        slots = await self._fresh_slots(site.queue)
        if isinstance(slots, Refused):
            raise refused(slots)
        place = ZoneInfo(zone)
        return SlotsView(zone, [_slot(each, place) for each in slots])

    async def _fresh_slots(self, queue: str) -> Any:
        now = self._parts.clock.monotonic()
        at, task = self._slots.get(queue, (0.0, None))
        if task is None or now - at > SLOTS_FRESH_S or (task.done() and task.exception() is not None):
            task = asyncio.ensure_future(self._parts.desk.slots(queue))
            self._slots[queue] = now, task
        return await asyncio.shield(task)

    @web.middleware
    async def _in_words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What aiohttp refuses by itself is said like every other refusal."""
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as refusal:
            code = "unknown_address" if isinstance(refusal, web.HTTPNotFound) else "wrong_method"
            language = language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), ("fr", "en"))
            return Refusal(code).response(language)


def site_view(visitor: Visitor) -> SiteView:
    """Return what a page must know of a site to show its form."""
    site, language = visitor.site, visitor.language
    return SiteView(
        site=site.name,
        title=site.title.get(language) or next(iter(site.title.values())),
        language=language,
        languages=site.languages,
        modes=sorted(site.modes),
        country=site.country,
        countries=site.countries,
        consent=site.consent.get(language) or next(iter(site.consent.values())),
        consent_version=site.consent_version,
        privacy=site.privacy,
        telephone=site.telephone,
        theme=msgspec.to_builtins(site.theme),
    )


def availability(parts: Parts, site: Site) -> AvailabilityView:
    """Return what a site's button may offer at this moment."""
    now = parts.desk.availability(site.queue)
    calls = "callback" in site.modes and now is not None
    asap = calls and now is not None and now.open and now.staffed
    slots = "slot" in site.modes and now is not None
    voice = _voice_now(parts, site)
    return AvailabilityView(
        show="callback" if asap else "slot" if slots else "voice" if voice else "none",
        open=now is not None and now.open,
        now=calls and now is not None and now.now,
        asap=asap,
        slots=slots,
        voice=voice,
        estimate_s=told(now.estimate_s) if now is not None and asap else None,
        opens_at=now.opens_at if now is not None else None,
    )


def _voice_now(parts: Parts, site: Site) -> bool:
    """Tell whether somebody would answer a call from the page."""
    if parts.voice is None or "voice" not in site.modes or not site.voice_number or not parts.voice.on:
        return False
    now = parts.voice.availability(site.queue)
    return now is not None and now.now


def _slot(slot: Slot, zone: ZoneInfo) -> SlotView:
    at = slot.at.timestamp()
    return SlotView(*(type(slot.at).fromtimestamp(each, zone) for each in (at, at + slot.length_s)))
