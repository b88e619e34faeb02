"""Sites: the pages on which visitors may ask to be called, as centre.yaml says them.

::

    sites:
      boutique:
        title: {fr: "Parlons vélo", en: "Let's talk bikes"}
        origins: ["https://www.velos-mirabelle.example"]
        queue: ventes
        modes: [callback, slot, voice]
        voice_number: +33 3 53 01 47 00
        countries: [FR, BE, LU]
        kinds: [fixed, mobile]
        consent:
          version: "2026-11"
          text: {fr: "Je demande à être rappelé…", en: "I ask to be called…"}
        privacy: https://www.velos-mirabelle.example/vie-privee
        telephone: "+33 3 53 01 47 00"
        theme: {colour: "#0b6e4f", position: right}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import phonenumbers

from controller.flow.findings import Mark, clipped
from controller.flow.kinds import Flag, Integer, ListOf, MapOf, Nested, Pattern, Text, Word
from controller.flow.prompts import LANGUAGES
from controller.flow.reading import BAD, Bad, Context, Kind, as_text, read_struct
from controller.flow.refkinds import RefTo
from controller.flow.yamltext import MapNode, Node
from controller.outbound.model import NumberKind

MODES = ("callback", "slot", "voice")
"""Be called as soon as somebody is free; be called at a time one picks; talk from the page."""
KINDS = (NumberKind.FIXED, NumberKind.MOBILE, NumberKind.FIXED_OR_MOBILE, NumberKind.VOIP)
"""The destinations of a site that names none. The gate of outbound calls may allow fewer, never more."""
DEFAULT_CONSENT_VERSION = "rappel-1"
DEFAULT_CONSENT = {
    "fr": "Je demande à être rappelé à ce numéro pour cette demande. Le numéro n'est utilisé que pour cela.",
    "en": "I ask to be called at this number about this request. The number is used for nothing else.",
}
SITE_NAME = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
_READABLE = re.compile(r"[!-~]{1,300}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]{1,63}\.){0,8}[a-z0-9-]{1,63}(?::[0-9]{1,5})?")


class Origin(Kind):
    """Where a page is served: scheme and host, as browsers send it in `Origin`."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "an origin")
        if text is None:
            return BAD
        if _ORIGIN.fullmatch(text.text):
            return text.text
        message = f"'{clipped(text.text, 60)}' is not an origin"
        ctx.findings.error(text.mark, "origin", message, "write https://www.shop.example, without a path")
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_ORIGIN.pattern}$"}


class Link(Kind):
    """A link to a page of the company's."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a link")
        if text is None:
            return BAD
        try:
            parts = urlsplit(text.text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme in ("https", "http") and parts.hostname and _READABLE.fullmatch(text.text):
            return text.text
        message = f"'{clipped(text.text, 60)}' is not a link"
        ctx.findings.error(text.mark, "link", message, "write https://www.shop.example/privacy")
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uri"}


def _texts(length: int) -> MapOf:
    return MapOf(Text(length), "|".join(LANGUAGES), "a language: " + ", ".join(LANGUAGES))


class ConsentFile(msgspec.Struct, frozen=True):
    """What a visitor agrees to; another text needs another version."""

    version: Annotated[str, Text(40)]
    text: Annotated[dict[str, str], _texts(1000)]


class Theme(msgspec.Struct, frozen=True):
    """How button and form look. Colours as `#rrggbb`, the radius in pixels."""

    colour: Annotated[str, Pattern(r"#[0-9a-fA-F]{6}", "a colour such as #0b6e4f")] = "#0b6e4f"
    text_colour: Annotated[str, Pattern(r"#[0-9a-fA-F]{6}", "a colour such as #ffffff")] = "#ffffff"
    radius: Annotated[int, Integer(0, 32)] = 8
    position: Annotated[str, Word("right", "left", "inline")] = "right"
    scheme: Annotated[str, Word("auto", "light", "dark")] = "auto"


class SiteFile(msgspec.Struct, frozen=True):
    """One site of centre.yaml."""

    queue: Annotated[str, RefTo("queue")]
    title: Annotated[dict[str, str], _texts(80)] = {}
    origins: Annotated[tuple[str, ...], ListOf(Origin(), 1, 20)] = ()
    languages: Annotated[tuple[str, ...], ListOf(Word(*LANGUAGES))] = ()
    modes: Annotated[tuple[str, ...], ListOf(Word(*MODES), 1, 3)] = ("callback", "slot")
    countries: Annotated[tuple[str, ...], ListOf(Word(*sorted(phonenumbers.SUPPORTED_REGIONS)), 1, 250)] = ()
    kinds: Annotated[tuple[str, ...], ListOf(Word(*NumberKind), 1, 20)] = KINDS
    consent: Annotated[ConsentFile | None, Nested(ConsentFile)] = None
    privacy: Annotated[str, Link()] = ""
    telephone: Annotated[str, Pattern(r"\+?[0-9][0-9 .]{2,24}", "a telephone number")] = ""
    theme: Annotated[Theme, Nested(Theme)] = Theme()
    voice_number: Annotated[str, Pattern(r"\+?[0-9][0-9 .-]{0,24}|[a-z][a-z0-9]*", "a number of the centre's")] = ""
    per_day: Annotated[int, Integer(1, 100_000)] = 1000
    without_script: Annotated[bool, Flag()] = True


class SiteDraft(msgspec.Struct, frozen=True):
    """A site as read, and where it stands."""

    file: SiteFile
    mark: Mark


class SiteKind(Kind):
    """One site."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        file = read_struct(SiteFile, node, ctx, path)
        if isinstance(file, Bad):
            return BAD
        if not file.privacy:
            message = "the site has no link to what is done with visitors' data"
            ctx.findings.warning(node.mark, "site-privacy", message, "add privacy: https://…")
        languages = file.languages or tuple(file.consent.text if file.consent else LANGUAGES)
        texts = {"title": file.title or None, "consent": file.consent.text if file.consent else None}
        for key, text in texts.items():
            lacking = [] if text is None else [each for each in languages if each not in text]
            if lacking and isinstance(node, MapNode):
                message = f"'{key}' lacks '{lacking[0]}', a language of the site"
                ctx.findings.error(node.entries[key][1].mark, "site-language", message, f"add {lacking[0]}: to it")
        return SiteDraft(file, node.mark)

    def schema(self) -> dict[str, Any]:
        return Nested(SiteFile).schema()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One site of a release."""

    name: str
    queue: str
    title: dict[str, str]
    """By language, as all texts here."""
    origins: tuple[str, ...]
    """Pages served from there may ask; our own hosted pages always may."""
    languages: tuple[str, ...]
    """The first is the default."""
    modes: frozenset[str]
    country: str
    """Where a number without a plus sign is from, unless the visitor says otherwise."""
    countries: tuple[str, ...]
    """ISO 3166, the centre's first: whose numbers may be called from this site."""
    kinds: frozenset[str]
    """`controller.outbound.model.NumberKind`."""
    consent: dict[str, str]
    consent_version: str
    privacy: str = ""
    telephone: str = ""
    """What visitors may call instead."""
    theme: Theme = Theme()
    voice_number: str = ""
    """The centre's number that a call from the page goes to."""
    per_day: int = 1000
    """Requests of all visitors in a day."""
    without_script: bool = True
    """The hosted page takes some requests without JavaScript, and so without proof of work."""

    def language(self, wanted: str) -> str:
        """Return `wanted` if the site speaks it, else its first language."""
        return wanted if wanted in self.languages else self.languages[0]


def compile_site(
    name: str, file: SiteFile, *, country: str, languages: tuple[str, ...], titles: Mapping[str, str]
) -> Site:
    """Return the site of a draft without errors. `titles` are what queues are called, by name."""
    spoken = file.languages or languages
    consent = file.consent or ConsentFile(DEFAULT_CONSENT_VERSION, DEFAULT_CONSENT)
    title = titles.get(file.queue) or file.queue
    return Site(
        name=name,
        queue=file.queue,
        title=file.title or dict.fromkeys(spoken, title),
        origins=file.origins,
        languages=spoken,
        modes=frozenset(file.modes),
        country=country,
        countries=file.countries or (country,),
        kinds=frozenset(file.kinds),
        consent=consent.text,
        consent_version=consent.version,
        privacy=file.privacy,
        telephone=file.telephone,
        theme=file.theme,
        voice_number=file.voice_number,
        per_day=file.per_day,
        without_script=file.without_script,
    )
