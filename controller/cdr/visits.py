"""What queues, agents and recordings leave, folded into visits, offers, conversations. Pure; Postgres merges alike.

As in `controller.cdr.fold`, entries may come twice, in any split into batches, and from two controllers:

- the first beginning of a visit, an offer or a conversation stands, and so does its first end; either may be missing;
- a conversation whose end was not seen is `lost` when the agent's next one begins: nobody talks twice at a time;
- an event of a conversation is named by its number, an agent's state by its time: the last report of it stands;
- an agent's last word on a call stands, by the time it was said;
- a recording is what was kept of it first, and who erased it first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from controller.cdr.entries import (
    AgentChanged,
    AudioErased,
    AudioKept,
    CallbackAttempted,
    CallbackChanged,
    Disposed,
    DistributionEntry,
    Entry,
    OfferEnded,
    OfferMade,
    Party,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkEvent,
    TalkStarted,
)
from controller.ids import CallId

if TYPE_CHECKING:
    from typing_extensions import TypeIs

LOST = "lost"
"""How a conversation ended whose end nobody saw."""

_KINDS = frozenset(
    {
        AgentChanged,
        AudioErased,
        AudioKept,
        CallbackAttempted,
        CallbackChanged,
        Disposed,
        OfferEnded,
        OfferMade,
        QueueEntered,
        QueueExited,
        TalkEnded,
        TalkEvent,
        TalkStarted,
    }
)


def is_distribution(entry: Entry) -> TypeIs[DistributionEntry]:
    """Tell whether `entry` is one of queues, agents or recordings. One look-up: it is asked of every entry."""
    return type(entry) in _KINDS


class VisitSummary(msgspec.Struct, kw_only=True):
    """One stay in the queues. The first fields are None where its entry was not seen, the last while it lasts."""

    call_id: CallId
    visit: int
    queue: str | None = None
    began_at: datetime | None = None
    entered_at: datetime | None = None
    priority: int = 0
    needs: dict[str, int] = {}
    position: int = 0
    estimate_s: float | None = None
    from_agent: str = ""
    service_level_s: float | None = None
    short_abandoned_s: float | None = None
    exited_at: datetime | None = None
    exit: str | None = None
    agent: str = ""


class OfferSummary(msgspec.Struct, kw_only=True):
    """One ring of one agent. `agent`, `visit` and `made_at` are None where its start was not seen."""

    call_id: CallId
    offer: int
    visit: int | None = None
    agent: str | None = None
    queue: str = ""
    made_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None


class TalkSummary(msgspec.Struct, kw_only=True):
    """One conversation. `agent` and `started_at` are None where its start was not seen."""

    call_id: CallId
    talk: int
    visit: int = 0
    agent: str | None = None
    queue: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: Party | None = None
    hold_s: float = 0.0
    how: str | None = None


class RecordingSummary(msgspec.Struct, kw_only=True):
    """One recording; all but the last two fields are None where only its erasure was seen.

    `sha256` is in hexadecimal. `call_id` is None when it belongs to no call.
    """

    recording_id: str
    call_id: CallId | None = None
    kind: str | None = None
    kept_at: datetime | None = None
    queue: str = ""
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    duration_s: float | None = None
    keep_until: datetime | None = None
    agent: str = ""
    caller: str = ""
    erased_at: datetime | None = None
    erased_by: str | None = None


class StateSummary(msgspec.Struct, kw_only=True):
    """One change of an agent's state."""

    agent: str
    since: datetime
    state: str
    presence: str
    reason: str = ""
    planned_until: datetime | None = None
    queue: str = ""
    call_id: str = ""
    by: str = ""


class CallSeen(msgspec.Struct):
    """A call that entries name, and the earliest time they tell of it."""

    call_id: CallId
    started_at: datetime


class EventSummary(msgspec.Struct, kw_only=True):
    """Something done in a conversation."""

    call_id: CallId
    seq: int
    at: datetime
    kind: str
    agent: str = ""
    detail: dict[str, Any] = {}


class DispositionSummary(msgspec.Struct, kw_only=True):
    """An agent's last word on a call."""

    call_id: CallId
    agent: str
    at: datetime
    code: str
    note: str = ""


class VisitsFolded(msgspec.Struct):
    """Everything a batch tells of queues, agents and recordings, each list in the order of its keys.

    A conversation that is not known to have ended is open here, also where the agent has begun another:
    `close_lost` ends it.
    """

    calls: list[CallSeen]
    visits: list[VisitSummary]
    offers: list[OfferSummary]
    talks: list[TalkSummary]
    events: list[EventSummary]
    dispositions: list[DispositionSummary]
    states: list[StateSummary]
    recordings: list[RecordingSummary]


def fold_visits(entries: Iterable[DistributionEntry]) -> VisitsFolded:
    """Return what `entries` tell; entries of one call, and of one agent, are in their order."""
    folding = _Folding()
    for entry in entries:
        folding.apply(entry)
    return folding.folded()


def close_lost(talks: Iterable[TalkSummary]) -> None:
    """End each of `talks` that is open, or lost, when the same agent's next one begins."""
    begun: dict[str, list[tuple[datetime, CallId, int, TalkSummary]]] = {}
    for talk in talks:
        if talk.agent is not None and talk.started_at is not None:
            begun.setdefault(talk.agent, []).append((talk.started_at, talk.call_id, talk.talk, talk))
    for own in begun.values():
        own.sort(key=lambda each: each[:3])
        for (_, _, _, talk), following in pairwise(own):
            if talk.how in (None, LOST):
                talk.ended_at, talk.ended_by, talk.how = following[0], Party.SYSTEM, LOST


class _Folding:
    """Everything by its key while it is being folded."""

    def __init__(self) -> None:
        self.calls: dict[CallId, CallSeen] = {}
        self.visits: dict[tuple[CallId, int], VisitSummary] = {}
        self.offers: dict[tuple[CallId, int], OfferSummary] = {}
        self.talks: dict[tuple[CallId, int], TalkSummary] = {}
        self.events: dict[tuple[CallId, int], EventSummary] = {}
        self.dispositions: dict[tuple[CallId, str], DispositionSummary] = {}
        self.states: dict[tuple[str, datetime], StateSummary] = {}
        self.recordings: dict[str, RecordingSummary] = {}

    def apply(self, entry: DistributionEntry) -> None:
        match entry:
            case AgentChanged():
                self._state(entry)
            case AudioKept() | AudioErased():
                self._recording(entry)
            case CallbackChanged() | CallbackAttempted():
                pass  # their truth is in tables of their own
            case _:
                self._of_a_call(entry)

    def _of_a_call(
        self,
        entry: QueueEntered | QueueExited | OfferMade | OfferEnded | TalkStarted | TalkEnded | TalkEvent | Disposed,
    ) -> None:
        seen = self.calls.get(entry.call_id)
        if seen is None:
            self.calls[entry.call_id] = CallSeen(entry.call_id, entry.at)
        elif entry.at < seen.started_at:
            seen.started_at = entry.at
        match entry:
            case QueueEntered() | QueueExited():
                self._visit(entry)
            case OfferMade() | OfferEnded():
                self._offer(entry)
            case TalkStarted() | TalkEnded():
                self._talk(entry)
            case TalkEvent():
                self.events[entry.call_id, entry.seq] = EventSummary(
                    call_id=entry.call_id,
                    seq=entry.seq,
                    at=entry.at,
                    kind=entry.kind,
                    agent=entry.agent,
                    detail=entry.detail,
                )
            case Disposed():
                self._disposition(entry)

    def _visit(self, entry: QueueEntered | QueueExited) -> None:
        key = (entry.call_id, entry.visit)
        visit = self.visits.get(key)
        if visit is None:
            visit = self.visits[key] = VisitSummary(call_id=entry.call_id, visit=entry.visit)
        if isinstance(entry, QueueExited):
            if visit.exit is None:
                visit.exited_at, visit.exit, visit.agent = entry.at, entry.exit, entry.agent
        elif visit.queue is None:
            visit.queue, visit.began_at, visit.entered_at = entry.queue, entry.at, entry.entered_at
            visit.priority, visit.needs, visit.from_agent = entry.priority, entry.needs, entry.from_agent
            visit.position, visit.estimate_s = entry.position, entry.estimate_s
            visit.service_level_s, visit.short_abandoned_s = entry.service_level_s, entry.short_abandoned_s

    def _offer(self, entry: OfferMade | OfferEnded) -> None:
        key = (entry.call_id, entry.offer)
        offer = self.offers.get(key)
        if offer is None:
            offer = self.offers[key] = OfferSummary(call_id=entry.call_id, offer=entry.offer)
        if isinstance(entry, OfferEnded):
            if offer.outcome is None:
                offer.ended_at, offer.outcome = entry.at, entry.outcome
        elif offer.agent is None:
            offer.visit, offer.agent, offer.queue, offer.made_at = entry.visit, entry.agent, entry.queue, entry.at

    def _talk(self, entry: TalkStarted | TalkEnded) -> None:
        key = (entry.call_id, entry.talk)
        talk = self.talks.get(key)
        if talk is None:
            talk = self.talks[key] = TalkSummary(call_id=entry.call_id, talk=entry.talk)
        if isinstance(entry, TalkEnded):
            if talk.how is None:
                talk.ended_at, talk.ended_by, talk.hold_s, talk.how = (
                    entry.at,
                    entry.ended_by,
                    entry.hold_s,
                    entry.how,
                )
        elif talk.agent is None:
            talk.visit, talk.agent, talk.queue, talk.started_at = entry.visit, entry.agent, entry.queue, entry.at

    def _disposition(self, entry: Disposed) -> None:
        key = (entry.call_id, entry.agent)
        said = self.dispositions.get(key)
        if said is None or entry.at >= said.at:
            self.dispositions[key] = DispositionSummary(
                call_id=entry.call_id, agent=entry.agent, at=entry.at, code=entry.code, note=entry.note
            )

    def _state(self, entry: AgentChanged) -> None:
        self.states[entry.agent, entry.at] = StateSummary(
            agent=entry.agent,
            since=entry.at,
            state=entry.state,
            presence=entry.presence,
            reason=entry.reason,
            planned_until=entry.until,
            queue=entry.queue,
            call_id=entry.call_id,
            by=entry.by,
        )

    def _recording(self, entry: AudioKept | AudioErased) -> None:
        kept = self.recordings.get(entry.recording_id)
        if kept is None:
            kept = self.recordings[entry.recording_id] = RecordingSummary(recording_id=entry.recording_id)
        if isinstance(entry, AudioErased):
            if kept.erased_at is None:
                kept.erased_at, kept.erased_by = entry.at, entry.by
        elif kept.kind is None:
            kept.call_id, kept.kind, kept.kept_at = entry.call_id or None, entry.kind, entry.at
            kept.queue, kept.path, kept.sha256, kept.bytes = entry.queue, entry.path, entry.sha256, entry.bytes
            kept.duration_s, kept.keep_until = entry.duration_s, entry.keep_until
            kept.agent, kept.caller = entry.agent, entry.caller

    def folded(self) -> VisitsFolded:
        return VisitsFolded(
            calls=[self.calls[key] for key in sorted(self.calls)],
            visits=[self.visits[key] for key in sorted(self.visits)],
            offers=[self.offers[key] for key in sorted(self.offers)],
            talks=[self.talks[key] for key in sorted(self.talks)],
            events=[self.events[key] for key in sorted(self.events)],
            dispositions=[self.dispositions[key] for key in sorted(self.dispositions)],
            states=[self.states[key] for key in sorted(self.states)],
            recordings=[self.recordings[key] for key in sorted(self.recordings)],
        )
