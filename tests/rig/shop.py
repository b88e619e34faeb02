"""A shop's page on an origin of its own, under a strict CSP, with the button of a Rappel whose desk is in memory.

What the browser speaks to is the real public server, with its limits, proof of work and tickets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from controller.callback.model import AttemptState, Request, RequestId, Slot
from controller.flow.sitekinds import DEFAULT_CONSENT, KINDS, Site
from controller.web.icon import add_icon
from controller.web.public.hosted import HostedPages
from controller.web.public.server import PREFIX, PublicRoutes, make_parts
from controller.web.scripts import add_scripts
from tests.rig import freeports
from tests.rig.fakecallbacks import FakeCallbacks, open_queue

QUEUE = "ventes"
POLICY = (
    "default-src 'none'; script-src {rappel}; connect-src 'self' {rappel}; base-uri 'none'; form-action 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The strictest under which the button has to work: nothing inline, no style, image or worker, no HTML from text."""


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Shop:
    """The page, and the desk behind the button."""

    desk: FakeCallbacks
    rappel: str
    """Base address of Rappel's pages."""
    page: str
    """Address of the shop's page."""
    body: str = ""
    """HTML of the page; "": the button's script alone."""
    attributes: str = ""
    """More of the script's tag."""
    head: str = ""
    language: str = "fr"
    consent: dict[str, str] = field(default_factory=lambda: DEFAULT_CONSENT)
    asked: list[str] = field(default_factory=list)
    """What Rappel was asked: method and path with query."""
    dialled: list[dict[str, str]] = field(default_factory=list)
    """What the page's own server was asked to dial."""
    dial_answer: tuple[int, dict[str, str]] = (202, {})
    delay_s: float = 0.0
    """How long Rappel takes to answer a POST."""
    cookies: list[str] = field(default_factory=list)

    def staff(self, **changes: object) -> None:
        """Let the queue be open, staffed and ready; `changes` are of `Availability`."""
        self.desk.queues[QUEUE] = open_queue(QUEUE, **changes)

    def close(self) -> None:
        """Let nobody be there."""
        self.desk.queues[QUEUE] = open_queue(
            QUEUE, open=False, staffed=False, free_agents=0, waiting=0, estimate_s=None, now=False
        )

    def only(self) -> Request:
        """Return the one request there is."""
        (request,) = self.desk.requests.values()
        return request

    async def dial(self, *states: AttemptState, each_s: float = 0.0) -> RequestId:
        """Let the one request be dialled through `states`."""
        request_id = self.only().request_id
        for state in states:
            self.desk.dial(request_id, state)
            await asyncio.sleep(each_s)
        return request_id


def site(origin: str, modes: frozenset[str], consent: dict[str, str]) -> Site:
    """Return the shop's site."""
    return Site(
        name="boutique",
        queue=QUEUE,
        title={"fr": "Parlons vélo", "en": "Let's talk bikes"},
        origins=(origin,),
        languages=("fr", "en"),
        modes=modes,
        country="FR",
        countries=("FR", "BE", "LU"),
        kinds=frozenset(KINDS),
        consent=consent,
        consent_version="rappel-1",
        privacy="https://www.shop.example/privacy",
        telephone="+33 3 53 01 47 00",
    )


def slots() -> list[Slot]:
    """Return times on three days from tomorrow."""
    tomorrow = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return [Slot(tomorrow + timedelta(days=day, minutes=30 * n), 1800.0, 2) for day in range(3) for n in range(6)]


@asynccontextmanager
async def open_shop(modes: frozenset[str] = frozenset({"callback", "slot"})) -> AsyncIterator[Shop]:
    """Serve the shop and Rappel on ports of their own."""
    ports = freeports.block(), freeports.block()
    rappel, origin = (f"http://127.0.0.1:{port}" for port in ports)
    desk = FakeCallbacks(times=slots(), now=datetime.now(UTC))
    shop = Shop(desk, rappel, f"{origin}/")
    shop.staff()
    parts = make_parts(
        desk,
        _Clock(),
        key=bytes(32),
        sites=lambda: {"boutique": site(origin, modes, shop.consent)},
        zone=lambda: "Europe/Paris",
    )
    routes = PublicRoutes(parts)
    app = web.Application(middlewares=[_noting(shop)])
    app.add_subapp(PREFIX, routes.application())
    HostedPages(parts, routes).mount(app)
    add_scripts(app)
    add_icon(app)
    runners = [await _serve(each, port) for each, port in zip((app, _pages(shop)), ports, strict=True)]
    try:
        yield shop
    finally:
        await routes.close()
        for runner in runners:
            await runner.cleanup()
        for port in ports:
            freeports.release(port)


@asynccontextmanager
async def open_page(rappel: str, port: int) -> AsyncIterator[Shop]:
    """Serve the shop's page alone, for a Rappel that runs at `rappel`."""
    shop = Shop(FakeCallbacks(), rappel, f"http://127.0.0.1:{port}/")
    runner = await _serve(_pages(shop), port)
    try:
        yield shop
    finally:
        await runner.cleanup()


def _pages(shop: Shop) -> web.Application:
    pages = web.Application()
    pages.router.add_post("/dial", partial(_dial, shop))
    pages.router.add_get("/{tail:.*}", partial(_page, shop))
    return pages


def _noting(shop: Shop) -> Middleware:
    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        shop.asked.append(f"{request.method} {request.path_qs}")
        if request.method == "POST":
            await asyncio.sleep(shop.delay_s)
        if "Cookie" in request.headers:
            shop.cookies.append(request.headers["Cookie"])
        return await handler(request)

    return note


async def _dial(shop: Shop, request: web.Request) -> web.Response:
    shop.dialled.append(await request.json())
    await asyncio.sleep(shop.delay_s)
    status, answer = shop.dial_answer
    return web.json_response(answer, status=status)


async def _page(shop: Shop, _: web.Request) -> web.Response:
    script = f'<script src="{shop.rappel}/rappel.js" data-site="boutique" {shop.attributes} async></script>'
    text = (
        f'<!doctype html><html lang="{shop.language}"><head><meta charset="utf-8"><title>Boutique</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{shop.head}</head>'
        f"<body><h1>Vélos Mirabelle</h1><p>Une page.</p>{shop.body or script}</body></html>"
    )
    policy = POLICY.format(rappel=shop.rappel)
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})


async def _serve(app: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner
