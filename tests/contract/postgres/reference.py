"""The figures of `docs/figures.md` computed slowly, from entries alone: what the SQL must agree with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.cdr.entries import (
    AgentChanged,
    CallEnded,
    CallStarted,
    Entry,
    OfferEnded,
    OfferMade,
    QueueEntered,
    QueueExited,
    TalkEnded,
    TalkStarted,
)

DAY = timedelta(days=1)
MISSED = ("no_answer", "declined", "not_accepted", "unreachable")
PASSED_ON = ("transfer_blind", "transfer_attended", "escalated")


@dataclass
class Records:
    """Entries by what they are about."""

    calls: dict[str, CallStarted] = field(default_factory=dict)
    ends: dict[str, CallEnded] = field(default_factory=dict)
    entered: dict[tuple[str, int], QueueEntered] = field(default_factory=dict)
    exited: dict[tuple[str, int], QueueExited] = field(default_factory=dict)
    offers: dict[tuple[str, int], OfferMade] = field(default_factory=dict)
    offers_ended: dict[tuple[str, int], OfferEnded] = field(default_factory=dict)
    talks: dict[tuple[str, int], TalkStarted] = field(default_factory=dict)
    talks_ended: dict[tuple[str, int], TalkEnded] = field(default_factory=dict)
    states: dict[str, list[AgentChanged]] = field(default_factory=lambda: defaultdict(list))


def sorted_out(entries: Iterable[Entry]) -> Records:  # noqa: C901 - a line for each kind of entry
    """Return `entries`, each thing told once, by what they are about."""
    found = Records()
    for entry in entries:
        match entry:
            case CallStarted():
                found.calls[entry.call_id] = entry
            case CallEnded():
                found.ends[entry.call_id] = entry
            case QueueEntered():
                found.entered[entry.call_id, entry.visit] = entry
            case QueueExited():
                found.exited[entry.call_id, entry.visit] = entry
            case OfferMade():
                found.offers[entry.call_id, entry.offer] = entry
            case OfferEnded():
                found.offers_ended[entry.call_id, entry.offer] = entry
            case TalkStarted():
                found.talks[entry.call_id, entry.talk] = entry
            case TalkEnded():
                found.talks_ended[entry.call_id, entry.talk] = entry
            case AgentChanged():
                found.states[entry.agent].append(entry)
    for states in found.states.values():
        states.sort(key=lambda each: each.at)
    return found


def intervals(begin: datetime, end: datetime, span: timedelta, zone: str) -> list[tuple[datetime, datetime]]:
    """Return the intervals by walking minute by minute over the clock on the wall."""
    wall = ZoneInfo(zone)

    def label(moment: datetime) -> tuple[object, ...]:
        local = moment.astimezone(wall)
        if span == DAY:
            return (local.date(),)
        minutes = local.hour * 60 + local.minute
        return (local.date(), minutes // (span.seconds // 60), local.utcoffset())

    borders = [begin]
    moment = begin
    while moment < end:
        following = min((moment + timedelta(minutes=1)).replace(second=0, microsecond=0), end)
        if following < end and label(following) != label(moment):
            borders.append(following)
        moment = following
    return list(zip(borders, [*borders[1:], end], strict=True))


Sums = dict[tuple[str, datetime], dict[str, float]]


class Reference:
    """Sums by key (queue, agent or number) and the start of the interval."""

    def __init__(self, records: Records, begin: datetime, end: datetime, span: timedelta, zone: str) -> None:
        self._records = records
        self._intervals = intervals(begin, end, span, zone)

    def queues(self) -> Sums:
        sums: Sums = defaultdict(lambda: defaultdict(float))
        for key, visit in self._records.entered.items():
            if (start := self._interval(visit.at)) is not None:
                self._visit(sums[visit.queue, start], key, visit)
        for key, offer in self._records.offers.items():
            if (start := self._interval(offer.at)) is not None:
                self._offer(sums[offer.queue, start], key)
        for key, talk in self._records.talks.items():
            if (start := self._interval(talk.at)) is not None:
                self._talk(sums[talk.queue, start], key, talk)
        for state, seconds in self._wrap_ups():
            if (start := self._interval(state.at)) is not None:
                sums[state.queue, start]["wrap_up_s"] += seconds
        return sums

    def agents(self) -> Sums:
        sums: Sums = defaultdict(lambda: defaultdict(float))
        self._spent(sums)
        for key, offer in self._records.offers.items():
            if (start := self._interval(offer.at)) is not None:
                row = sums[offer.agent, start]
                self._offer(row, key)
                ended = self._records.offers_ended.get(key)
                row["offers_answered"] += ended is not None and ended.outcome == "connected"
        for key, talk in self._records.talks.items():
            if (start := self._interval(talk.at)) is not None:
                self._talk(sums[talk.agent, start], key, talk)
        for state, seconds in self._wrap_ups():
            if (start := self._interval(state.at)) is not None:
                sums[state.agent, start]["wrap_up_s"] += seconds
        return sums

    def _spent(self, sums: Sums) -> None:
        for agent in self._records.states:
            for since, until, state in self._spans(agent):
                for begin, end in self._intervals:
                    seconds = (min(until, end) - max(since, begin)).total_seconds()
                    if seconds > 0 and state != "logged_out":
                        sums[agent, begin]["logged_in_s"] += seconds
                        sums[agent, begin][STATE_COLUMNS[state]] += seconds

    def numbers(self) -> Sums:
        sums: Sums = defaultdict(lambda: defaultdict(float))
        for call_id, call in self._records.calls.items():
            if (start := self._interval(call.at)) is None:
                continue
            row = sums[call.called_number, start]
            row["calls"] += 1
            if end := self._records.ends.get(call_id):
                row["duration_s"] += (end.at - call.at).total_seconds()
                row["calls_abandoned"] += end.disposition == "abandoned"
            visits = {key: each for key, each in self._records.entered.items() if key[0] == call_id}
            talks = {key: each for key, each in self._records.talks.items() if key[0] == call_id}
            row["calls_queued"] += bool(visits)
            row["calls_talked"] += bool(talks)
            for key, visit in visits.items():
                self._visit(row, key, visit)
            for key, talk in talks.items():
                self._talk(row, key, talk)
            row["wrap_up_s"] += sum(seconds for state, seconds in self._wrap_ups() if state.call_id == call_id)
        return sums

    def _interval(self, at: datetime) -> datetime | None:
        return next((begin for begin, end in self._intervals if begin <= at < end), None)

    def _visit(self, row: dict[str, float], key: tuple[str, int], visit: QueueEntered) -> None:
        exited, ended = self._records.exited.get(key), self._records.ends.get(key[0])
        how = exited.exit if exited else "failed" if ended else ""
        row["entered"] += 1
        row[EXIT_COLUMNS[how]] += 1
        over = exited or ended
        if over is None or how in ("full", "closed", "moved"):
            return
        wait_s = (over.at - visit.at).total_seconds()
        row["offered"] += 1
        row["longest_wait_s"] = max(row["longest_wait_s"], wait_s)
        if how == "connected":
            row["in_level"] += wait_s <= (20 if visit.service_level_s is None else visit.service_level_s)
            row["answered_wait_s"] += wait_s
            if visit.estimate_s is not None:
                row["estimated"] += 1
                row["estimate_error_sum_s"] += visit.estimate_s - wait_s
                row["estimate_missed_by_sum_s"] += abs(visit.estimate_s - wait_s)
        if how == "abandoned":
            row["abandoned_wait_s"] += wait_s
            row["short_abandoned"] += wait_s < (5 if visit.short_abandoned_s is None else visit.short_abandoned_s)

    def _offer(self, row: dict[str, float], key: tuple[str, int]) -> None:
        ended = self._records.offers_ended.get(key)
        row["offers"] += 1
        row["offers_missed"] += ended is not None and ended.outcome in MISSED

    def _talk(self, row: dict[str, float], key: tuple[str, int], talk: TalkStarted) -> None:
        row["talks"] += 1
        over = self._records.talks_ended.get(key) or self._records.ends.get(key[0])
        if over is not None:
            hold_s = over.hold_s if isinstance(over, TalkEnded) else 0.0
            row["hold_s"] += hold_s
            row["talk_s"] += (over.at - talk.at).total_seconds() - hold_s
            row["transferred"] += isinstance(over, TalkEnded) and over.how in PASSED_ON

    def _wrap_ups(self) -> Iterator[tuple[AgentChanged, float]]:
        for agent, states in self._records.states.items():
            for state, (since, until, _) in zip(states, self._spans(agent), strict=True):
                if state.state == "wrap_up":
                    yield state, (until - since).total_seconds()

    def _spans(self, agent: str) -> Iterator[tuple[datetime, datetime, str]]:
        states = self._records.states[agent]
        for index, state in enumerate(states):
            last = index + 1 == len(states)
            yield state.at, datetime.now(UTC) if last else states[index + 1].at, state.state


EXIT_COLUMNS = {
    "": "waiting", "connected": "answered", "full": "refused", "closed": "refused", "moved": "moved",
    "abandoned": "abandoned", "timeout": "timeouts", "no_agents": "no_agents", "callback": "callbacks",
    "message": "messages", "failed": "failed",
}  # fmt: skip
STATE_COLUMNS = {
    "free": "free_s", "offered": "ringing_s", "talking": "talking_s", "wrap_up": "wrapping_up_s",
    "paused": "paused_s", "unreachable": "unreachable_s", "busy": "busy_s",
}  # fmt: skip
