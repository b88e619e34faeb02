"""Kinds of fields of requests to other systems: URLs, headers, and text with `${…}` in it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from controller.flow.findings import clipped
from controller.flow.kinds import entries_of
from controller.flow.reading import BAD, Context, Kind, Template, Use, as_text
from controller.flow.yamltext import Node, TextNode

_SUBSTITUTION = re.compile(r"\$\{([^{}]*)\}")
_DOTTED = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,8}")
_MAX_TEXT = 4000


class Url(Kind):
    """An absolute http or https URL; `${…}` only after the host, where it is percent-encoded."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a URL")
        if text is None:
            return BAD
        template = read_template(text, ctx, url=True)
        if template is None:
            return BAD
        head = template.parts[0]
        try:
            split = urlsplit(head)
            port = split.port
        except ValueError:
            ctx.findings.error(text.mark, "url", "this is not a URL")
            return BAD
        whole_host = len(template.parts) == 1 or "/" in head.partition("://")[2]
        if split.scheme not in ("http", "https") or not split.hostname or port == 0 or not whole_host:
            message = "a URL starts with https:// and a fixed host; ${…} may stand only after the host"
            ctx.findings.error(text.mark, "url", message, "https://host.example/path/${name}")
            return BAD
        if split.username is not None or "\\" in text.text or not text.text.isprintable() or " " in text.text:
            ctx.findings.error(text.mark, "url", "a URL holds no user name, backslash, blank or control character")
            return BAD
        ctx.uses.append(Use("url", template, text.mark, ctx.step))
        return template

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^https?://"}


class Headers(Kind):
    """HTTP headers: name → text with `${…}`."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        headers: dict[str, Template] = {}
        for key, (mark, value) in entries.items():
            text = as_text(value, ctx, "a header's value")
            template = None if text is None else read_template(text, ctx)
            if template is None:
                return BAD
            if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", key) or not value_is_header(template):
                ctx.findings.error(mark, "header", f"'{clipped(key, 40)}' is not a header that can be sent")
                return BAD
            ctx.uses.append(Use("header", template, mark, ctx.step))
            headers[key] = template
        return headers

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": ["string", "number"]}}


def value_is_header(template: Template) -> bool:
    """Return whether the fixed parts of `template` may stand in an HTTP header."""
    return all(part.isprintable() for part in template.parts[::2])


def read_template(node: TextNode, ctx: Context, *, url: bool = False) -> Template | None:
    """Split `node` at its `${…}`; add a finding and return None when one of them is not a name."""
    if len(node.text) > _MAX_TEXT:
        ctx.findings.error(node.mark, "length", f"longer than {_MAX_TEXT} characters")
        return None
    parts = tuple(part.strip() if i % 2 else part for i, part in enumerate(_SUBSTITUTION.split(node.text)))
    for part in parts[::2]:
        if "${" in part:
            ctx.findings.error(node.mark, "template", "a ${ without its }", "write ${name}")
            return None
    for name in parts[1::2]:
        if not _DOTTED.fullmatch(name):
            message = f"${{{clipped(name, 40)}}} is not the name of a variable; ${{…}} only substitutes"
            ctx.findings.error(node.mark, "template", message, "compute it in a `set` step before")
            return None
    return Template(parts, node.mark, url)
