"""The request to be called back that a call is about, as conditions may read it: `callback.when == "slot"`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controller.flow.events import CallbackNote
from controller.flow.expressions import ValueType

ROOT = "callback"
_FIELDS: dict[str, tuple[ValueType, Callable[[CallbackNote], Any]]] = {
    "queue": (ValueType.TEXT, lambda note: note.queue),
    "when": (ValueType.TEXT, lambda note: note.when.value),
    "slot_at": (ValueType.TEXT, lambda note: "" if note.slot_at is None else _moment(note.slot_at)),
    "source": (ValueType.TEXT, lambda note: note.source.value),
    "name": (ValueType.TEXT, lambda note: note.name),
    "reference": (ValueType.TEXT, lambda note: note.reference),
    "reason": (ValueType.TEXT, lambda note: note.reason),
    "tries": (ValueType.INT, lambda note: note.tries),
}
NAMES = {
    f"{ROOT}.open": ValueType.BOOL,
    f"{ROOT}.called": ValueType.BOOL,
    **{f"{ROOT}.{field}": kind for field, (kind, _) in _FIELDS.items()},
}
"""What every expression may read. Without a request texts are empty, and `tries` is 0."""


def value_of(name: str, request: CallbackNote | None, *, called: bool) -> Any:
    """Return the value of `callback.<field>`; `called`: we have called, for `request`."""
    field = name.removeprefix(f"{ROOT}.")
    if field in ("open", "called"):
        return request is not None if field == "open" else called
    kind, read = _FIELDS[field]
    if request is None:
        return 0 if kind is ValueType.INT else ""
    return read(request)


def _moment(at: datetime) -> str:
    """Return a promised time as `now` is written: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
