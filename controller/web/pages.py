"""Status page, `/healthz`, `/readyz` and `/metrics` on the controller's public listener."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Protocol

import jinja2
import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from controller.acd.model import AgentView
from controller.calls.desk import QueueView
from controller.web.api.routes import MAX_BODY_BYTES
from controller.web.icon import add_icon
from controller.web.metrics import Metrics

log = structlog.get_logger(__name__)


class Check(msgspec.Struct, frozen=True):
    """One thing the controller needs: `reason` says what is wrong when it is not `ok`."""

    name: str
    ok: bool
    reason: str = ""


class LiveCall(msgspec.Struct, frozen=True):
    """A call in progress, as the page shows it."""

    call_id: str
    since: datetime
    caller: str
    called: str
    driver: str


class PastCall(msgspec.Struct, frozen=True):
    """A finished call, as the page shows it."""

    call_id: str
    at: datetime
    caller: str
    called: str
    flow: str
    duration_s: float
    disposition: str
    steps: str


class Status(msgspec.Struct, frozen=True):
    """Everything the status page shows."""

    node: str
    release: str
    checks: Sequence[Check]
    numbers: Sequence[tuple[str, str, str]]
    """Number to dial, flow, title."""
    live: Sequence[LiveCall]
    past: Sequence[PastCall]
    queues: Sequence[QueueView] = ()
    agents: Sequence[AgentView] = ()
    past_problem: str = ""
    reload_problem: str = ""


class StatusSource(Protocol):
    """What the pages read from; the app implements it."""

    def checks(self) -> Sequence[Check]:
        """Return whether each thing the controller needs is there. No waiting."""

    async def status(self) -> Status:
        """Return what the status page shows, within 2 s whatever is away."""


_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_pages(source: StatusSource, metrics: Metrics) -> web.Application:
    """Return the application of the public listener."""
    folder = files("controller.web") / "templates"
    templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = templates.from_string((folder / "status.html").read_text("utf-8"))
    style = (folder / "status.css").read_text("utf-8")

    async def status(_: web.Request) -> web.Response:
        return web.Response(text=page.render(status=await source.status()), content_type="text/html")

    async def stylesheet(_: web.Request) -> web.Response:
        return web.Response(text=style, content_type="text/css")

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        checks = source.checks()
        ok = all(check.ok for check in checks)
        body = {"ready": ok, "checks": [msgspec.to_builtins(check) for check in checks]}
        return web.json_response(body, status=200 if ok else 503)

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app = web.Application(middlewares=[_secure], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/", status)
    app.router.add_get("/status.css", stylesheet)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", scrape)
    add_icon(app)
    return app


@web.middleware
async def _secure(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        refusal.headers.update(_HEADERS)
        raise
    except Exception:
        log.exception("web.page_failed", path=request.path)
        response = web.Response(text="This page could not be made; the controller's log says why.\n", status=500)
    for name, value in _HEADERS.items():  # a page that says something else itself means it
        response.headers.setdefault(name, value)
    return response


class Listener:
    """An application that is being served."""

    def __init__(self, runner: web.AppRunner, site: web.TCPSite) -> None:
        self._runner = runner
        self._site = site

    async def refuse(self) -> None:
        """Take no new connections; those that are there go on."""
        await self._site.stop()

    async def close(self) -> None:
        """End it; requests in progress have 2 s."""
        await self._runner.cleanup()


async def listen(app: web.Application, host: str, port: int) -> Listener:
    """Serve `app`. Raises `OSError` when the port is taken."""
    # Nobody sends us compressed requests, and a broken one would be a fault inside aiohttp instead of a refusal.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return Listener(runner, site)
