"""The public endpoints being served over a desk in memory, and a visitor's browser."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from controller.flow.sitekinds import DEFAULT_CONSENT, KINDS, Site
from controller.web.metrics import Metrics
from controller.web.pages import Status, make_pages
from controller.web.public.hosted import HostedPages
from controller.web.public.origin import networks
from controller.web.public.server import PREFIX, Parts, PublicRoutes, make_parts
from controller.web.public.work import solve
from tests.rig.fakecallbacks import AT, FakeCallbacks

SHOP = "https://www.shop.example"
SITE = Site(
    name="boutique",
    queue="ventes",
    title={"fr": "Parlons vélo", "en": "Let's talk bikes"},
    origins=(SHOP,),
    languages=("fr", "en"),
    modes=frozenset({"callback", "slot"}),
    country="FR",
    countries=("FR", "BE"),
    kinds=frozenset(KINDS),
    consent=DEFAULT_CONSENT,
    consent_version="rappel-1",
    privacy="https://www.shop.example/privacy",
    telephone="+33 3 53 01 47 00",
)
MOBILE = "06 39 98 47 01"
_numbers = itertools.count()


def number() -> str:
    """Return another mobile number of those kept for fiction (Arcep: 06 39 98)."""
    return f"06 39 98 {next(_numbers) % 10000:04d}"


@dataclass
class Clock:
    """Stands still until it is moved."""

    monotonic_s: float = 1000.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.monotonic_s - 1000.0)

    def monotonic(self) -> float:
        return self.monotonic_s


class _NoStatus:
    def checks(self) -> list[Any]:
        return []

    async def status(self) -> Status:
        raise RuntimeError("not asked for here")


@dataclass
class Stage:
    """What is served, and what it stands on."""

    client: TestClient[web.Request, web.Application]
    desk: FakeCallbacks
    clock: Clock
    parts: Parts
    routes: PublicRoutes
    sites: dict[str, Site] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        async with self.client.request(
            method, f"{PREFIX}/sites/boutique{path}", json=body, headers=headers
        ) as answer:
            return answer.status, await decoded(answer)

    async def work(self, key: str, address: str = "") -> dict[str, str]:
        """Do the work for a request with `key`."""
        _, challenge = await self.send("GET", "/challenge", headers=_from(address))
        return {"challenge": challenge["challenge"], "solution": solve(challenge["challenge"], key)}

    async def ask(
        self, *, key: str = "", address: str = "", language: str = "fr", worked: bool = True, **body: Any
    ) -> tuple[int, Any]:
        """Ask to be called, as a page does."""
        key = key or new_key()
        form = {"number": MOBILE, "consent": "rappel-1", **body}
        if worked and "work" not in body:
            form["work"] = await self.work(key, address)
        headers = {"Idempotency-Key": key, "Accept-Language": language, "Origin": SHOP, **_from(address)}
        return await self.send("POST", "/requests", form, headers=headers)

    async def with_ticket(self, method: str, ticket: str, body: Any = None) -> tuple[int, Any]:
        """Do something with one's request."""
        return await self.send(method, "/request", body, headers={"Authorization": f"Ticket {ticket}"})


_keys = itertools.count()


def new_key() -> str:
    """Return another idempotency key."""
    return f"key-of-a-page-{next(_keys):06d}"


async def decoded(answer: ClientResponse) -> Any:
    """Return the JSON of an answer, None when there is no body."""
    content = await answer.read()
    return msgspec.json.decode(content) if content else None


def _from(address: str) -> dict[str, str]:
    """Come from `address`: the tests' own end is a proxy that is trusted."""
    return {"X-Forwarded-For": address} if address else {}


@asynccontextmanager
async def staged(site: Site = SITE, **options: Any) -> AsyncIterator[Stage]:
    """Serve it."""
    desk, clock = FakeCallbacks(), Clock()
    sites = {"boutique": site}
    options.setdefault("proxies", networks(["127.0.0.1"]))
    parts = make_parts(desk, clock, key=b"k" * 32, sites=lambda: sites, zone=lambda: "Europe/Paris", **options)
    routes = PublicRoutes(parts)
    pages = make_pages(_NoStatus(), Metrics(parts.protection.samples))
    HostedPages(parts, routes).mount(pages)
    pages.add_subapp(PREFIX, routes.application())
    async with TestClient(TestServer(pages)) as client:
        yield Stage(client, desk, clock, parts, routes, sites)
        await routes.close()
