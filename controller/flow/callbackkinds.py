"""How the call-backs of a queue are written in centre.yaml.

::

    queues:
      support:
        callback:
          flow: rappel_client                  # what the customer hears who is called
          first: customer
          caller_id: "+33 3 53 01 47 00"
          tries: 3
          retry: {no_answer: [30m, 2h], refused: never}
          slots: {calendar: boutique, length: 30m, ahead: 7d, notice: 1h, share: 30%}
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from controller.callback.model import CallbackPlan, First, Outcome
from controller.flow.findings import Mark, clipped, did_you_mean
from controller.flow.kinds import Duration, Flag, Integer, ListOf, Nested, Text, Word, entries_of
from controller.flow.reading import BAD, Bad, Context, Kind, as_text, read_struct
from controller.flow.refkinds import RefTo
from controller.flow.yamltext import MapNode, Node, TextNode
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand
from controller.outbound.model import Purpose

DAY_S = 86_400.0
MAX_DELAYS = 20
_SLOT_GRAIN_S = 300.0
"""Slots are told to people: they begin at times that people say."""
_NEVER = "never"
_SETTLED = frozenset({Outcome.TALKED, Outcome.CANCELLED, Outcome.DECLINED, Outcome.RESCHEDULED})
RETRIED = tuple(outcome.value for outcome in Outcome if outcome not in _SETTLED)
"""The outcomes after which there may be another try."""


class Share(Kind):
    """A share in percent, `30%`; read into 0 to 1."""

    _form = re.compile(r"([0-9]{1,3})\s?%")

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a share such as 30%")
        if text is None:
            return BAD
        found = self._form.fullmatch(text.text)
        if found and 1 <= int(found[1]) <= 100:  # noqa: PLR2004 - per cent
            return int(found[1]) / 100
        message = f"'{path[-1]}' must be a share from 1% to 100%, not '{clipped(text.text, 40)}'"
        ctx.findings.error(text.mark, "share", message, "write 30%")
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self._form.pattern}$"}


class Delays(Kind):
    """How long until the next try: one duration for all, one for each try in turn, or `never`."""

    _each = Duration(5, 30 * DAY_S)
    _list = ListOf(_each, 1, MAX_DELAYS)

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if isinstance(node, TextNode):
            if node.text == _NEVER:
                return ()
            delay = self._each.read(node, ctx, path)
            return BAD if isinstance(delay, Bad) else (delay,)
        return self._list.read(node, ctx, path)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._each.schema(), self._list.schema(), {"const": _NEVER}]}


class Retries(Kind):
    """Outcomes of a try → delays until the next."""

    _delays = Delays()

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        entries = entries_of(node, ctx, path)
        if entries is None:
            return BAD
        delays: dict[str, tuple[float, ...]] = {}
        for key, (mark, value) in entries.items():
            read = self._delays.read(value, ctx, (*path, key))
            if key not in RETRIED:
                settled = key in {outcome.value for outcome in _SETTLED}
                message = f"'{clipped(key, 40)}' is no outcome after which a customer is called again"
                hint = "after it the request is settled; delete it" if settled else did_you_mean(key, RETRIED)
                ctx.findings.error(mark, "retry-outcome", message, hint)
            elif not isinstance(read, Bad):
                delays[key] = read
        return delays if len(delays) == len(entries) else BAD

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": dict.fromkeys(RETRIED, self._delays.schema()),
            "additionalProperties": False,
            "minProperties": 1,
        }


class SlotsFile(msgspec.Struct, frozen=True):
    """The times that a customer may choose from."""

    calendar: Annotated[str, RefTo("calendar")] = ""
    length_s: Annotated[float, Duration(300, 14_400)] = 1800.0
    ahead_s: Annotated[float, Duration(3600, 60 * DAY_S)] = 7 * DAY_S
    notice_s: Annotated[float, Duration(0, 7 * DAY_S)] = 1800.0
    places: Annotated[int, Integer(1, 10_000)] = 0
    share: Annotated[float, Share()] = 0.3
    handling_s: Annotated[float, Duration(10, 7200)] = 300.0


class CallbackFile(msgspec.Struct, frozen=True):
    """How customers of a queue are called back."""

    flow: Annotated[str, RefTo("flow")]
    first: Annotated[str, Word(*First)] = First.CUSTOMER.value
    caller_id: Annotated[str, Text(40)] = ""
    ring_s: Annotated[float, Duration(5, 120)] = 30.0
    purpose: Annotated[str, Word(*Purpose)] = Purpose.REQUESTED.value
    tries: Annotated[int, Integer(1, 20)] = 3
    busy_tries: Annotated[int, Integer(0, 100)] = 10
    retry: Annotated[dict[str, tuple[float, ...]], Retries()] = {}
    expires_s: Annotated[float, Duration(300, 60 * DAY_S)] = DAY_S
    now_within_s: Annotated[float, Duration(0, 3600)] = 120.0
    detect_voicemail: Annotated[bool, Flag()] = False
    slots: Annotated[SlotsFile, Nested(SlotsFile)] = SlotsFile()


class CallbackDraft(msgspec.Struct, frozen=True):
    """The call-backs of a queue as read, and where what other files decide stands."""

    file: CallbackFile
    mark: Mark
    flow_mark: Mark
    caller_mark: Mark
    slots_mark: Mark


class CallbackKind(Kind):
    """The `callback:` of a queue."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        file = read_struct(CallbackFile, node, ctx, path)
        if isinstance(file, Bad) or not isinstance(node, MapNode):
            return BAD
        marks = {key: value.mark for key, (_, value) in node.entries.items()}
        draft = CallbackDraft(
            file,
            node.mark,
            marks.get("flow", node.mark),
            marks.get("caller_id", node.mark),
            marks.get("slots", node.mark),
        )
        _examine_slots(file.slots, draft.slots_mark, node, ctx)
        _examine_retries(file, node, ctx)
        return draft

    def schema(self) -> dict[str, Any]:
        return Nested(CallbackFile).schema()


def compile_callback(file: CallbackFile, country: str) -> CallbackPlan:
    """Return the plan of call-backs that have no errors; `country` is where a number without a plus sign is."""
    slots = file.slots
    return CallbackPlan(
        flow=file.flow,
        first=First(file.first),
        caller_id=callable_number(file.caller_id, country) if file.caller_id else "",
        ring_s=file.ring_s,
        purpose=Purpose(file.purpose),
        tries=file.tries,
        delays=file.retry,
        busy_tries=file.busy_tries,
        expires_s=file.expires_s,
        now_within_s=file.now_within_s,
        detect_voicemail=file.detect_voicemail,
        calendar=slots.calendar,
        slot_s=slots.length_s,
        ahead_s=slots.ahead_s,
        notice_s=slots.notice_s,
        per_slot=slots.places,
        share=slots.share,
        handling_s=slots.handling_s,
    )


def callable_number(written: str, country: str) -> str:
    """Return a number of the centre in E.164, or "" if it is none that people can call: a code, an extension."""
    found = understand(written, country)
    return found.number if isinstance(found, NumberFacts) else ""


def _examine_slots(slots: SlotsFile, mark: Mark, node: MapNode, ctx: Context) -> None:
    findings = ctx.findings
    if slots.length_s % _SLOT_GRAIN_S:
        message = f"slots of {slots.length_s:g}s would begin at times that nobody says"
        findings.error(mark, "slots", message, "write a length in steps of 5 minutes: length: 30m")
    if slots.notice_s >= slots.ahead_s:
        message = f"no slot is more than {slots.notice_s:g}s and less than {slots.ahead_s:g}s away"
        findings.error(mark, "slots", message, "set notice to less than ahead")
    written = _entries(node, "slots")
    if "places" in written and ("share" in written or "handling" in written):
        message = "'places' says how many may book a slot: share and handling do not count"
        findings.warning(mark, "slots", message, "delete places to go by the staffing expected, or the others")


def _examine_retries(file: CallbackFile, node: MapNode, ctx: Context) -> None:
    for outcome, (mark, _) in _entries(node, "retry").items():
        delays = file.retry[outcome]
        tries = file.busy_tries if outcome == Outcome.BUSY else file.tries - 1
        if len(delays) > max(tries, 1):
            message = f"{len(delays)} delays after '{outcome}', and at most {tries} more tries"
            ctx.findings.warning(mark, "retry-unused", message, "delete some delays, or allow more tries")
        if sum(delays[:tries]) > file.expires_s:
            message = f"the tries after '{outcome}' go on longer than the {file.expires_s:g}s a request is kept"
            ctx.findings.warning(mark, "retry-unused", message, "set a longer expires, or shorter delays")


def _entries(node: MapNode, key: str) -> dict[str, Any]:
    entry = node.entries.get(key)
    return dict(entry[1].entries) if entry and isinstance(entry[1], MapNode) else {}
