"""How scenarios write call-backs: what there is before the call, and what is to come of it.

::

    callback: {open: {queue: support, slot: 2026-11-25T14:00}, slots: [2026-11-26T10:00], refused: country}
    expect: {callback: {queue: support, when: asap}}         # or none, cancelled, never
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from controller.callback.model import RequestId, When
from controller.flow.commands import CallbackNote
from controller.flow.kinds import Duration, Flag, Integer, ListOf, Nested, Pattern, Text, Word
from controller.flow.reading import BAD, Context, Kind
from controller.flow.release import Release
from controller.flow.yamltext import Node, TextNode
from controller.simulator.callbacks import DONE, SLOT_S, UNAVAILABLE, SimulatedCallbacks, Wish
from controller.simulator.kinds import Moment, OneOrMore

NONE, CANCELLED, NEVER = "none", "cancelled", "never"
_QUEUE = Pattern(r"[a-z][a-z0-9_]{0,63}", "the name of a queue")
_CODE = Pattern(r"[a-z][a-z_]{0,31}", "why it is refused, such as country, slot_taken or unavailable; or done")


class OpenSpec(msgspec.Struct, frozen=True):
    """A request that is open when the call begins."""

    queue: Annotated[str, _QUEUE]
    when: Annotated[str, Word(*When)] = When.ASAP.value
    slot: Annotated[datetime | None, Moment()] = None
    name: Annotated[str, Text(80)] = ""
    reference: Annotated[str, Text(80)] = ""
    reason: Annotated[str, Text()] = ""
    tries: Annotated[int, Integer(0, 100)] = 0


class CallbackSpec(msgspec.Struct, frozen=True):
    """Call-backs as the call finds them. `called`: we call, for the open request."""

    open: Annotated[OpenSpec | None, Nested(OpenSpec)] = None
    called: Annotated[bool, Flag()] = False
    slots: Annotated[tuple[datetime, ...] | None, ListOf(Moment(), 0, 200)] = None
    refused: Annotated[tuple[str, ...], OneOrMore(_CODE)] = ()
    estimate_s: Annotated[float | None, Duration(0, 14_400)] = None


class WishSpec(msgspec.Struct, frozen=True):
    """What the caller is to have asked for; what is not named may be as it likes."""

    queue: Annotated[str, _QUEUE] = ""
    when: Annotated[str, Word(*When)] = ""
    slot: Annotated[datetime | None, Moment()] = None
    number: Annotated[str, Text(40)] = ""


class WishKind(Kind):
    """`none`, `cancelled`, `never`, or what was asked for."""

    _word = Word(NONE, CANCELLED, NEVER)
    _whole = Nested(WishSpec)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode):
            return self._word.read(node, ctx, path)
        spec = self._whole.read(node, ctx, path)
        return spec if isinstance(spec, WishSpec) else BAD

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._word.schema(), self._whole.schema()]}


class Given:
    """The call-backs of one scenario; `caller` is who calls, or is called."""

    def __init__(self, spec: CallbackSpec | None, release: Release, caller: str) -> None:
        spec = spec or CallbackSpec()
        self._refused = spec.refused
        self._asked = 0
        zone = ZoneInfo(release.zone)
        self.note = _note(spec.open, release, caller) if spec.open is not None else None
        self.called = self.note if spec.called else None
        slots = None if spec.slots is None else [at.replace(tzinfo=zone) for at in sorted(spec.slots)]
        self.callbacks = SimulatedCallbacks(
            release,
            known=self.note,
            slots=slots,
            refusal=self._refusal,
            away=spec.refused == (UNAVAILABLE,),
            estimate_s=spec.estimate_s,
        )

    def _refusal(self) -> str:
        """Return the next of the refusals; the last one holds for all that follow."""
        if not self._refused:
            return ""
        word = self._refused[min(self._asked, len(self._refused) - 1)]
        self._asked += 1
        return "" if word == DONE else word


def differences(expected: str | WishSpec | None, wishes: list[Wish], zone: str) -> list[str]:
    """Return how what the caller asked for last differs from what was expected."""
    if expected is None:
        return []
    last = wishes[-1] if wishes else None
    if isinstance(expected, str):
        found = NONE if last is None else last.what
        return [] if expected == found else [f"callback: expected {expected}, it was {_told(last, zone)}"]
    if last is None or last.what not in ("asked", "changed"):
        return [f"callback: a request was expected, it was {_told(last, zone)}"]
    slot = _local(last.slot_at, zone)
    wanted = "" if expected.slot is None else expected.slot.isoformat(timespec="minutes")
    pairs = (
        ("queue", expected.queue, last.queue),
        ("when", expected.when, last.when),
        ("slot", wanted, slot),
        ("number", expected.number, last.number),
    )
    return [
        f"callback: {what}: expected {want}, it was {found or 'none'}"
        for what, want, found in pairs
        if want and want != found
    ]


def _told(wish: Wish | None, zone: str) -> str:
    if wish is None:
        return NONE
    if wish.what in (CANCELLED, NEVER):
        return wish.what
    return " ".join(filter(None, (wish.what, wish.queue, wish.when, _local(wish.slot_at, zone))))


def _local(at: datetime | None, zone: str) -> str:
    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def _note(spec: OpenSpec, release: Release, caller: str) -> CallbackNote:
    plan = release.queues[spec.queue].callback if spec.queue in release.queues else None
    slot = spec.slot.replace(tzinfo=ZoneInfo(release.zone)) if spec.slot is not None else None
    return CallbackNote(
        request=RequestId("0" * 31 + "1"),
        queue=spec.queue,
        number=caller,
        when=When(spec.when) if slot is None else When.SLOT,
        slot_at=slot,
        slot_s=(plan.slot_s if plan is not None else SLOT_S) if slot is not None else 0.0,
        zone=release.zone,
        name=spec.name,
        reference=spec.reference,
        reason=spec.reason,
        tries=spec.tries,
    )
