"""The kinds of fields in scenarios, beside those of the flows."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec

from controller.flow.commands import DialOutcome, QueueExit
from controller.flow.findings import clipped, did_you_mean
from controller.flow.kinds import Duration, Flag, Integer, ListOf, Nested, Pattern, Text, Word
from controller.flow.queuenow import QueueNow
from controller.flow.reading import BAD, Bad, Context, Kind, as_text
from controller.flow.yamltext import ListNode, MapNode, Node, TextNode
from controller.simulator.caller import HangUp, Press, Speak, Wait
from controller.simulator.telephone import DialAnswer
from controller.simulator.waiting import QueueAnswer

FAILURES = ("timeout", "unreachable", "too_large", "not_json", "refused", "redirect")
"""Why no usable answer came: the reasons of `LookupFailed`."""
QUEUE_EXITS = tuple(each.value for each in QueueExit if each not in (QueueExit.CALLBACK, QueueExit.MESSAGE))
"""How a visit to a queue may go; the offers are taken by a key."""


class Acts(Kind):
    """What the caller does: `{press: 12#}`, `{wait: 3s}`, `{speak: 8s}`, `{hangup}`."""

    _keys = Pattern(r"[0-9*#A-D]{1,64}", "keys 0-9, *, # and A-D")
    _seconds = Duration(0.01, 14_400)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode) and node.text == "hangup":
            return HangUp()
        if not isinstance(node, MapNode) or len(node.entries) != 1:
            ctx.findings.error(
                node.mark,
                "act",
                "this is no act of a caller",
                "write {press: 1}, {wait: 3s}, {speak: 8s} or {hangup}",
            )
            return BAD
        ((key, (mark, value)),) = node.entries.items()
        if key == "press":
            keys = self._keys.read(value, ctx, (*path, key))
            return keys if isinstance(keys, Bad) else Press(keys)
        if key in ("wait", "speak"):
            seconds = self._seconds.read(value, ctx, (*path, key))
            lasting = Wait if key == "wait" else Speak
            return seconds if isinstance(seconds, Bad) else lasting(seconds)
        if key == "hangup":
            return HangUp()
        hint = did_you_mean(key, ("press", "wait", "speak", "hangup"))
        ctx.findings.error(mark, "act", f"a caller does not '{clipped(key, 40)}'", hint)
        return BAD

    def schema(self) -> dict[str, Any]:
        acts: dict[str, Any] = {
            "press": self._keys.schema(),
            "wait": self._seconds.schema(),
            "speak": self._seconds.schema(),
            "hangup": {"type": ["null", "string"]},
        }
        return {
            "anyOf": [
                {"const": "hangup"},
                {"type": "object", "properties": acts, "minProperties": 1, "maxProperties": 1}
                | {"additionalProperties": False},
            ]
        }


class Json(Kind):
    """Any value: scalars as JSON where they are JSON, else text; a text that is a JSON object or list is that."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        return plain_value(node)

    def schema(self) -> dict[str, Any]:
        return {}


class Moment(Kind):
    """A local date and time."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a date and time")
        if text is None:
            return BAD
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?", text.text):
            try:
                return datetime.fromisoformat(text.text)
            except ValueError:
                pass  # the 31st of February: told below
        message = f"'{clipped(text.text, 40)}' is no date and time"
        ctx.findings.error(text.mark, "moment", message, "write it as 2026-11-24T10:00, in the centre's time zone")
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$"}


class OneOrMore(Kind):
    """One value or a list of them, read into a tuple."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.list = ListOf(kind)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, ListNode):
            return self.list.read(node, ctx, path)
        value = self.kind.read(node, ctx, path)
        return value if isinstance(value, Bad) else (value,)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), self.list.schema()]}


class HttpAnswer(msgspec.Struct, frozen=True):
    """What a service answers; `fails` instead, when nothing usable comes back (a `LookupFailed.reason`)."""

    status: Annotated[int, Integer(100, 599)] = 200
    body: Annotated[Any, Json()] = None
    fails: Annotated[str, Word(*FAILURES)] = ""
    takes_s: Annotated[float, Duration(0, 60)] = 0.1


class DialSpec(msgspec.Struct, frozen=True):
    """How a dial goes."""

    outcome: Annotated[str, Word(*DialOutcome)] = DialOutcome.TALKED.value
    ring_s: Annotated[float, Duration(0, 300)] = 5.0
    talk_s: Annotated[float, Duration(0, 14_400)] = 60.0
    cause: Annotated[int, Integer(0, 127)] = 0


class DialKind(Kind):
    """The outcome of a dial as one word, or all about it."""

    _word = Word(*DialOutcome)
    _whole = Nested(DialSpec)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode):
            word = self._word.read(node, ctx, path)
            return word if isinstance(word, Bad) else DialAnswer(DialOutcome(word))
        spec = self._whole.read(node, ctx, path)
        if not isinstance(spec, DialSpec):
            return BAD
        return DialAnswer(DialOutcome(spec.outcome), spec.ring_s, spec.talk_s, spec.cause)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._word.schema(), self._whole.schema()]}


class QueueSpec(msgspec.Struct, frozen=True):
    """How a visit to a queue goes, and how the queue is as conditions read it."""

    outcome: Annotated[str, Word(*QUEUE_EXITS)] = QueueExit.TALKED.value
    after_s: Annotated[float, Duration(0, 14_400)] = 10.0
    talk_s: Annotated[float, Duration(0, 14_400)] = 60.0
    agent: Annotated[str, Pattern(r"[a-z0-9][a-z0-9._-]{0,39}", "an agent's short name")] = "agent"
    waiting: Annotated[int, Integer(0, 100_000)] = 0
    free_agents: Annotated[int, Integer(0, 100_000)] = 0
    estimate_s: Annotated[float | None, Duration(0, 14_400)] = None
    open: Annotated[bool, Flag()] = True


class MessageSpec(msgspec.Struct, frozen=True):
    """A voice message that an agent finds."""

    queue: Annotated[str, Pattern(r"[a-z][a-z0-9_]{0,63}", "the name of a queue")]
    caller: Annotated[str, Text(40)] = ""
    heard: Annotated[bool, Flag()] = False
    ago_s: Annotated[float, Duration(0, 365 * 86_400)] = 3600.0
    lasts_s: Annotated[float, Duration(1, 1800)] = 10.0


class QueueAnswerKind(Kind):
    """The outcome of a visit as one word, or all about it."""

    _word = Word(*QUEUE_EXITS)
    _whole = Nested(QueueSpec)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode):
            word = self._word.read(node, ctx, path)
            if isinstance(word, Bad):
                return BAD
            return QueueAnswer(QueueExit(word), now=QueueNow(open=word != QueueExit.CLOSED))
        spec = self._whole.read(node, ctx, path)
        if not isinstance(spec, QueueSpec):
            return BAD
        now = QueueNow(spec.waiting, spec.free_agents, spec.estimate_s, spec.open)
        return QueueAnswer(QueueExit(spec.outcome), spec.after_s, spec.talk_s, spec.agent, now)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._word.schema(), self._whole.schema()]}


def plain_value(node: Node) -> Any:
    """Return a YAML tree as JSON data; see `Json`."""
    if isinstance(node, ListNode):
        return [plain_value(item) for item in node.items]
    if isinstance(node, MapNode):
        return {key: plain_value(value) for key, (_, value) in node.entries.items()}
    try:
        return msgspec.json.decode(node.text)
    except (msgspec.DecodeError, RecursionError):
        return node.text
