"""The estimator against what really happened: a simulated day through the floor, every estimate checked."""

from __future__ import annotations

import heapq
import random
import statistics

import pytest

from controller.acd.estimate import LEAST, MOST_S, Pace, PaceMemory
from controller.acd.floor import Floor
from controller.acd.model import AgentId, EntryId, Queue
from tests.unit.acd.people import agent, entry, floor_of

DAY_S = 10 * 3600.0
AGENTS = 20
HANDLING_S = 240.0
PATIENCE_S = 600.0


class Replay:
    """Calls come by a day's curve, talk, wrap up; some give up. Who is told an estimate is followed to the answer."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        people = [agent(f"a{number:02}", queues={"alpha": 1}) for number in range(AGENTS)]
        self.floor: Floor = floor_of([Queue(name="alpha", wrap_up_s=20.0)], people)
        self.events: list[tuple[float, int, str, str]] = []
        self.count = 0
        self.told: dict[str, tuple[float, float | None, int]] = {}
        self.pairs: list[tuple[float, float]] = []
        self.abandoned = self.silent = 0

    def later(self, at: float, what: str, name: str) -> None:
        self.count += 1
        heapq.heappush(self.events, (at, self.count, what, name))

    def run(self) -> None:
        self.later(1.0, "call", "e0")
        while self.events:
            now, _, what, name = heapq.heappop(self.events)
            getattr(self, what)(now, name)
            for dealt in self.floor.match(now):
                self.answer(now, dealt.entry, dealt.agents[0])
            due = self.floor.next_due(now)
            if due is not None and (not self.events or due < self.events[0][0]):
                self.later(due, "look", "")

    def look(self, now: float, name: str) -> None:
        self.floor.tick(now)

    def call(self, now: float, name: str) -> None:
        self.floor.enter(entry(name, "alpha", at=now), now, waited_s=0.0, wait_s=900.0)
        place = EntryId(name)
        self.told[name] = (now, self.floor.estimate_s(place), self.floor.position(place))
        self.later(now + self.dice.expovariate(1 / PATIENCE_S), "give_up", name)
        # Quiet at both ends, too busy twice: 0.7 to 1.15 of what the agents can do.
        hour = now / 3600
        load = 1.15 if 2 <= hour < 4 or 6 <= hour < 8 else 0.7
        pace = load * AGENTS / (HANDLING_S + 20.0)
        if now < DAY_S:
            self.later(now + self.dice.expovariate(pace), "call", f"e{self.count}")

    def give_up(self, now: float, name: str) -> None:
        if name in self.told:
            del self.told[name]
            self.abandoned += 1
            self.floor.leave(EntryId(name), now)

    def answer(self, now: float, name: EntryId, who: AgentId) -> None:
        entered, estimate, _ = self.told.pop(name)
        if now > entered:  # whoever waits at all
            if estimate is None:
                self.silent += 1
            else:
                self.pairs.append((estimate, now - entered))
        self.floor.connected(name, who, now)
        self.later(now + self.dice.lognormvariate(5.2, 0.75), "hang_up", who)

    def hang_up(self, now: float, name: str) -> None:
        self.floor.released(AgentId(name), now, wrap_up=True)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_estimates_of_a_day(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    day = Replay(seed)
    day.run()
    waits = [real for _, real in day.pairs]
    errors = [estimate - real for estimate, real in day.pairs]
    relative = [abs(estimate - real) / max(real, 30.0) for estimate, real in day.pairs]
    within = sum(1 for each in relative if each <= 0.5) / len(relative)
    mean, bias = statistics.fmean(map(abs, errors)), statistics.fmean(errors)
    naive = statistics.fmean(abs(statistics.fmean(waits) - real) for real in waits)
    with capsys.disabled():
        print(
            f"\nday {seed}: {len(waits)} waited (median {statistics.median(waits):.0f} s, "
            f"longest {max(waits):.0f} s), {day.abandoned} gave up, {day.silent} were told nothing; "
            f"mean error {mean:.0f} s, bias {bias:+.0f} s, {within:.0%} within half of the wait (or 15 s); "
            f"the day's mean wait told to all: {naive:.0f} s"
        )
    assert len(waits) > 300
    assert day.silent <= LEAST + 30
    assert mean < 0.75 * naive
    assert abs(bias) < 0.35 * statistics.fmean(waits)
    assert within > 0.5


def test_nothing_is_said_without_history_or_agents() -> None:
    pace = Pace()
    assert pace.estimate_s(1, 5) is None
    for number in range(LEAST):
        pace.seen(number * 30.0, waiting=1, agents=2)
        pace.seen(number * 30.0 + 30.0, waiting=0, agents=2)
        pace.answered()
    assert pace.estimate_s(1, 0) is None
    assert pace.estimate_s(0, 2) is None
    assert pace.estimate_s(1, 2) == pytest.approx(30.0)
    assert pace.estimate_s(4, 4) == pytest.approx(60.0)
    assert pace.estimate_s(100_000, 1) == MOST_S
    assert Pace(pace.memory()).estimate_s(4, 4) == pytest.approx(60.0)


def test_those_who_give_up_shorten_the_wait() -> None:
    patient = Pace(PaceMemory(answers=50, cost=60.0, leavings=0.0, waitings=1000.0))
    hasty = Pace(PaceMemory(answers=50, cost=60.0, leavings=5.0, waitings=1000.0))
    assert patient.estimate_s(10, 2) == pytest.approx(300.0)
    assert hasty.estimate_s(10, 2) == pytest.approx(183.258, abs=0.01)
