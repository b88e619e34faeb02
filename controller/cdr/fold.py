"""Entries of a record, folded into what is known of each call. Pure; Postgres merges by the same rules.

The rules make entries safe to apply twice, in any split into batches, and from two controllers that saw the
same call one after the other:

- the first start of a call or of a leg stands, and so does the first answer;
- the first end stands, but `lost` yields to an end that somebody saw, and an unknown cause to a known one;
- a step is named by its number in the call; the last report of it stands (a step that was interrupted by a
  crash is taken again under its number);
- the last saved state stands, unless it comes from another node and is older; an ended call has none;
- an entry may name a call or a leg whose start was not seen: it is kept as far as it is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from controller.cdr.entries import (
    AsteriskCdr,
    CallAnswered,
    CallEnded,
    CallEntry,
    CallStarted,
    Disposition,
    DistributionEntry,
    Entry,
    LegAnswered,
    LegEnded,
    LegStarted,
    Party,
    ReleaseUsed,
    Role,
    StateDropped,
    StateSaved,
    StepTaken,
)
from controller.cdr.visits import is_distribution
from controller.ids import CallId, LegId

_NOT_DIALLED = (None, Role.CALLER, Role.SUPERVISOR)


class LegSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one leg. `role` is None when its start was not seen; `cause` None while it lives."""

    leg_id: LegId
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    channel_id: str = ""
    channel_name: str = ""
    role: Role | None = None
    number: str = ""
    cause: int | None = None
    cause_text: str = ""
    ended_by: Party | None = None


class CallSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one call.

    `started_at` is the earliest time any entry names as long as `start` was not seen. `legs` are in the order
    of their start, `steps` in the order of their number. `state` is None once the call has ended; `state_dropped`
    tells that a state, if there was one before these entries, is void.
    """

    call_id: CallId
    started_at: datetime
    start: CallStarted | None = None
    answered_at: datetime | None = None
    end: CallEnded | None = None
    legs: tuple[LegSummary, ...] = ()
    steps: tuple[StepTaken, ...] = ()
    state: StateSaved | None = None
    state_dropped: bool = False

    @property
    def callee_cause(self) -> int | None:
        """The Q.850 cause of the last dialled leg that has ended; None when nobody was dialled.

        A supervisor who listens in is nobody the caller was connected to.
        """
        dialled = [leg for leg in self.legs if leg.role not in _NOT_DIALLED and leg.cause is not None]
        return dialled[-1].cause if dialled else None

    @property
    def language(self) -> str:
        """The caller's language at the end, or at the start while the call runs."""
        if self.end is not None and self.end.language:
            return self.end.language
        return self.start.language if self.start is not None else ""


def fold(entries: Iterable[Entry]) -> CallSummary:
    """Return what `entries`, all of one call, tell of it; raise `ValueError` if they are of none or several."""
    calls = fold_all(entries).calls
    if len(calls) != 1:
        raise ValueError(f"entries of {len(calls)} calls given where one was wanted; use fold_all")
    return next(iter(calls.values()))


class Folded(msgspec.Struct, frozen=True):
    """Everything a batch of entries tells, by what it is about."""

    calls: dict[CallId, CallSummary]
    releases: dict[str, ReleaseUsed]
    asterisk_cdrs: tuple[AsteriskCdr, ...]
    distribution: tuple[DistributionEntry, ...]
    """In the order in which they came; see `controller.cdr.visits`."""


def fold_all(entries: Iterable[Entry]) -> Folded:
    """Return what `entries` of any calls tell. Entries of one call are in their order."""
    calls: dict[CallId, _Call] = {}
    releases: dict[str, ReleaseUsed] = {}
    cdrs: list[AsteriskCdr] = []
    distribution: list[DistributionEntry] = []
    for entry in entries:
        if is_distribution(entry):
            distribution.append(entry)
            continue
        match entry:
            case AsteriskCdr():
                cdrs.append(entry)
            case ReleaseUsed():
                releases.setdefault(entry.release, entry)
            case _:
                call = calls.get(entry.call_id)
                if call is None:
                    call = calls[entry.call_id] = _Call(entry.call_id)
                call.apply(entry)
    summaries = {call_id: call.summary() for call_id, call in calls.items()}
    return Folded(summaries, releases, tuple(cdrs), tuple(distribution))


class _Leg:
    """One leg while it is being folded."""

    __slots__ = ("answered_at", "end", "leg_id", "start")

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.start: LegStarted | None = None
        self.answered_at: datetime | None = None
        self.end: LegEnded | None = None

    def summary(self) -> LegSummary:
        start, end = self.start, self.end
        return LegSummary(
            leg_id=self.leg_id,
            started_at=start.at if start else None,
            answered_at=self.answered_at,
            ended_at=end.at if end else None,
            channel_id=start.channel_id if start else "",
            channel_name=start.channel_name if start else "",
            role=start.role if start else None,
            number=start.number if start else "",
            cause=end.cause if end else None,
            cause_text=end.cause_text if end else "",
            ended_by=end.ended_by if end else None,
        )


class _Call:
    """One call while it is being folded."""

    __slots__ = ("answered_at", "call_id", "dropped", "earliest", "end", "legs", "start", "state", "steps")

    def __init__(self, call_id: CallId) -> None:
        self.call_id = call_id
        self.earliest: datetime | None = None
        self.start: CallStarted | None = None
        self.answered_at: datetime | None = None
        self.end: CallEnded | None = None
        self.legs: dict[LegId, _Leg] = {}
        self.steps: dict[int, StepTaken] = {}
        self.state: StateSaved | None = None
        self.dropped = False

    def apply(self, entry: CallEntry) -> None:
        at = entry.entered_at if isinstance(entry, StepTaken) else entry.at
        if self.earliest is None or at < self.earliest:
            self.earliest = at
        match entry:
            case StepTaken():
                self.steps[entry.seq] = entry
            case StateSaved():
                state = self.state
                if state is None or state.node == entry.node or state.at < entry.at:
                    self.state = entry
            case StateDropped():
                self.state, self.dropped = None, True
            case CallStarted():
                self.start = self.start or entry
            case CallAnswered():
                self.answered_at = self.answered_at or entry.at
            case CallEnded():
                if self.end is None or (
                    self.end.disposition is Disposition.LOST and entry.disposition is not Disposition.LOST
                ):
                    self.end = entry
            case _:
                self._apply_to_leg(entry)

    def _apply_to_leg(self, entry: LegStarted | LegAnswered | LegEnded) -> None:
        leg = self.legs.get(entry.leg_id)
        if leg is None:
            leg = self.legs[entry.leg_id] = _Leg(entry.leg_id)
        match entry:
            case LegStarted():
                leg.start = leg.start or entry
            case LegAnswered():
                leg.answered_at = leg.answered_at or entry.at
            case LegEnded():
                if leg.end is None or (leg.end.cause == 0 and entry.cause != 0):
                    leg.end = entry

    def summary(self) -> CallSummary:
        if self.earliest is None:
            raise ValueError(f"no entry of call {self.call_id} was applied")
        legs = [leg.summary() for leg in self.legs.values()]
        legs.sort(key=_leg_order)
        return CallSummary(
            call_id=self.call_id,
            started_at=self.start.at if self.start else self.earliest,
            start=self.start,
            answered_at=self.answered_at,
            end=self.end,
            legs=tuple(legs),
            steps=tuple(self.steps[seq] for seq in sorted(self.steps)),
            state=None if self.end else self.state,
            state_dropped=self.dropped or self.end is not None,
        )


def _leg_order(leg: LegSummary) -> tuple[bool, float, LegId]:
    """Legs by their start; those without one last."""
    return (leg.started_at is None, leg.started_at.timestamp() if leg.started_at else 0.0, leg.leg_id)
