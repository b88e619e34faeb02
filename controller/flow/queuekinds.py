"""How skills and queues are written in centre.yaml.

::

    skills: {anglais: Anglais, vae: Vélos électriques}
    queues:
      support:
        title: Support
        calendar: boutique
        skills:                              # what an agent must be able to do; less, the longer somebody waits
          - {until: 60s, needs: {anglais: 3}}
          - {until: 3m, needs: {anglais: 1}}
          - {}
        overflow: [{after: 2m, to: ventes}]
        news: {first: 20s, every: 1m}
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import msgspec

from controller.acd.model import Strategy
from controller.flow.callbackkinds import CallbackDraft, CallbackKind
from controller.flow.findings import Mark, clipped
from controller.flow.kinds import Duration, Flag, Integer, ListOf, MapOf, Nested, Pattern, Text, Word, entries_of
from controller.flow.reading import BAD, Bad, Context, Kind, read_fields
from controller.flow.refkinds import Prompts, RefTo
from controller.flow.yamltext import ListNode, MapNode, Node, TextNode

DAY_S = 86_400.0
MAX_GRADE = 5
MAX_PRIORITY = 9
MAX_RUNGS = 10
KEY = Pattern(r"[0-9*#]", "one key: 0-9, * or #")
CODE = r"[a-z][a-z0-9_-]{0,31}"
"""The form of a disposition's code."""


class Grades(Kind):
    """Skills with the least grade: `{anglais: 3}`."""

    _grade = Integer(1, MAX_GRADE)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        grades: dict[str, int] = {}
        for key, (mark, value) in entries.items():
            ctx.refer("skill", TextNode(mark, key))
            grade = self._grade.read(value, ctx, (*path, key))
            if not isinstance(grade, Bad):
                grades[key] = grade
        return grades if len(grades) == len(entries) else BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self._grade.schema(), "minProperties": 1}


class RungFile(msgspec.Struct, frozen=True):
    """What is needed of an agent as long as somebody has waited less than `until`."""

    until_s: Annotated[float | None, Duration(1, 14_400)] = None
    needs: Annotated[dict[str, int], Grades()] = {}


class Rungs(Kind):
    """The rungs of a queue, the last without `until`; the needs of later ones are not harder."""

    _list = ListOf(Nested(RungFile), 1, MAX_RUNGS)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        rungs = self._list.read(node, ctx, path)
        if isinstance(rungs, Bad) or not isinstance(node, ListNode):
            return BAD
        return rungs if self._in_order(rungs, [item.mark for item in node.items], ctx) else BAD

    @staticmethod
    def _in_order(rungs: tuple[RungFile, ...], marks: list[Mark], ctx: Context) -> bool:
        findings = ctx.findings
        good = True
        for rung, mark in zip(rungs[:-1], marks, strict=False):
            if rung.until_s is None:
                message = "only the last of a queue's skills has no 'until': it holds for ever"
                findings.error(mark, "skill-steps", message, "add until: 60s, or move it to the end")
                good = False
        if rungs[-1].until_s is not None:
            message = "nothing is said of those who wait longer than the last 'until'"
            findings.error(marks[-1], "skill-steps", message, "add a last item without until: {} asks for nothing")
            good = False
        for (one, other), mark in zip(itertools.pairwise(rungs), marks[1:], strict=True):
            if one.until_s is not None and other.until_s is not None and other.until_s <= one.until_s:
                message = f"'until' must grow from item to item, {other.until_s:g}s is not more than {one.until_s:g}s"
                findings.error(mark, "skill-steps", message, "put them in order")
                good = False
            harder = [skill for skill, grade in other.needs.items() if grade > one.needs.get(skill, 0)]
            if harder:
                message = f"'{harder[0]}' is asked for more after a longer wait, so that fewer agents fit"
                findings.warning(mark, "skill-steps", message, "ask for less from item to item")
        return good

    def schema(self) -> dict[str, Any]:
        return self._list.schema()


class OverflowFile(msgspec.Struct, frozen=True):
    """After so long the customer waits in another queue too."""

    after_s: Annotated[float, Duration(1, 14_400)]
    to: Annotated[str, RefTo("queue")]


class StickyFile(msgspec.Struct, frozen=True):
    """Back to the agent whom the customer talked with last."""

    within_s: Annotated[float, Duration(60, 90 * DAY_S)]
    hold_s: Annotated[float, Duration(0, 600)] = 0.0


class NewsFile(msgspec.Struct, frozen=True):
    """When a waiting customer is told the place and the estimated wait."""

    first_s: Annotated[float, Duration(0, 3600)] = 20.0
    every_s: Annotated[float, Duration(10, 3600)] = 60.0
    position: Annotated[bool, Flag()] = True
    estimate: Annotated[bool, Flag()] = True


class ComfortFile(msgspec.Struct, frozen=True):
    """What is said now and then, in turn; the notice that comes with Rappel, if no prompt is named."""

    every_s: Annotated[float, Duration(10, 3600)]
    prompts: Annotated[tuple[str, ...], Prompts(10)] = ()


class AcceptFile(msgspec.Struct, frozen=True):
    """The key by which an agent takes the call once the phone is answered."""

    key: Annotated[str, KEY]
    prompt: Annotated[tuple[str, ...], Prompts(4)] = ()


class RecordFile(msgspec.Struct, frozen=True):
    """Conversations are recorded, and callers are told so."""

    announcement: Annotated[tuple[str, ...], Prompts(4)]
    keep_s: Annotated[float, Duration(3600, 3650 * DAY_S)] = 90 * DAY_S


class MessageFile(msgspec.Struct, frozen=True):
    """Voice messages for the queue."""

    greeting: Annotated[tuple[str, ...], Prompts(4)] = ()
    name: Annotated[tuple[str, ...], Prompts(4)] = ()
    keep_s: Annotated[float, Duration(3600, 3650 * DAY_S)] = 30 * DAY_S


class QueueFile(msgspec.Struct, frozen=True):
    """One queue of centre.yaml."""

    title: Annotated[str, Text(80)] = ""
    strategy: Annotated[str, Word(*Strategy)] = Strategy.LONGEST_IDLE.value
    priority: Annotated[int, Integer(0, MAX_PRIORITY)] = 0
    calendar: Annotated[str, RefTo("calendar")] = ""
    skills: Annotated[tuple[RungFile, ...], Rungs()] = (RungFile(),)
    ring_s: Annotated[float, Duration(5, 120)] = 20.0
    wrap_up_s: Annotated[float, Duration(0, 3600)] = 20.0
    wrap_up_max_s: Annotated[float, Duration(0, 14_400)] = 300.0
    wait_s: Annotated[float, Duration(5, 14_400)] = 900.0
    capacity: Annotated[int, Integer(0, 100_000)] = 0
    service_level_s: Annotated[float, Duration(1, 3600)] = 20.0
    short_abandoned_s: Annotated[float, Duration(0, 300)] = 5.0
    sticky: Annotated[StickyFile | None, Nested(StickyFile)] = None
    missed_pause_s: Annotated[float, Duration(0, 14_400)] = 120.0
    overflow: Annotated[tuple[OverflowFile, ...], ListOf(Nested(OverflowFile), 1, 10)] = ()
    dispositions: Annotated[dict[str, str], MapOf(Text(80), CODE, "a code such as sold")] = {}
    music: Annotated[str, Pattern(r"[A-Za-z][A-Za-z0-9_-]{0,39}", "the name of a music class")] = "default"
    caller_hears: Annotated[str, Word("music", "ringing")] = "music"
    news: Annotated[NewsFile, Nested(NewsFile)] = NewsFile()
    comfort: Annotated[ComfortFile | None, Nested(ComfortFile)] = None
    callback_offer: Annotated[tuple[str, ...], Prompts(4)] = ()
    message_offer: Annotated[tuple[str, ...], Prompts(4)] = ()
    whisper: Annotated[tuple[str, ...], Prompts(4)] = ()
    accept: Annotated[AcceptFile | None, Nested(AcceptFile)] = None
    record: Annotated[RecordFile | None, Nested(RecordFile)] = None
    message: Annotated[MessageFile, Nested(MessageFile)] = MessageFile()
    callback: Annotated[CallbackDraft | None, CallbackKind()] = None


class QueueDraft(msgspec.Struct, frozen=True):
    """A queue as read, and where it stands."""

    file: QueueFile
    mark: Mark
    overflow_marks: tuple[Mark, ...] = ()
    whole: bool = True
    """Everything could be read; else what could not is as it is by itself, and nothing more may be said of it."""


class QueueKind(Kind):
    """One queue."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode) and node.text in ("", "{}"):
            return QueueDraft(QueueFile(), node.mark)  # `support:` with nothing behind it: all as it is by itself
        values, whole = read_fields(QueueFile, node, ctx, path)
        if not isinstance(node, MapNode):
            return BAD
        file = QueueFile(**values)  # a queue that is not whole is one all the same: steps may name it
        if whole:
            self._examine(file, node, ctx)
        return QueueDraft(file, node.mark, _item_marks(node, "overflow") if whole else (), whole)

    @staticmethod
    def _examine(file: QueueFile, node: MapNode, ctx: Context) -> None:
        if file.wrap_up_max_s < file.wrap_up_s:
            message = f"wrap_up_max ({file.wrap_up_max_s:g}s) is less than wrap_up ({file.wrap_up_s:g}s)"
            ctx.findings.error(_mark(node, "wrap_up_max", "wrap_up"), "duration", message, "exchange them")
        for overflow, mark in zip(file.overflow, _item_marks(node, "overflow"), strict=True):
            if overflow.after_s >= file.wait_s:
                message = f"nobody waits {overflow.after_s:g}s here: the wait ends after {file.wait_s:g}s"
                ctx.findings.warning(mark, "overflow-late", message, "overflow earlier, or set a longer wait")
        twice = [one.to for place, one in enumerate(file.overflow) if one.to in [o.to for o in file.overflow[:place]]]
        if twice:
            message = f"the queue '{clipped(twice[0], 40)}' stands twice in overflow"
            ctx.findings.error(_mark(node, "overflow"), "overflow-twice", message, "delete the later one")
        if not file.news.position and not file.news.estimate and "news" in node.entries:
            message = "news of neither place nor wait say nothing"
            ctx.findings.warning(_mark(node, "news"), "news-empty", message, "set position or estimate to true")

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Nested(QueueFile).schema(), {"type": "null"}]}


def _mark(node: MapNode, *keys: str) -> Mark:
    return next((node.entries[key][1].mark for key in keys if key in node.entries), node.mark)


def _item_marks(node: MapNode, key: str) -> tuple[Mark, ...]:
    entry = node.entries.get(key)
    return tuple(item.mark for item in entry[1].items) if entry and isinstance(entry[1], ListNode) else ()
