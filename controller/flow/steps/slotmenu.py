"""Times to choose from by keypad: first the day, then the time, a handful in one menu and more on a key.

What is offered is kept in the step's notes: `slots` (seconds since 1970), `length_s`, the `zone` they are told in,
the `day` chosen and the `page` that was read out last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from controller.flow import callbackwords as said
from controller.flow.commands import MediaId, SlotNote
from controller.flow.spoken.callbacks import BACK, CHOICES, MORE
from controller.flow.steps.base import Turn

DAY, TIME = "day", "time"
Offered = tuple[tuple[MediaId, ...], str]
"""What is said, and the keys that count."""


def keep(run: Turn, slots: Sequence[SlotNote], phone: str) -> None:
    """Keep what can be booked by the owner of `phone`."""
    moments = [slot.at for slot in slots]
    zone, remark = said.zone_of(phone, run.country, run.zone, (moments[0], moments[-1]))
    run.local.update(
        slots=[int(at.timestamp()) for at in moments],
        length_s=slots[0].length_s,
        zone=zone,
        remark=remark,
        day=0,
    )


def has_days(run: Turn) -> bool:
    """Tell whether there is more than one day to choose from."""
    return len(said.days_of(_slots(run.local), run.local["zone"])) > 1


def days(run: Turn, page: int, *, back: bool) -> Offered:
    """Offer the days of one page; `back`: there is a menu before this one."""
    zone = run.local["zone"]
    heard = [said.day(run.language, day, run.at, zone) for day in said.days_of(_slots(run.local), zone)]
    return _page(run, DAY, page, heard, back=back)


def times(run: Turn, page: int, *, back: bool) -> Offered:
    """Offer the times of the chosen day of one page."""
    local = run.local
    heard = [said.hours(run.language, at, local["length_s"], local["zone"]) for at in _of_day(local)]
    return _page(run, TIME, page, heard, back=back)


def next_page(run: Turn) -> int:
    """Return the page that follows; the first one comes after the last."""
    page: int = run.local["page"]
    return 0 if run.local["last"] else page + 1


def choose_day(run: Turn, digits: str) -> None:
    """Keep the day that was chosen."""
    run.local["day"] = _place(run, digits)


def chosen_time(run: Turn, digits: str) -> datetime:
    """Return the time that was chosen."""
    return _of_day(run.local)[_place(run, digits)]


def _page(run: Turn, mode: str, page: int, choices: list[tuple[MediaId, ...]], *, back: bool) -> Offered:
    shown = choices[page * CHOICES : (page + 1) * CHOICES]
    run.local["page"], run.local["last"] = page, (page + 1) * CHOICES >= len(choices)
    heard = [*run.notice(f"callback-{mode}")]
    if mode == TIME and run.local["remark"]:
        heard += run.notice(run.local["remark"])
    for key, choice in enumerate(shown, 1):
        heard += [*choice, *run.notice(f"callback-press-{key}")]
    keys = "".join(str(key) for key in range(1, len(shown) + 1))
    if len(choices) > CHOICES:
        heard += run.notice("callback-more")
        keys += MORE
    if back:
        heard += run.notice("callback-back")
        keys += BACK
    return tuple(heard), keys


def _place(run: Turn, digits: str) -> int:
    page: int = run.local["page"]
    return page * CHOICES + int(digits) - 1


def _slots(local: dict[str, Any]) -> list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in local["slots"]]


def _of_day(local: dict[str, Any]) -> list[datetime]:
    slots, zone = _slots(local), local["zone"]
    return said.on_day(slots, said.days_of(slots, zone)[local["day"]], zone)
