"""centre.yaml: the company's numbers, calendars, extensions, queues, and what its flows may reach."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import phonenumbers

from controller.flow.calendars import CalendarDraft, CalendarKind
from controller.flow.findings import clipped, did_you_mean
from controller.flow.kinds import ListOf, MapOf, Nested, Pattern, Text, Word
from controller.flow.outboundkinds import TARIFF_CLASS, OutboundDraft, OutboundKind
from controller.flow.prompts import LANGUAGES, Prompt, PromptTable
from controller.flow.queuekinds import QueueDraft, QueueKind
from controller.flow.reading import BAD, Context, Kind, as_text
from controller.flow.refkinds import RefTo
from controller.flow.release import HttpHost
from controller.flow.sitekinds import SITE_NAME, SiteDraft, SiteKind
from controller.flow.yamltext import Node
from controller.hours import zones

CENTRE_FILE = "centre.yaml"
LATER_KEYS = {
    **dict.fromkeys(
        ("agents", "companies", "trunks"),
        "this version of Rappel does not have these yet; delete the key, or install a later version",
    ),
    "callbacks": "how customers are called back stands with each queue, under callback:",
    "purposes": "what each purpose asks for is law, not a setting; a queue's callback: names its purpose",
    "tariffs": "tariffs stand under outbound:",
}
_HOST = re.compile(r"(?:(https?)://)?([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([0-9]{1,5}))?/?")
_PORTS = {"http": 80, "https": 443}


class Host(Kind):
    """`crm.example` (https), `crm.example:8443`, or `http://10.0.0.5:8080` for one that is reached without TLS."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a host")
        if text is None:
            return BAD
        match = _HOST.fullmatch(text.text)
        scheme = match[1] or "https" if match else ""
        port = int(match[3]) if match and match[3] else _PORTS.get(scheme, 0)
        if match is None or not 0 < port <= 65535:  # noqa: PLR2004 - the range of TCP ports
            message = f"'{clipped(text.text, 60)}' is not a host"
            ctx.findings.error(text.mark, "host", message, "write crm.example or http://crm.example:8080")
            return BAD
        return HttpHost(scheme, match[2].lower(), port)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


class Zone(Kind):
    """An IANA time zone."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a time zone")
        if text is None:
            return BAD
        if text.text not in zones():
            message = f"there is no time zone '{clipped(text.text, 40)}'"
            ctx.findings.error(
                text.mark, "zone", message, did_you_mean(text.text, zones()) or "write one such as Europe/Paris"
            )
            return BAD
        return text.text

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


class NumberEntry(msgspec.Struct, frozen=True):
    """Where calls to one number go."""

    flow: Annotated[str, RefTo("flow")]
    language: Annotated[str, Word(*LANGUAGES)] = ""
    tariff_class: Annotated[str, Pattern(TARIFF_CLASS, "a tariff class such as free or shared")] = ""
    title: Annotated[str, Text()] = ""


class ExtensionEntry(msgspec.Struct, frozen=True):
    """The endpoint behind an extension."""

    endpoint: Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", "the name of a SIP endpoint")]
    label: Annotated[str, Text(80)] = ""


class HttpRules(msgspec.Struct, frozen=True):
    """What `http` steps may reach."""

    hosts: Annotated[tuple[HttpHost, ...], ListOf(Host())]


class CentreFile(msgspec.Struct, frozen=True):
    """The whole file. Numbers are quoted or not, with + and blanks or without; the first language is the default."""

    numbers: Annotated[
        dict[str, NumberEntry],
        MapOf(
            Nested(NumberEntry),
            r"\+?[0-9][0-9 .-]{0,29}|[a-z][a-z0-9]{0,39}|\*[0-9*]{1,9}",
            "a number such as +33123456789, or a code such as *11",
        ),
    ]
    centre: Annotated[str, Text()] = ""
    country: Annotated[str, Word(*sorted(phonenumbers.SUPPORTED_REGIONS))] = "FR"
    zone: Annotated[str, Zone()] = "Europe/Paris"
    languages: Annotated[tuple[str, ...], ListOf(Word(*LANGUAGES))] = LANGUAGES
    extensions: Annotated[
        dict[str, ExtensionEntry],
        MapOf(Nested(ExtensionEntry), r"[0-9*#]{1,20}|[a-z][a-z0-9_-]{0,39}", "an extension such as 201"),
    ] = {}
    calendars: Annotated[dict[str, CalendarDraft], MapOf(CalendarKind())] = {}
    skills: Annotated[dict[str, str], MapOf(Text(80))] = {}
    queues: Annotated[dict[str, QueueDraft], MapOf(QueueKind())] = {}
    sites: Annotated[dict[str, SiteDraft], MapOf(SiteKind(), SITE_NAME, "a site's name such as boutique")] = {}
    outbound: Annotated[OutboundDraft | None, OutboundKind()] = None
    http: Annotated[HttpRules, Nested(HttpRules)] = HttpRules(())
    prompts: Annotated[dict[str, Prompt | None], PromptTable()] = {}
