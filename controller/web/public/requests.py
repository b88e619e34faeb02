"""A visitor's request: asked for, changed, cancelled. Everything between the form and the desk."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from controller.acd.model import Refused
from controller.callback.model import Consent, Source, When
from controller.calls.callback.desk import Asked, CallbackDesk
from controller.flow.sitekinds import Site
from controller.hours import zones
from controller.ports import Clock
from controller.web.public.following import Following, asked_view
from controller.web.public.forms import AskBody, ChangeBody, RequestView, TakenView, customer_in, origin_in
from controller.web.public.protection import Protection
from controller.web.public.refusals import Refusal, refused
from controller.web.public.tickets import Rights, Seal, Ticket, new_salt

KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")
"""An idempotency key: made at random by the page, for one request; who has it gets the request's ticket."""
_ANSWERS = 2000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: from which address, on which site, in which language."""

    site: Site
    address: str
    language: str


class Requests:
    """Takes, changes and cancels requests of visitors. Everything raises `Refusal`, and `StoreError`."""

    def __init__(
        self, desk: CallbackDesk, clock: Clock, seal: Seal, protection: Protection, following: Following
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._seal = seal
        self._protection = protection
        self._following = following
        self._answers: OrderedDict[bytes, asyncio.Task[TakenView]] = OrderedDict()

    async def ask(self, visitor: Visitor, key: str, body: AskBody, *, worked: bool = True) -> TakenView:
        """Take a request. The same key with the same form, again or at once, is answered in the same way.

        `worked` False: a form without JavaScript, which is taken more seldom.
        """
        if not KEY.fullmatch(key):
            raise Refusal("key_missing")
        name = hashlib.sha256(msgspec.msgpack.encode((visitor.site.name, key, body))).digest()
        task = self._answers.get(name)
        if task is None:
            task = asyncio.create_task(self._ask(visitor, key, body, worked=worked))
            self._answers[name] = task
            task.add_done_callback(lambda done: self._answered(name, done))
            while len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        # One of several who wait may leave; the request is taken all the same.
        return await asyncio.shield(task)

    def _answered(self, name: bytes, task: asyncio.Task[TakenView]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._answers.get(name) is task:
            del self._answers[name]

    async def _ask(self, visitor: Visitor, key: str, body: AskBody, *, worked: bool) -> TakenView:
        site, protection = visitor.site, self._protection
        if worked:
            await protection.admit(site, visitor.address, key, body.work, body.captcha)
        else:
            protection.attempt(visitor.address)
            protection.without_work(site)
        _check(site, body)
        facts = protection.number(site, body.number, body.country)
        await protection.count_number(site, facts)
        now = self._clock.now()
        language = site.language(body.language or visitor.language)
        text = site.consent.get(language) or site.consent[site.languages[0]]
        taken = await self._desk.ask(
            Asked(
                queue=site.queue,
                number=facts.number,
                when=body.when,
                source=Source.WEB,
                language=language,
                country=facts.country,
                zone=body.zone,
                slot_at=body.slot_at,
                customer=customer_in(body, site.name),
                origin=origin_in(body),
                consent=Consent(text, site.consent_version, now, visitor.address),
                idempotency_key=_scoped(site, key),
            )
        )
        if isinstance(taken, Refused):
            protection.counts[f"refused_{taken.code}"] += 1
            raise refused(taken)
        request = taken.request
        own = not taken.again or taken.same_key
        if taken.same_key and request.number != facts.number:
            raise Refusal("key_reused")
        protection.counts["requests" if not taken.again else "requests_again"] += 1
        if own:
            ticket = Ticket(request.request_id, Rights.OWN, request.created_at)
        else:
            ticket = Ticket(request.request_id, Rights.SECOND, now, new_salt())
        sealed = self._seal.seal(ticket, site.name)
        return TakenView(sealed, self._seal.reference(sealed), asked_view(body.when, language))

    def opened(self, site: Site, text: str) -> Ticket:
        """Return the ticket in `text`."""
        ticket = self._seal.open(text, site.name)
        if ticket is None:
            self._protection.counts["wrong_tickets"] += 1
            raise Refusal("ticket_unknown")
        return ticket

    async def change(self, visitor: Visitor, text: str, body: ChangeBody) -> RequestView:
        """Give a request another time or number."""
        ticket = self.opened(visitor.site, text)
        self._protection.attempt(visitor.address)
        _check_when(visitor.site, body.when, has_slot=body.slot_at is not None)
        number = ""
        if body.number:
            facts = self._protection.number(visitor.site, body.number, body.country)
            await self._protection.count_number(visitor.site, facts)
            number = facts.number
        if ticket.rights is Rights.SECOND:
            return asked_view(body.when, visitor.language)
        changed = await self._desk.change(
            ticket.request_id, when=body.when, slot_at=body.slot_at if body.when is When.SLOT else None, number=number
        )
        if isinstance(changed, Refused):
            raise refused(changed)
        self._protection.counts["changed"] += 1
        return await self._look(visitor, text, ticket)

    async def cancel(self, visitor: Visitor, text: str) -> RequestView:
        """Cancel a request; one that is cancelled already is no error."""
        ticket = self.opened(visitor.site, text)
        if ticket.rights is Rights.SECOND:
            self._following.let_be(text)
            return await self._look(visitor, text, ticket)
        view = await self._look(visitor, text, ticket)
        if view.state == "cancelled":
            return view
        cancelled = await self._desk.cancel(ticket.request_id, "by the visitor")
        if isinstance(cancelled, Refused):
            raise refused(cancelled)
        self._protection.counts["cancelled"] += 1
        return await self._look(visitor, text, ticket)

    async def look(self, visitor: Visitor, text: str) -> RequestView:
        """Return how a request is."""
        return await self._look(visitor, text, self.opened(visitor.site, text))

    async def _look(self, visitor: Visitor, text: str, ticket: Ticket) -> RequestView:
        view = await self._following.look(text, ticket, visitor.language)
        if view is None:
            raise Refusal("ticket_unknown")
        return view


def _check(site: Site, body: AskBody) -> None:
    """Refuse what the form itself makes wrong."""
    if not body.consent:
        raise Refusal("consent_missing")
    if body.consent != site.consent_version:
        raise Refusal("consent_changed")
    if body.zone and body.zone not in zones():
        raise Refusal("zone_unknown")
    _check_when(site, body.when, has_slot=body.slot_at is not None)


def _check_when(site: Site, when: When, *, has_slot: bool) -> None:
    if ("slot" if when is When.SLOT else "callback") not in site.modes:
        raise Refusal("mode_off")
    if when is When.SLOT and not has_slot:
        raise Refusal("slot_missing")


def _scoped(site: Site, key: str) -> str:
    """A page's key, so that it meets no other site's and no program's."""
    return "web:" + hashlib.sha256(f"{site.name}:{key}".encode()).hexdigest()[:40]
