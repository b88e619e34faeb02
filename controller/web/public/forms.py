"""What visitors send and what they get, as data; texts are cleaned here, and are data everywhere after."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from controller.callback.model import Customer, Origin, When

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class WorkDone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A challenge and its solution, see `controller.web.public.work`."""

    challenge: Annotated[str, msgspec.Meta(max_length=200)] = ""
    solution: Annotated[str, msgspec.Meta(max_length=400)] = ""


class AskBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form."""

    number: Annotated[str, msgspec.Meta(max_length=64)]
    country: Annotated[str, msgspec.Meta(pattern="^(?:[A-Z]{2})?$")] = ""
    when: When = When.ASAP
    slot_at: Aware | None = None
    zone: Annotated[str, msgspec.Meta(max_length=60)] = ""
    language: Annotated[str, msgspec.Meta(max_length=8)] = ""
    name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    reference: Annotated[str, msgspec.Meta(max_length=60)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    consent: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """The version that was shown and agreed to."""
    page: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    campaign: Annotated[str, msgspec.Meta(max_length=80)] = ""
    medium: Annotated[str, msgspec.Meta(max_length=40)] = ""
    referrer: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    work: WorkDone = WorkDone()
    captcha: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class VoiceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to talk from the page."""

    language: Annotated[str, msgspec.Meta(max_length=8)] = ""
    name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    reference: Annotated[str, msgspec.Meta(max_length=60)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    page: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    campaign: Annotated[str, msgspec.Meta(max_length=80)] = ""
    medium: Annotated[str, msgspec.Meta(max_length=40)] = ""
    referrer: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    work: WorkDone = WorkDone()
    captcha: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class VoiceView(msgspec.Struct, frozen=True):
    """Lets the page make one call, once, until then (`controller.web.voice.relay`)."""

    ticket: str
    expires_at: datetime


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another time, or another number, for a request that stands."""

    when: When
    slot_at: Aware | None = None
    number: Annotated[str, msgspec.Meta(max_length=64)] = ""
    country: Annotated[str, msgspec.Meta(pattern="^(?:[A-Z]{2})?$")] = ""


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """What a page must know to show the form."""

    site: str
    title: str
    language: str
    languages: tuple[str, ...]
    modes: list[str]
    country: str
    countries: tuple[str, ...]
    consent: str
    consent_version: str
    privacy: str
    telephone: str
    theme: dict[str, str | int]


class AvailabilityView(msgspec.Struct, frozen=True, kw_only=True):
    """What the button may offer at this moment. `show`: callback, slot, voice or none."""

    show: str
    open: bool
    now: bool
    asap: bool
    slots: bool
    voice: bool
    estimate_s: int | None
    """As it is told: rounded up to whole minutes (`controller.callback.promise`)."""
    opens_at: datetime | None


class SlotView(msgspec.Struct, frozen=True):
    """A time to choose; both in the zone asked for."""

    at: datetime
    until: datetime


class SlotsView(msgspec.Struct, frozen=True):
    """The times to choose from, the soonest first."""

    zone: str
    slots: list[SlotView]


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """How a request is."""

    state: str
    """scheduled, waiting, dialling, ringing, answered, connected, done, failed, refused, cancelled, expired."""
    text: str
    final: bool
    position: int | None = None
    estimate_s: int | None = None
    due_at: datetime | None = None
    slot_at: datetime | None = None
    tries: int = 0
    may_change: bool = False
    """Also: may cancel."""


class TakenView(msgspec.Struct, frozen=True):
    """A request was taken. The ticket is its key: keep it for this visitor, show it to nobody, put it into no URL."""

    ticket: str
    reference: str
    """What a visitor may tell on the telephone; it opens nothing."""
    request: RequestView


def origin_in(body: AskBody | VoiceBody) -> Origin:
    """Return where a visitor came from, without what may be personal in addresses."""
    return Origin(
        page=without_query(body.page),
        campaign=cleaned(body.campaign, 80),
        medium=cleaned(body.medium, 40),
        referrer=without_query(body.referrer, path=False),
    )


def customer_in(body: AskBody | VoiceBody, site: str) -> Customer:
    """Return what a visitor told of themselves."""
    return Customer(
        name=cleaned(body.name, 80),
        reference=cleaned(body.reference, 60),
        reason=cleaned(body.reason, 500, lines=True),
        data={"site": site},
    )


def cleaned(text: str, length: int, *, lines: bool = False) -> str:
    """Return `text` without control, format and private characters, in NFC, cut to `length`.

    So nobody writes in two directions, hides words, or begins a new line where there is one (unless `lines`).
    """
    kept = []
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if char == "\n" and lines:
            kept.append(char)
        elif category in {"Zl", "Zp", "Cc"}:
            kept.append(" ")
        elif category[0] != "C":
            kept.append(char)
    return "".join(kept).strip()[:length]


def without_query(address: str, *, path: bool = True) -> str:
    """Return scheme, host and path of a web address, "" when it is none: queries hold names and e-mail addresses."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    return cleaned(f"{parts.scheme}://{host}{port}{parts.path if path else ''}", 300)
