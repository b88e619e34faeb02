"""What is open now and what each queue has done today, read off the entries of the record as they are written.

Offered, answered, abandoned and in level are counted by the formulas of `docs/figures.md`: a visit to a queue counts
for the day it ends in, its wait is from `QueueEntered.at` to `QueueExited.at`; one who was turned away, or moved to
another queue, was not offered to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from controller.cdr.entries import (
    AgentChanged,
    AudioErased,
    AudioKept,
    CallbackAttempted,
    CallbackChanged,
    Disposed,
    DistributionEntry,
    OfferEnded,
    OfferMade,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkEvent,
    TalkStarted,
)
from controller.cdr.kinds import event_kind
from controller.ids import CallId
from controller.ports import QueueDay

MAX_OPEN = 20_000
"""Visits, offers and talks that may be open at once; far above what a controller serves."""
_NOT_OFFERED = frozenset({"full", "closed", "moved"})
_SERVICE_LEVEL_S, _SHORT_ABANDONED_S = 20.0, 5.0  # where an entry tells none, as in the reports


class OpenVisit(msgspec.Struct, frozen=True):
    """A wait that has not ended."""

    queue: str
    at: datetime
    service_level_s: float
    short_abandoned_s: float


class OpenTalk(msgspec.Struct, frozen=True):
    """An offer or a conversation that has not ended."""

    queue: str
    agent: str


class Told(msgspec.Struct, frozen=True):
    """What a monitor event says beside the entry's own fields. An empty `kind` is for the record alone."""

    kind: str
    queue: str = ""
    agent: str = ""


class LedgerState(msgspec.Struct):
    """The ledger as it is kept over a restart; keys are `<call> <number>`."""

    day: date | None = None
    figures: dict[str, QueueDay] = {}
    visits: dict[str, OpenVisit] = {}
    offers: dict[str, OpenTalk] = {}
    talks: dict[str, OpenTalk] = {}


class Ledger:
    """See the module."""

    def __init__(self) -> None:
        self._state = LedgerState()
        self._restored = False
        self._zone = ZoneInfo("UTC")

    def use(self, zone: str) -> None:
        """Begin days at midnight in `zone` from now on."""
        self._zone = ZoneInfo(zone)

    def note(self, entry: DistributionEntry) -> Told:
        """Take an entry in; return what those who watch are told."""
        match entry:
            case QueueEntered() | QueueExited():
                return self._visit(entry)
            case OfferMade() | OfferEnded():
                return self._offer(entry)
            case TalkStarted() | TalkEnded():
                return self._talk(entry)
            case AudioKept():
                return Told(event_kind(entry), entry.queue, entry.agent)
            case AudioErased():
                return Told(event_kind(entry))
            case TalkEvent() | Disposed() | AgentChanged() | CallbackChanged() | CallbackAttempted():
                return Told(event_kind(entry), getattr(entry, "queue", ""), entry.agent)

    def day(self, queue: str, now: datetime) -> QueueDay:
        """Return what `queue` has done since midnight."""
        self._turn_to(now)
        return self._state.figures.get(queue) or QueueDay(queue)

    def has_day(self, now: datetime) -> bool:
        """Tell whether today has been counted here from an earlier start on."""
        return self._restored and self._state.day == now.astimezone(self._zone).date()

    def midnight(self, now: datetime) -> datetime:
        """Return when the day of `now` began in the centre's zone, in UTC."""
        return datetime.combine(now.astimezone(self._zone).date(), time(), self._zone).astimezone(UTC)

    def load_day(self, figures: Iterable[QueueDay], now: datetime) -> None:
        """Take the record's word for today; what was counted here since the question was asked is lost."""
        self._turn_to(now)
        self._state.figures = {each.queue: each for each in figures}

    def kept(self) -> LedgerState:
        """Return what a restart needs."""
        return self._state

    def restore(self, state: LedgerState) -> None:
        """Go on from what an earlier controller kept."""
        self._state, self._restored = state, True

    def left_open(self, unseen: Collection[str], at: datetime) -> list[DistributionEntry]:
        """Return the ends of what the calls `unseen` left open: they ended while no controller was there.

        How their talks ended is not known (`lost`).
        """
        state, found = self._state, list[DistributionEntry]()
        for call_id, number in _of(state.offers, unseen.__contains__):
            found.append(OfferEnded(call_id, number, at, "customer_left"))
        for call_id, number in _of(state.visits, unseen.__contains__):
            found.append(QueueExited(call_id, number, at, "abandoned"))
        for call_id, number in _of(state.talks, unseen.__contains__):
            found.append(TalkEnded(call_id, number, at, Party.SYSTEM, how="lost"))
        return found

    def forget(self, alive: Callable[[str], bool]) -> None:
        """Drop what calls that are not `alive` left open: it has ended, and we were killed before we kept that."""
        opened: tuple[dict[str, Any], ...] = (self._state.visits, self._state.offers, self._state.talks)
        for each in opened:
            for call_id, number in _of(each, lambda call_id: not alive(call_id)):
                del each[_key(call_id, number)]

    def _visit(self, entry: QueueEntered | QueueExited) -> Told:
        key = _key(entry.call_id, entry.visit)
        if isinstance(entry, QueueEntered):
            level_s, short_s = entry.service_level_s, entry.short_abandoned_s
            _bounded(self._state.visits)[key] = OpenVisit(
                entry.queue,
                entry.at,
                _SERVICE_LEVEL_S if level_s is None else level_s,
                _SHORT_ABANDONED_S if short_s is None else short_s,
            )
            return Told(event_kind(entry), entry.queue, entry.from_agent)
        visit = self._state.visits.pop(key, None)
        if visit is None:
            return Told(event_kind(entry), "", entry.agent)
        self._count(visit, entry)
        return Told(event_kind(entry), visit.queue, entry.agent)

    def _offer(self, entry: OfferMade | OfferEnded) -> Told:
        key = _key(entry.call_id, entry.offer)
        if isinstance(entry, OfferMade):
            _bounded(self._state.offers)[key] = OpenTalk(entry.queue, entry.agent)
            return Told(event_kind(entry), entry.queue, entry.agent)
        offer = self._state.offers.pop(key, OpenTalk("", ""))
        return Told(event_kind(entry), offer.queue, offer.agent)

    def _talk(self, entry: TalkStarted | TalkEnded) -> Told:
        key = _key(entry.call_id, entry.talk)
        if isinstance(entry, TalkStarted):
            _bounded(self._state.talks)[key] = OpenTalk(entry.queue, entry.agent)
            return Told(event_kind(entry), entry.queue, entry.agent)
        talk = self._state.talks.pop(key, OpenTalk("", ""))
        return Told(event_kind(entry), talk.queue, talk.agent)

    def _count(self, visit: OpenVisit, exited: QueueExited) -> None:
        if exited.exit in _NOT_OFFERED:
            return
        self._turn_to(exited.at)
        wait_s = (exited.at - visit.at).total_seconds()
        before = self._state.figures.get(visit.queue) or QueueDay(visit.queue)
        answered, abandoned = exited.exit == "connected", exited.exit == "abandoned"
        self._state.figures[visit.queue] = QueueDay(
            queue=visit.queue,
            offered=before.offered + 1,
            answered=before.answered + answered,
            abandoned=before.abandoned + abandoned,
            short_abandoned=before.short_abandoned + (abandoned and wait_s < visit.short_abandoned_s),
            in_level=before.in_level + (answered and wait_s <= visit.service_level_s),
        )

    def _turn_to(self, now: datetime) -> None:
        day = now.astimezone(self._zone).date()
        if self._state.day != day:
            self._state.day, self._state.figures = day, {}


def _key(call_id: str, number: int) -> str:
    return f"{call_id} {number}"


def _of(opened: Iterable[str], wanted: Callable[[str], bool]) -> list[tuple[CallId, int]]:
    """Return call and number of the keys whose call is wanted."""
    keys = [key.partition(" ") for key in opened]
    return [(CallId(call_id), int(number)) for call_id, _, number in keys if wanted(call_id)]


def _bounded(opened: dict[str, Any]) -> dict[str, Any]:
    """Make room for one more: the oldest goes."""
    if len(opened) >= MAX_OPEN:
        del opened[next(iter(opened))]
    return opened
