"""Hosted pages: `/rappel/<site>` for links in e-mails and banners, `/rappel/<site>/suivi` for one's own request.

With JavaScript they hold the same button as any page, open. Without, they are forms that are sent: a few an hour,
for nobody has done proof of work then. Tickets arrive in the fragment of a link, which no server sees, or in the body
of a form; addresses hold the site, the language and the campaign, nothing of a person.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import jinja2
import msgspec
from aiohttp import hdrs, web

from controller.callback.model import When
from controller.errors import StoreError
from controller.flow.sitekinds import Site
from controller.web.public.forms import AskBody, SlotView, cleaned
from controller.web.public.origin import client_address
from controller.web.public.refusals import Refusal
from controller.web.public.requests import Visitor
from controller.web.public.server import Parts, PublicRoutes, availability
from controller.web.public.wire import read_body
from controller.web.public.wording import DAYS, MONTHS, NAMES, PAGE, language_of, said

_SCHEMES: Final = {
    "light": " --ground: #fff; --ink: #1c2430; --line: #7d8797;",
    "dark": " --ground: #1b212a; --ink: #e8ecf2; --line: #75839a;",
}
_FORM: Final = "application/x-www-form-urlencoded"
_CONTENT: Final = ("taken", "view", "follow", "open", "shown", "campaign", "medium", "link", "ticket")
_MAX_FIELDS: Final = 30
_MAX_SLOTS: Final = 100


class HostedPages:
    """The pages."""

    def __init__(self, parts: Parts, routes: PublicRoutes) -> None:
        self._parts = parts
        self._routes = routes
        folder = files("controller.web") / "templates"
        templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        self._page = templates.from_string((folder / "hosted.html").read_text("utf-8"))
        self._style = (folder / "hosted.css").read_text("utf-8")

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/rappel-hosted.css", self.style)
        app.router.add_get("/rappel/{site}", self.show)
        app.router.add_post("/rappel/{site}", self.ask)
        app.router.add_get("/rappel/{site}/suivi", self.show)
        app.router.add_post("/rappel/{site}/suivi", self.follow)
        app.router.add_get("/rappel/{site}/theme.css", self.theme)

    async def style(self, request: web.Request) -> web.Response:
        """The look of all hosted pages."""
        return _stylesheet(request, self._style)

    async def theme(self, request: web.Request) -> web.Response:
        """A site's colours; checked when the centre was loaded, so they are colours."""
        theme = self._visitor(request).site.theme
        text = f"--accent: {theme.colour}; --on-accent: {theme.text_colour}; --radius: {theme.radius}px;"
        if theme.scheme != "auto":
            text += _SCHEMES[theme.scheme]
        return _stylesheet(request, f":root {{ {text} }}\n")

    async def show(self, request: web.Request) -> web.Response:
        """The form, or the way to one's request."""
        visitor = self._visitor(request)
        try:
            self._parts.protection.read(visitor.address)
        except Refusal as refusal:
            return self._answer(visitor, refusal=refusal)
        if request.path.endswith("/suivi"):
            return self._answer(visitor, follow=True)
        return await self._form(request, visitor, {})

    async def ask(self, request: web.Request) -> web.Response:
        """Take a form that was sent without JavaScript."""
        visitor = self._visitor(request)
        given: dict[str, str] = {}
        try:
            self._parts.protection.read(visitor.address)
            given = await _fields(request)
            key = given.get("key", "")
            flaw = self._parts.work.form_flaw(given.get("token", ""), key, visitor.site.name, self._now())
            if flaw is not None:
                raise Refusal(flaw)  # noqa: TRY301 - one way from a refusal to the page
            taken = await self._parts.requests.ask(visitor, key, _body(given, visitor), worked=False)
        except (Refusal, StoreError) as error:
            return await self._form(request, visitor, given, self._routes.refusal(error))
        link = f"{request.path}/suivi?lang={visitor.language}#ticket={taken.ticket}"
        return self._answer(visitor, taken=taken, link=link)

    async def follow(self, request: web.Request) -> web.Response:
        """Show or cancel a request whose ticket is in the form."""
        visitor = self._visitor(request)
        try:
            self._parts.protection.read(visitor.address)
            given = await _fields(request)
            ticket = given.get("ticket", "").strip()
            act = self._parts.requests.cancel if given.get("act") == "cancel" else self._parts.requests.look
            view = await act(visitor, ticket)
        except (Refusal, StoreError) as error:
            return self._answer(visitor, follow=True, refusal=self._routes.refusal(error))
        return self._answer(visitor, view=view, ticket=ticket)

    async def _form(
        self, request: web.Request, visitor: Visitor, given: Mapping[str, str], refusal: Refusal | None = None
    ) -> web.Response:
        site, language = visitor.site, visitor.language
        key = secrets.token_urlsafe(24)
        offer = availability(self._parts, site)
        slots: list[tuple[str, str]] = []
        if site.without_script and offer.slots:
            try:
                zone = self._parts.zone()
                view = await self._routes.slots_view(site, zone)
                slots = [(each.at.isoformat(), _told(each, language)) for each in view.slots[:_MAX_SLOTS]]
            except (Refusal, StoreError):
                slots = []  # without slots there is still the first choice, or the telephone
        return self._answer(
            visitor,
            refusal=refusal,
            shown=refusal is not None,
            open=site.without_script and (offer.asap or bool(slots)),
            key=key,
            token=self._parts.work.form_token(key, site.name, self._now()),
            offer=offer,
            slots=slots,
            given={name: given.get(name, "") for name in ("number", "country", "when", "name", "reason")},
            campaign=cleaned(given.get("campaign") or request.query.get("campaign", ""), 80),
            medium=cleaned(given.get("medium") or request.query.get("medium", ""), 40),
        )

    def _answer(self, visitor: Visitor, *, refusal: Refusal | None = None, **content: Any) -> web.Response:
        site, language = visitor.site, visitor.language
        nothing = dict.fromkeys(_CONTENT, "")
        text = self._page.render(
            **nothing | content,
            site=site,
            language=language,
            title=site.title.get(language) or next(iter(site.title.values())),
            consent=site.consent.get(language) or next(iter(site.consent.values())),
            telephone=site.telephone.replace(" ", "").replace(".", ""),
            words=PAGE[language] if language in PAGE else PAGE["en"],
            names=NAMES,
            refusal=refusal and refusal.body(language),
        )
        status = refusal.status if refusal else 201 if content.get("taken") else 200
        headers = _headers(site) | (refusal.headers() if refusal else {})
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)

    def _visitor(self, request: web.Request) -> Visitor:
        site = self._parts.sites().get(request.match_info["site"])
        header = request.query.get("lang", "") or request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
        if site is None:
            words = said("unknown_site", language_of(header, ("fr", "en")))
            raise web.HTTPNotFound(text=f"{words.detail} {words.advice}\n")
        return Visitor(site, client_address(request, self._parts.proxies), language_of(header, site.languages))

    def _now(self) -> float:
        return self._parts.clock.now().timestamp()


def _headers(site: Site) -> dict[str, str]:
    """A site's own pages may frame the hosted one; nothing inline runs, and nothing from elsewhere is loaded."""
    ancestors = " ".join(site.origins) or "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        f" form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
    return {
        "Content-Security-Policy": policy,
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cache-Control": "no-store",
    }


def _stylesheet(request: web.Request, text: str) -> web.Response:
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
    headers = {hdrs.CACHE_CONTROL: "public, max-age=300", hdrs.ETAG: tag}
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    response = web.Response(text=text, content_type="text/css", headers=headers)
    response.enable_compression()
    return response


async def _fields(request: web.Request) -> dict[str, str]:
    if request.content_type != _FORM or request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise Refusal("invalid")
    raw = await read_body(request)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Refusal("invalid") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refusal("invalid")
    return dict(pairs)


def _body(given: Mapping[str, str], visitor: Visitor) -> AskBody:
    """Return the form as the page with JavaScript sends it; checked by the same declaration."""
    when = given.get("when", "")
    asap = when == When.ASAP.value
    values: dict[str, str | None] = {
        name: given.get(name, "") for name in ("number", "country", "name", "reason", "consent", "campaign", "medium")
    }
    values |= {
        "when": When.ASAP.value if asap else When.SLOT.value,
        "slot_at": None if asap else when,
        "language": visitor.language,
        "reason": (given.get("reason") or "").replace("\r\n", "\n"),
    }
    try:
        return msgspec.convert(values, AskBody)
    except msgspec.ValidationError:
        raise Refusal("invalid") from None


def _told(slot: SlotView, language: str) -> str:
    """Return a slot as people say it: `mardi 24 novembre, 14:00-14:30`."""
    at: datetime = slot.at
    day = DAYS[language][at.weekday()]
    month = MONTHS[language][at.month - 1]
    date = f"{day} {at.day} {month}" if language == "fr" else f"{day} {month} {at.day}"
    zone = at.tzinfo.key if isinstance(at.tzinfo, ZoneInfo) else ""
    return f"{date}, {at:%H:%M}\u2013{slot.until:%H:%M} ({zone})"
