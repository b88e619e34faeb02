"""How a calendar is written in centre.yaml.

::

    bureau:
      zone: Europe/Paris                  # the centre's, if none
      hours: {mon-thu: [08:30-12:00, 14:00-18:00], fri: 08:30-16:00}
      holidays: FR                        # public holidays, FR or a part of a country such as FR-57
      closures: [2026-12-24, 2026-08-03..2026-08-14]
      openings: {2026-12-13: 10:00-18:00}
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from controller.flow.findings import Mark, clipped, did_you_mean
from controller.flow.reading import BAD, Context, Kind, as_text, unknown_keys
from controller.flow.yamltext import ListNode, MapNode, Node
from controller.hours import Calendar, Days, Hours, Opening

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEYS = {"zone", "hours", "holidays", "closures", "openings"}
_MAX_ITEMS = 400


class CalendarKind(Kind):
    """One calendar; a missing zone is an empty text, which the loader replaces by the centre's."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if not isinstance(node, MapNode) or "hours" not in node.entries:
            ctx.findings.error(node.mark, "calendar", "a calendar needs 'hours'", "add hours: {mon-fri: 09:00-18:00}")
            return BAD
        wrong = unknown_keys(node, _KEYS, ctx, {})
        reader = _Reader(ctx)
        week = reader.week(node.entries["hours"][1])
        country, _, part = reader.text(node, "holidays").partition("-")
        closures = tuple(reader.days(item) for item in _items(node, "closures"))
        openings = reader.openings(node)
        if wrong or reader.wrong:
            return BAD
        return CalendarDraft(node.mark, reader.text(node, "zone"), week, country, part, closures, openings)

    def schema(self) -> dict[str, Any]:
        hours = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        return {
            "type": "object",
            "properties": {
                "zone": {"type": "string"},
                "hours": {"type": "object", "additionalProperties": hours},
                "holidays": {"type": "string"},
                "closures": {"type": "array", "items": {"type": "string"}},
                "openings": {"type": "object", "additionalProperties": hours},
            },
            "required": ["hours"],
            "additionalProperties": False,
        }


class CalendarDraft(msgspec.Struct, frozen=True):
    """A calendar as read, before the centre's zone is known."""

    mark: Mark
    zone: str
    week: tuple[tuple[Hours, ...], ...]
    country: str
    part: str
    closures: tuple[Days, ...]
    openings: tuple[Opening, ...]

    def finished(self, zone: str, ctx: Context) -> Calendar | None:
        """Return the calendar, in `zone` if it names none itself; add a finding and return None if it is wrong."""
        try:
            return Calendar(self.zone or zone, self.week, self.country, self.part, self.closures, self.openings)
        except ValueError as error:
            ctx.findings.error(self.mark, "calendar", str(error))
            return None


class _Reader:
    """Reads the parts of one calendar and remembers whether anything was wrong."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.wrong = False

    def fault(self, mark: Mark, message: str, suggestion: str = "") -> None:
        self.wrong = True
        self._ctx.findings.error(mark, "calendar", message, suggestion)

    def text(self, node: MapNode, key: str) -> str:
        if key not in node.entries:
            return ""
        text = as_text(node.entries[key][1], self._ctx, f"'{key}'")
        self.wrong = self.wrong or text is None
        return text.text if text is not None else ""

    def week(self, node: Node) -> tuple[tuple[Hours, ...], ...]:
        week: list[tuple[Hours, ...]] = [()] * len(DAYS)
        if not isinstance(node, MapNode):
            self.fault(node.mark, "'hours' must be a mapping from days to hours", "write {mon-fri: 09:00-18:00}")
            return tuple(week)
        for key, (mark, value) in node.entries.items():
            first, _, last = key.partition("-")
            if first not in DAYS or (last or first) not in DAYS or DAYS.index(last or first) < DAYS.index(first):
                message = f"'{clipped(key, 30)}' is not a day or a range of days"
                self.fault(mark, message, did_you_mean(first[:3].lower(), DAYS) or "write mon-fri")
                continue
            hours = self.hours(value)
            for number in range(DAYS.index(first), DAYS.index(last or first) + 1):
                if week[number]:
                    self.fault(mark, f"'{DAYS[number]}' has its hours already", "name each day once")
                week[number] = hours
        return tuple(week)

    def hours(self, node: Node) -> tuple[Hours, ...]:
        found = []
        for item in node.items if isinstance(node, ListNode) else (node,):
            text = as_text(item, self._ctx, "hours such as 08:30-18:00")
            if text is None:
                self.wrong = True
                continue
            try:
                found.append(Hours.parse(text.text))
            except ValueError as error:
                self.fault(text.mark, str(error))
        return tuple(found)

    def days(self, node: Node) -> Days:
        text = as_text(node, self._ctx, "a date such as 2026-12-24")
        if text is None:
            self.wrong = True
            return Days(date.min, date.min)
        return self.day_range(text.text, text.mark)

    def day_range(self, written: str, mark: Mark) -> Days:
        first, _, last = written.partition("..")
        try:
            return Days(date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip()))
        except ValueError:
            message = f"'{clipped(written, 40)}' is not a date or a range of dates"
            self.fault(mark, message, "write 2026-12-24 or 2026-08-03..2026-08-14")
            return Days(date.min, date.min)

    def openings(self, node: MapNode) -> tuple[Opening, ...]:
        if "openings" not in node.entries:
            return ()
        value = node.entries["openings"][1]
        if not isinstance(value, MapNode) or len(value.entries) > _MAX_ITEMS:
            self.fault(value.mark, "'openings' must be a mapping from dates to hours")
            return ()
        return tuple(
            Opening(self.day_range(key, mark), self.hours(hours)) for key, (mark, hours) in value.entries.items()
        )


def _items(node: MapNode, key: str) -> tuple[Node, ...]:
    if key not in node.entries:
        return ()
    value = node.entries[key][1]
    return value.items[:_MAX_ITEMS] if isinstance(value, ListNode) else (value,)
