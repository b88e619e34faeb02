"""Kinds of fields that stand for something else: the name of a step, a prompt or a variable, or an expression."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from controller.flow.expressions import ValueType
from controller.flow.findings import clipped
from controller.flow.kinds import NAME, entries_of, valid_name
from controller.flow.reading import BAD, Bad, Context, Kind, What, Write, as_text
from controller.flow.yamltext import ListNode, Node, TextNode


class RefTo(Kind):
    """The name of a calendar, an extension, a language or another flow, that exists elsewhere."""

    def __init__(self, what: What) -> None:
        self.what = what

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, f"the name of a {self.what}")
        return BAD if text is None else ctx.refer(self.what, text)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"]}


class Prompts(Kind):
    """The name of a prompt, or a list of names: read into a tuple."""

    def __init__(self, max_names: int = 1) -> None:
        self.max_names = max_names

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        nodes = node.items if isinstance(node, ListNode) else (node,)
        if not 1 <= len(nodes) <= self.max_names:
            ctx.findings.error(node.mark, "length", f"'{path[-1]}' takes 1 to {self.max_names} prompts")
            return BAD
        texts = [as_text(one, ctx, "the name of a prompt") for one in nodes]
        names = tuple(ctx.refer("prompt", text) for text in texts if text is not None)
        return names if len(names) == len(texts) else BAD

    def schema(self) -> dict[str, Any]:
        one = {"type": "string"}
        if self.max_names == 1:
            return one
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": self.max_names}]}


class Exit(Kind):
    """The step an exit leads to. `moves`: the exit takes an act of the caller, or a conversation."""

    def __init__(self, *, moves: bool = False) -> None:
        self.moves = moves

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "the name of a step")
        if text is None:
            return BAD
        return ctx.refer("step", text, exit_name(path), moves=self.moves)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


def exit_name(path: Iterable[str]) -> str:
    """Return the name of the exit whose target is written under the keys `path` of a step.

    `then` and `go` only say where an exit leads: `no_input: {then: x}` is the exit `no_input`. `choices` and
    `exits` only group: `choices: {1: x}` is the exit `1`.
    """
    return ".".join(key for key in path if key not in ("then", "go", "choices", "exits"))


class ExitMap(Kind):
    """Several exits: key → step, the keys of a certain form."""

    def __init__(self, pattern: str, expected: str, *, moves: bool = False) -> None:
        self.pattern = re.compile(pattern)
        self.expected = expected
        self.exit = Exit(moves=moves)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        exits: dict[str, str] = {}
        good = True
        for key, (mark, value) in entries.items():
            target = self.exit.read(value, ctx, (*path, key))
            if not self.pattern.fullmatch(key):
                ctx.findings.error(mark, "form", f"'{clipped(key, 40)}' is not {self.expected}")
                good = False
            elif isinstance(target, Bad):
                good = False
            else:
                exits[key] = target
        return exits if good else BAD

    def schema(self) -> dict[str, Any]:
        keys = f"^(?:{self.pattern.pattern})$"
        step = {"type": "string"}
        return {
            "type": "object",
            "patternProperties": {keys: step},
            "additionalProperties": False,
            "minProperties": 1,
        }


class Cel(Kind):
    """A CEL expression. `wants` is the type it must have, `scope` names what more it may read."""

    def __init__(self, wants: ValueType | None = None, scope: str = "") -> None:
        self.wants = wants
        self.scope = scope

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "an expression")
        return BAD if text is None else ctx.expression(text, wants=self.wants, scope=self.scope)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


class Variable(Kind):
    """The name of a variable that the step gives a value of `type`."""

    def __init__(self, type_: ValueType = ValueType.ANY) -> None:
        self.type = type_

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "the name of a variable")
        if text is None or not valid_name(text, ctx):
            return BAD
        ctx.writes.append(Write(text.text, text.mark, ctx.step, self.type))
        return text.text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}


class Assignments(Kind):
    """Names → expressions. With `writes` the names are variables that get the values; else just names.

    `outside`: the values come from outside the flow, so that they are not secret because of what they are read from.
    """

    def __init__(self, *, writes: bool, scope: str = "", outside: bool = False) -> None:
        self.writes = writes
        self.scope = scope
        self.outside = outside

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        values: dict[str, Any] = {}
        good = True
        for key, (mark, value) in entries.items():
            text = as_text(value, ctx, "an expression")
            if not valid_name(TextNode(mark, key), ctx) or text is None:
                good = False
                continue
            expr = ctx.expression(text, scope=self.scope)
            values[key] = expr
            if self.writes:
                ctx.writes.append(Write(key, mark, ctx.step, source=None if self.outside else expr))
        return values if good else BAD

    def schema(self) -> dict[str, Any]:
        value = {"type": ["string", "number", "boolean"]}
        return {"type": "object", "propertyNames": {"pattern": f"^{NAME.pattern}$"}, "additionalProperties": value}
