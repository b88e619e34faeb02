"""The kinds of fields that hold values, in flow and centre files: how each is written, read and described."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from controller.flow.findings import clipped, did_you_mean
from controller.flow.reading import BAD, Bad, Context, Kind, as_text, read_struct, schema_of
from controller.flow.yamltext import ListNode, MapNode, Node, TextNode

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Steps, flows, prompts, calendars, variables: lower case, digits, underscore; a letter first."""
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MAX_ENTRIES = 500


class Text(Kind):
    """Free text."""

    def __init__(self, max_length: int = 200) -> None:
        self.max_length = max_length

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "text")
        if text is None:
            return BAD
        if len(text.text) > self.max_length:
            ctx.findings.error(text.mark, "length", f"'{path[-1]}' is longer than {self.max_length} characters")
            return BAD
        return text.text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"], "maxLength": self.max_length}


class Pattern(Kind):
    """Text of a certain form; `expected` says which, in words."""

    def __init__(self, pattern: str, expected: str) -> None:
        self.pattern = re.compile(pattern)
        self.expected = expected

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, self.expected)
        if text is None:
            return BAD
        if not self.pattern.fullmatch(text.text):
            message = f"'{path[-1]}' must be {self.expected}, not '{clipped(text.text, 60)}'"
            ctx.findings.error(text.mark, "form", message)
            return BAD
        return text.text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"], "pattern": f"^(?:{self.pattern.pattern})$"}


class Integer(Kind):
    """A whole number within bounds."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        expected = f"a whole number from {self.minimum} to {self.maximum}"
        text = as_text(node, ctx, expected)
        if text is None:
            return BAD
        if re.fullmatch(r"-?[0-9]{1,9}", text.text) and self.minimum <= int(text.text) <= self.maximum:
            return int(text.text)
        message = f"'{path[-1]}' must be {expected}, not '{clipped(text.text, 40)}'"
        ctx.findings.error(text.mark, "number", message)
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class Flag(Kind):
    """`true` or `false`."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "true or false")
        if text is None:
            return BAD
        if text.text in ("true", "false"):
            return text.text == "true"
        meant = {"yes": "true", "on": "true", "oui": "true", "no": "false", "off": "false", "non": "false"}
        hint = meant.get(text.text.lower(), "")
        message = f"'{path[-1]}' must be true or false, not '{clipped(text.text, 40)}'"
        ctx.findings.error(text.mark, "flag", message, f"write {hint}" if hint else "")
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Duration(Kind):
    """A duration with its unit, within bounds in seconds; read into seconds."""

    suffix = "_s"

    def __init__(self, minimum_s: float, maximum_s: float) -> None:
        self.minimum_s = minimum_s
        self.maximum_s = maximum_s

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a duration such as 5s or 2m")
        if text is None:
            return BAD
        match = _DURATION.fullmatch(text.text)
        if match is None:
            hint = f"write {text.text}s" if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text.text) else "units: ms s m h d"
            message = f"'{path[-1]}' must be a duration with its unit, not '{clipped(text.text, 40)}'"
            ctx.findings.error(text.mark, "duration", message, hint)
            return BAD
        seconds = float(match[1]) * _UNITS[match[2]]
        if not self.minimum_s <= seconds <= self.maximum_s:
            message = f"'{path[-1]}' must last from {self.minimum_s:g}s to {self.maximum_s:g}s, not {text.text}"
            ctx.findings.error(text.mark, "duration", message)
            return BAD
        return seconds

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_DURATION.pattern}$"}


class Word(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "one of " + ", ".join(self.words))
        if text is None:
            return BAD
        if text.text in self.words:
            return text.text
        message = f"'{path[-1]}' has no value '{clipped(text.text, 40)}'"
        ctx.findings.error(text.mark, "word", message, did_you_mean(text.text, self.words))
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


class Name(Kind):
    """A name that is given here."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a name")
        return BAD if text is None or not valid_name(text, ctx) else text.text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}


def valid_name(node: TextNode, ctx: Context) -> bool:
    """Return whether `node` is a name as we write them; else add a finding."""
    if NAME.fullmatch(node.text):
        return True
    lowered = re.sub(r"[^a-z0-9_]+", "_", node.text.lower()).strip("_")[:64]
    hint = f"write {lowered}" if NAME.fullmatch(lowered) else ""
    message = f"'{clipped(node.text, 60)}' is not a name: a lower-case letter, then letters, digits and _"
    ctx.findings.error(node.mark, "name", message, hint)
    return False


class Nested(Kind):
    """A mapping with a declaration of its own."""

    def __init__(self, model: type[msgspec.Struct]) -> None:
        self.model = model

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        return read_struct(self.model, node, ctx, path)

    def schema(self) -> dict[str, Any]:
        return schema_of(self.model)


class ListOf(Kind):
    """A list of one kind, read into a tuple. The path of an item counts from 1."""

    def __init__(self, kind: Kind, minimum: int = 1, maximum: int = 50) -> None:
        self.kind = kind
        self.minimum = minimum
        self.maximum = maximum

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if not isinstance(node, ListNode):
            ctx.findings.error(node.mark, "structure", f"'{path[-1]}' must be a list", "write [a, b] or - lines")
            return BAD
        if not self.minimum <= len(node.items) <= self.maximum:
            message = f"'{path[-1]}' takes {self.minimum} to {self.maximum} items, not {len(node.items)}"
            ctx.findings.error(node.mark, "length", message)
            return BAD
        values = tuple(self.kind.read(item, ctx, (*path, str(i))) for i, item in enumerate(node.items, start=1))
        return BAD if any(isinstance(value, Bad) for value in values) else values

    def schema(self) -> dict[str, Any]:
        return {
            "type": "array",
            "items": self.kind.schema(),
            "minItems": self.minimum,
            "maxItems": self.maximum,
        }


class MapOf(Kind):
    """A mapping from names (or keys of a form) to one kind, read into a dict."""

    def __init__(self, kind: Kind, pattern: str = NAME.pattern, expected: str = "a name") -> None:
        self.kind = kind
        self.pattern = re.compile(pattern)
        self.expected = expected

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        values: dict[str, Any] = {}
        for key, (mark, value) in entries.items():
            if not self.pattern.fullmatch(key):
                ctx.findings.error(mark, "form", f"'{clipped(key, 60)}' is not {self.expected}")
                continue
            item = self.kind.read(value, ctx, (*path, key))
            if not isinstance(item, Bad):
                values[key] = item
        return values if len(values) == len(entries) else BAD

    def schema(self) -> dict[str, Any]:
        keys = f"^(?:{self.pattern.pattern})$"
        return {"type": "object", "patternProperties": {keys: self.kind.schema()}, "additionalProperties": False}


def entries_of(node: Node, ctx: Context, path: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the entries of a mapping of a sane size; else add a finding."""
    if not isinstance(node, MapNode):
        ctx.findings.error(node.mark, "structure", f"'{path[-1]}' must be a mapping (key: value)")
        return None
    if not 1 <= len(node.entries) <= _MAX_ENTRIES:
        message = f"'{path[-1]}' takes 1 to {_MAX_ENTRIES} entries, not {len(node.entries)}"
        ctx.findings.error(node.mark, "length", message)
        return None
    return dict(node.entries)
