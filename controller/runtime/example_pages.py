"""The example company's pages: a shop with the call-back button, and an intranet's contacts with click-to-dial.

They are what `make run` lets a newcomer click on, and examples to copy: see docs/click-to-call.md. The contacts page
knows no log-in; it binds to loopback with the rest of the example.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import aiohttp
import jinja2
from aiohttp import hdrs, web

from controller.runtime.example_agents import AGENTS

_LIMIT_S: Final = 10.0
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src {rappel}; connect-src 'self' {rappel} {socket};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""What a page with the button needs: Rappel's scripts and Rappel to talk to; its WebSocket to talk from the page."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A line of the contacts page."""

    number: str
    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Rappel:
    """Where Rappel is, and a token of its API with `calls:dial` ("": the contacts page says how to make one)."""

    base: str
    token: str = ""


class ExamplePages:
    """The pages and what they ask of their own server."""

    def __init__(self, rappel: Rappel, contacts: Sequence[Contact]) -> None:
        self._rappel = rappel
        self._contacts = contacts
        self._agents = [str(each.agent) for each in AGENTS]
        folder = files("controller.runtime") / "example"
        templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        self._shop = templates.from_string((folder / "shop.html").read_text("utf-8"))
        self._contacts_page = templates.from_string((folder / "contacts.html").read_text("utf-8"))
        self._style = (folder / "look.css").read_text("utf-8")

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/example.css", self.style)
        app.router.add_get("/shop", self.shop)
        app.router.add_get("/contacts", self.contacts)
        app.router.add_post("/contacts/dial", self.dial)

    async def style(self, _: web.Request) -> web.Response:
        """How both pages look."""
        return web.Response(text=self._style, content_type="text/css")

    async def shop(self, request: web.Request) -> web.Response:
        """The page with the button; `?lang=en` for English."""
        language = "en" if request.query.get("lang") == "en" else "fr"
        return self._page(self._shop.render(language=language, rappel=self._rappel.base))

    async def contacts(self, request: web.Request) -> web.Response:
        """The page with numbers to click."""
        text = self._contacts_page.render(
            agent=self._agent(request), agents=self._agents, customers=self._contacts, rappel=self._rappel.base
        )
        return self._page(text)

    async def dial(self, request: web.Request) -> web.Response:
        """Let the agent of this page call a customer: the page's server holds the token, the page never does."""
        if not self._rappel.token:
            return _refusal(503, "This example has no token: rappel tokens create intranet --scope calls:dial")
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return _refusal(403, "Another page may not dial from here.")
        try:
            asked = await request.json()
            number, reference = str(asked["number"])[:64], str(asked.get("reference", ""))[:60]
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refusal(400, "send {number, reference}")
        names = {each.number: each.name for each in self._contacts}
        body = {
            "number": number,
            "agent": self._agent(request),
            "customer": {"reference": reference, "name": names.get(reference, "")},
        }
        headers = {"Authorization": f"Bearer {self._rappel.token}"}
        if _KEY.fullmatch(request.headers.get("Idempotency-Key", "")):
            headers["Idempotency-Key"] = request.headers["Idempotency-Key"]
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LIMIT_S)) as session,
                session.post(f"{self._rappel.base}/api/v1/calls", json=body, headers=headers) as answer,
            ):
                found = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return _refusal(502, "Rappel does not answer.")
        if status >= 400:  # noqa: PLR2004 - HTTP
            return _refusal(status, str(found.get("detail", "")), str(found.get("advice", "")))
        return web.json_response({"request": found.get("request", {}).get("request_id", "")}, status=status)

    def _agent(self, request: web.Request) -> str:
        wanted = request.query.get("agent", "")
        return wanted if wanted in self._agents else self._agents[0]

    def _page(self, text: str) -> web.Response:
        base = self._rappel.base
        headers = {
            "Content-Security-Policy": _POLICY.format(rappel=base, socket=base.replace("http", "ws", 1)),
            hdrs.CACHE_CONTROL: "no-store",
        }
        return web.Response(text=text, content_type="text/html", headers=headers)


def _refusal(status: int, detail: str, advice: str = "") -> web.Response:
    return web.json_response({"detail": detail, "advice": advice}, status=status)
