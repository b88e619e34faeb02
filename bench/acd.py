"""Measures the matching: the whole of a large floor, one agent who gets free, and the plain rule beside it.

`python -m bench.acd [--waiting 10000] [--agents 1000] [--queues 20] [--rounds 7]`. Times are of the processor, in
milliseconds: what else the machine does counts little. Compare ratios of one run, not runs of different machines.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time

from bench.acd_plain import PlainAgent, PlainEntry, plain_match
from controller.acd.floor import Floor
from controller.acd.model import (
    AgentAccount,
    AgentId,
    Entry,
    EntryId,
    OfferOutcome,
    Overflow,
    Queue,
    Rung,
    Strategy,
)

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SKILLS = ("english", "german", "cards", "loans", "technics", "orders")
LANGUAGES = ("fr", "en", "de")
NOW = 5_000.0
PREFER, NEED, EXCLUDE = 0.33, 0.1, 0.1
"""Shares of those who wait: with a language, with needs of their own, with an agent who shall not get them."""


def queues(number: int, dice: random.Random) -> list[Queue]:
    """Queues of three rungs, all strategies but ring all, each overflowing into another."""
    names = [f"queue{each:02}" for each in range(number)]
    strategies = (Strategy.LONGEST_IDLE, Strategy.LEAST_CALLS, Strategy.ROUND_ROBIN)
    made = []
    for index, name in enumerate(names):
        skill = SKILLS[index % len(SKILLS)]
        made.append(
            Queue(
                name=name,
                strategy=strategies[index % len(strategies)],
                priority=dice.choice((0, 0, 1)),
                rungs=(Rung({skill: 3}, 60.0), Rung({skill: 1}, 180.0), Rung()),
                overflow=(Overflow(names[(index + 1) % number], 240.0),) if number > 1 else (),
            )
        )
    return made


def accounts(number: int, plan: list[Queue], dice: random.Random) -> list[AgentAccount]:
    """Agents of three queues, three skills and one or two languages each."""
    return [
        AgentAccount(
            agent=AgentId(f"agent{each:04}"),
            name="",
            extension=str(2000 + each),
            skills={skill: dice.randint(1, 5) for skill in dice.sample(SKILLS, 3)},
            languages=tuple(dice.sample(LANGUAGES, dice.randint(1, 2))),
            queues={queue.name: rank for rank, queue in enumerate(dice.sample(plan, min(3, len(plan))), start=1)},
        )
        for each in range(number)
    ]


def entry(number: int, waited_s: float, plan: list[Queue], dice: random.Random) -> Entry:
    """One who waits: a third prefer a language, a tenth bring needs of their own, a tenth exclude an agent."""
    return Entry(
        entry=EntryId(f"entry{number:06}"),
        queue=dice.choice(plan).name,
        entered_at=START + timedelta(seconds=NOW - waited_s),
        priority=dice.choice((0, 0, 0, 1, 2)),
        needs={dice.choice(SKILLS): dice.randint(1, 3)} if dice.random() < NEED else {},
        language=dice.choice(LANGUAGES) if dice.random() < PREFER else "",
        excluded=frozenset({AgentId(f"agent{dice.randrange(100):04}")}) if dice.random() < EXCLUDE else frozenset(),
    )


class Case:
    """A floor with many who wait and everybody free, not matched yet."""

    def __init__(self, waiting: int, agents: int, number: int, seed: int) -> None:
        dice = random.Random(seed)
        self.plan = queues(number, dice)
        self.people = accounts(agents, self.plan, dice)
        self.floor = Floor()
        self.floor.set_queues(self.plan, 0.0)
        self.floor.set_accounts(self.people, 0.0)
        self.line = []
        for each in range(waiting):
            waited_s = dice.uniform(0.0, 700.0)
            self.line.append((entry(each, waited_s, self.plan, dice), waited_s))
        began = process_time()
        for one, waited_s in self.line:
            self.floor.enter(one, NOW, waited_s=waited_s, wait_s=900.0)
        self.entering_ms = (process_time() - began) * 1000 / waiting
        self.floor.match(NOW)
        dice.shuffle(self.people)
        for place, account in enumerate(self.people):
            at = NOW + place / agents
            self.floor.login(account.agent, at)
            self.floor.device(account.agent, reachable=True, busy=False, now=at)
        self.now = NOW + 1.0


def timed(work: Callable[[], object]) -> float:
    """Return how many milliseconds `work` takes, without the garbage collector."""
    gc.collect()
    gc.disable()
    began = process_time()
    work()
    took = (process_time() - began) * 1000
    gc.enable()
    return took


def whole(options: argparse.Namespace) -> None:
    """One match of everybody who waits with everybody free."""
    took, entering, dealt = [], [], 0
    for seed in range(options.rounds):
        case = Case(options.waiting, options.agents, options.queues, seed)
        found: list[object] = []
        took.append(timed(lambda case=case, found=found: found.extend(case.floor.match(case.now))))
        entering.append(case.entering_ms)
        dealt = len(found)
    print(f"whole match, {options.waiting} waiting x {options.agents} free agents, {options.queues} queues:")
    print(f"  median {statistics.median(took):.1f} ms, worst {max(took):.1f} ms ({dealt} offers in the last round)")
    print(f"  one who enters: {statistics.median(entering) * 1000:.0f} us, all placed but not matched")


def step(options: argparse.Namespace, waiting: int) -> None:
    """One agent gets free while `waiting` wait and all others talk; and the line is told what became of it."""
    took = []
    case = Case(waiting + options.agents, options.agents, options.queues, 1)
    floor, now = case.floor, case.now
    for assignment in floor.match(now):
        floor.connected(assignment.entry, assignment.agents[0], now)
    dice, number = random.Random(2), len(case.line)
    for _ in range(1000):
        now += 0.05
        agent = dice.choice(case.people).agent

        def free(agent: AgentId = agent, now: float = now) -> None:
            floor.released(agent, now, wrap_up=False)
            floor.match(now)

        took.append(timed_once(free))
        view = floor.view(agent, now)
        if view is not None and view.call_id:
            floor.connected(EntryId(view.call_id), agent, now)
        number += 1
        floor.enter(entry(number, 0.0, case.plan, dice), now, waited_s=0.0, wait_s=900.0)
        for other in floor.match(now):
            floor.offer_ended(other.entry, other.agents[0], OfferOutcome.CUSTOMER_LEFT, now)
    took.sort()
    left = sum(floor.counts(queue.name, now).waiting for queue in case.plan)
    print(f"one agent gets free, {options.agents} agents, {left} waiting at the end:")
    print(f"  median {took[500] * 1000:.0f} us, p99 {took[990] * 1000:.0f} us, worst {took[-1] * 1000:.0f} us")


def timed_once(work: Callable[[], None]) -> float:
    """Return how many milliseconds `work` takes; without a collection before, which would take longer than it."""
    began = process_time()
    work()
    return (process_time() - began) * 1000


def plainly(options: argparse.Namespace) -> None:
    """The plain rule and the floor on the same, smaller, case; they must agree."""
    waiting, agents = options.waiting // 20, options.agents // 10
    case = Case(waiting, agents, options.queues, 3)
    line = [PlainEntry(one, NOW - waited_s, frozenset()) for one, waited_s in case.line]
    people = [
        PlainAgent(account, view.state, NOW + number / agents, 0, {})
        for number, account in enumerate(case.people)
        if (view := case.floor.view(account.agent, case.now)) is not None
    ]
    rules = {queue.name: queue for queue in case.plan}
    expected: list[tuple[object, ...]] = []
    plain_ms = timed(lambda: expected.extend(plain_match(line, people, rules, case.now)))
    dealt: list[tuple[object, ...]] = []
    floor_ms = timed(lambda: dealt.extend(case.floor.match(case.now)))
    same = sorted(expected, key=str) == sorted(dealt, key=str)
    print(f"{waiting} waiting x {agents} free agents: the plain rule {plain_ms:.0f} ms, the floor {floor_ms:.2f} ms")
    print(f"  ratio {plain_ms / floor_ms:.0f}, {len(dealt)} offers, {'the same' if same else 'NOT THE SAME'}")


def main() -> None:
    """Run all three and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench.acd", description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--queues", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    whole(options)
    for waiting in (500, options.waiting):
        step(options, waiting)
    plainly(options)


if __name__ == "__main__":
    main()
