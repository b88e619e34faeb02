"""From YAML nodes to declared structs: one declaration of a struct's fields drives reading, checks and schema.

A field's annotation carries its kind: `Annotated[float, Duration()]`. A kind reads a node, reports what is wrong
with it, remembers in the `Context` what the value refers to (steps, prompts, variables …), and describes itself as
JSON Schema. `read_struct` does the same for a whole mapping. A trailing underscore in a field's name, and the unit of
a duration, are not part of its key in YAML (`else_` is `else`, `ring_s` is `ring`).
"""

from __future__ import annotations

import functools
import typing
from typing import Any, Final, Literal, TypeVar

import msgspec

from controller.flow.expressions import Expression, ValueType
from controller.flow.findings import Findings, Mark, clipped, did_you_mean
from controller.flow.yamltext import ListNode, MapNode, Node, TextNode


class Bad:
    """Stands for a value that could not be read; its finding is already there."""


BAD: Final = Bad()

What = Literal["step", "prompt", "calendar", "flow", "extension", "language", "queue", "skill"]


class Reference(msgspec.Struct, frozen=True):
    """A name in a flow that must exist somewhere: which, where, and in which step (empty: the flow's head).

    For steps, `exit` is the name of the exit, and `moves` says that taking it takes an act of the caller or the
    passing of time, so that it cannot be part of an endless loop.
    """

    what: What
    name: str
    mark: Mark
    step: str = ""
    exit: str = ""
    moves: bool = False


class Expr:
    """A CEL expression of a flow. `wants` is the type it must have (None: any), `scope` names what more it may read.

    `program` is set when the flow is linked, before it can run.
    """

    __slots__ = ("mark", "program", "scope", "source", "step", "wants")

    def __init__(self, source: str, mark: Mark, step: str, wants: ValueType | None = None, scope: str = "") -> None:
        self.source = source
        self.mark = mark
        self.step = step
        self.wants = wants
        self.scope = scope
        self.program: Expression | None = None

    def __repr__(self) -> str:
        return f"Expr({self.source!r})"


class Template(msgspec.Struct, frozen=True):
    """Text with `${name}` in it: the literal text at even places, the names at odd ones."""

    parts: tuple[str, ...]
    mark: Mark
    url: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are substituted, dotted ones in full."""
        return self.parts[1::2]


class Write(msgspec.Struct, frozen=True):
    """A step gives the variable `name` a value: from the expression `source`, or from outside (None)."""

    name: str
    mark: Mark
    step: str
    type: ValueType = ValueType.ANY
    source: Expr | None = None


class Use(msgspec.Struct, frozen=True):
    """A value leaves the flow: an expression or a template whose result is spoken, sent or put into a URL."""

    place: Literal["prompt", "url", "header", "text"]
    value: Expr | Template
    mark: Mark
    step: str


class Context:
    """What is known while one file is read, and what was seen in it."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.step = ""
        self.references: list[Reference] = []
        self.expressions: list[Expr] = []
        self.writes: list[Write] = []
        self.uses: list[Use] = []
        self.recordings: list[tuple[str, Mark]] = []

    def refer(self, what: What, node: TextNode, exit_name: str = "", *, moves: bool = False) -> str:
        """Remember that `node` names something, and return the name."""
        self.references.append(Reference(what, node.text, node.mark, self.step, exit_name, moves))
        return node.text

    def expression(self, node: TextNode, *, wants: ValueType | None = None, scope: str = "") -> Expr:
        """Return the expression in `node`, to be compiled when the variables of the flow are known."""
        expr = Expr(node.text, node.mark_at(0), self.step, wants, scope)
        self.expressions.append(expr)
        return expr


class Kind:
    """How one field is written."""

    suffix = ""
    """The end of the field's name that is not part of its key: the unit of a duration."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        """Return the value, or `BAD` after adding a finding. `path` is the keys from the step down to here."""
        raise TypeError(f"{type(self).__name__} does not read")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the field."""
        raise TypeError(f"{type(self).__name__} has no schema")


class Field(msgspec.Struct, frozen=True):
    """One field of a struct as `read_struct` sees it."""

    name: str
    key: str
    kind: Kind
    required: bool


@functools.cache
def fields_of(model: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of `model` that carry a kind, in order."""
    hints = typing.get_type_hints(model, include_extras=True)
    fields = []
    for info in msgspec.structs.fields(model):
        kinds = [extra for extra in getattr(hints[info.name], "__metadata__", ()) if isinstance(extra, Kind)]
        if kinds:
            key = info.name.rstrip("_").removesuffix(kinds[0].suffix)
            fields.append(Field(info.name, key, kinds[0], info.required))
    return tuple(fields)


Model = TypeVar("Model", bound=msgspec.Struct)


def read_struct(
    model: type[Model],
    node: Node,
    ctx: Context,
    path: tuple[str, ...] = (),
    *,
    fixed: dict[str, Any] | None = None,
    other_keys: dict[str, str] | None = None,
) -> Model | Bad:
    """Read `node` into `model`, adding a finding for everything that does not fit: `BAD` if anything does not.

    `fixed` are values that do not come from the file. `other_keys` (name → message) are keys that may stand there
    but that the model does not have; a message that is not empty makes the key an error with that message.
    """
    values, good = read_fields(model, node, ctx, path, other_keys=other_keys)
    return model(**(fixed or {}), **values) if good else BAD


def read_fields(
    model: type[msgspec.Struct],
    node: Node,
    ctx: Context,
    path: tuple[str, ...] = (),
    *,
    other_keys: dict[str, str] | None = None,
) -> tuple[dict[str, Any], bool]:
    """Return the fields of `model` that could be read from `node`, and whether these make a whole one."""
    if not isinstance(node, MapNode):
        ctx.findings.error(node.mark, "structure", f"{_here(path)} must be a mapping (key: value)")
        return {}, False
    fields = fields_of(model)
    values: dict[str, Any] = {}
    good = not unknown_keys(node, {field.key for field in fields}, ctx, other_keys or {})
    for field in fields:
        entry = node.entries.get(field.key)
        if entry is None:
            if field.required:
                message = f"{_here(path)} lacks '{field.key}'"
                ctx.findings.error(node.mark, "missing-key", message, f"add '{field.key}:'")
                good = False
            continue
        value = field.kind.read(entry[1], ctx, (*path, field.key))
        if isinstance(value, Bad):
            good = False
        else:
            values[field.name] = value
    return values, good


def unknown_keys(node: MapNode, known: set[str], ctx: Context, other_keys: dict[str, str]) -> bool:
    """Report the keys of `node` that are not `known`; return whether there was one that is an error."""
    wrong = False
    for key, (mark, _) in node.entries.items():
        if key in known or other_keys.get(key) == "":
            continue
        wrong = True
        if key in other_keys:
            ctx.findings.error(mark, "not-yet", other_keys[key])
        else:
            hint = did_you_mean(key, known)
            ctx.findings.error(mark, "unknown-key", f"there is no key '{clipped(key, 60)}' here", hint)
    return wrong


def schema_of(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a mapping that `read_struct` reads into `model`."""
    fields = fields_of(model)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.key: field.kind.schema() for field in fields},
        "additionalProperties": False,
    }
    required = [field.key for field in fields if field.required]
    if required:
        schema["required"] = required
    return schema


def as_text(node: Node, ctx: Context, what: str) -> TextNode | None:
    """Return `node` if it is text that is not empty; else add a finding."""
    if not isinstance(node, TextNode):
        shape = "list" if isinstance(node, ListNode) else "mapping"
        ctx.findings.error(node.mark, "structure", f"{what} is expected here, not a {shape}")
        return None
    if not node.text.strip():
        ctx.findings.error(node.mark, "empty", f"{what} is expected here, nothing is written")
        return None
    return node


def _here(path: tuple[str, ...]) -> str:
    return f"'{'.'.join(path)}'" if path else "this"
