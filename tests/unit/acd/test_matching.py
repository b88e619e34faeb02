"""Many who wait and many who are free at once: the match is the plain rule's."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.acd_plain import PlainAgent, PlainEntry, plain_match
from controller.acd.floor import Floor
from controller.acd.matching import Assignment
from controller.acd.model import AgentAccount, AgentId, AgentState, Entry, EntryId, Overflow, Queue, Rung, Strategy
from controller.acd.skills import fit
from tests.unit.acd.people import NEEDS, agent, entry, floor_of

NAMES = ("alpha", "beta")
RUNGS = (
    (Rung(),),
    (Rung({"english": 3}, 60.0), Rung()),
    (Rung({}, 30.0), Rung({"cards": 1}, 90.0), Rung()),
)


@st.composite
def floors(draw: st.DrawFn) -> tuple[list[Queue], list[AgentAccount], list[tuple[Entry, float]]]:
    plan = [
        Queue(
            name=name,
            strategy=draw(st.sampled_from(Strategy)),
            priority=draw(st.integers(0, 1)),
            rungs=draw(st.sampled_from(RUNGS)),
            overflow=draw(st.sampled_from(((), (Overflow("beta", 0.0),), (Overflow("alpha", 45.0),)))),
            sticky_hold_s=draw(st.sampled_from((0.0, 60.0))),
        )
        for name in NAMES
    ]
    people = [
        agent(
            f"a{number}",
            queues=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5), min_size=1)),
            skills=draw(NEEDS),
            languages=draw(st.sampled_from(((), ("fr",), ("en",), ("en", "fr")))),
        )
        for number in range(draw(st.integers(1, 7)))
    ]
    line = []
    for number in range(draw(st.integers(1, 9))):
        waited = draw(st.sampled_from((0.0, 10.0, 25.0, 50.0, 75.0, 100.0, 130.0, 610.0, 700.0)))
        sticky = draw(st.none() | st.sampled_from([each.agent for each in people]))
        line.append(
            (
                entry(
                    f"e{number}",
                    draw(st.sampled_from(NAMES)),
                    at=1000.0 - waited,
                    priority=draw(st.sampled_from((0, 0, 1))),
                    needs=draw(NEEDS),
                    language=draw(st.sampled_from(("", "", "fr", "en"))),
                    sticky=sticky,
                    excluded=draw(st.frozensets(st.sampled_from([each.agent for each in people]), max_size=1)),
                ),
                waited,
            )
        )
    return plan, people, line


@settings(max_examples=400, deadline=None)
@given(floors(), st.sets(st.integers(0, 6), max_size=2))
def test_the_whole_match_is_the_plain_rule(
    case: tuple[list[Queue], list[AgentAccount], list[tuple[Entry, float]]], talking: set[int]
) -> None:
    plan, people, line = case
    floor = Floor()
    floor.set_queues(plan, 0.0)
    floor.set_accounts(people, 0.0)
    for number, each in enumerate(people):
        floor.login(each.agent, float(number // 2))
        floor.device(each.agent, reachable=True, busy=False, now=10.0)
        if number in talking:
            floor.talking(each.agent, f"c{number}", "alpha", 10.0)
    for each, waited in line:
        assert floor.enter(each, 1000.0, waited_s=waited, wait_s=900.0) is None
    agents = [
        PlainAgent(each.account, each.state, each.member.idle_since, each.member.calls, each.member.last_offers)
        for each in floor._roster.agents.values()
    ]
    waiting = [PlainEntry(each, 1000.0 - waited, frozenset()) for each, waited in line]
    expected = plain_match(waiting, agents, {queue.name: queue for queue in plan}, 1000.0)
    dealt = floor.match(1000.0)
    assert sorted(map(_alike, dealt)) == sorted(map(_alike, expected))
    assert floor.match(1000.0) == []
    rules = {queue.name: queue for queue in plan}
    accounts = {each.agent: each for each in people}
    waited_of = {each.entry: (each, waited) for each, waited in line}
    for assignment in dealt:
        customer, waited = waited_of[assignment.entry]
        for name in assignment.agents:
            assert fit(accounts[name], customer, rules, 1000.0 - waited, 1000.0) is not None


def _alike(assignment: Assignment) -> tuple[str, str, list[AgentId]]:
    return (assignment.entry, assignment.queue, sorted(assignment.agents))


def test_handicaps_decide_between_two_lanes() -> None:
    """One agent, rank 2 in alpha and 1 in beta: a beta customer goes first until alpha's came 30 s earlier."""
    for ahead, first in ((29.0, "b"), (31.0, "a")):
        floor = floor_of([Queue(name="alpha"), Queue(name="beta")], [agent("ann", queues={"alpha": 2, "beta": 1})])
        floor.enter(entry("a", "alpha", at=100.0 - ahead), 100.0, waited_s=ahead, wait_s=900.0)
        floor.enter(entry("b", "beta", at=100.0), 100.0, waited_s=0.0, wait_s=900.0)
        assert [each.entry for each in floor.match(100.0)] == [first]


def test_a_lane_whose_handicap_grew_goes_back() -> None:
    """Alpha's second customer lost the first rank to the first one: the beta customer is seen earlier by ann."""
    people = [agent("ann", queues={"alpha": 2, "beta": 1}), agent("bob", queues={"alpha": 1})]
    floor = floor_of([Queue(name="alpha"), Queue(name="beta")], people)
    floor.enter(entry("a1", "alpha", at=80.0), 100.0, waited_s=20.0, wait_s=900.0)
    floor.enter(entry("a2", "alpha", at=90.0), 100.0, waited_s=10.0, wait_s=900.0)
    floor.enter(entry("b", "beta", at=95.0), 100.0, waited_s=5.0, wait_s=900.0)
    assert {each.entry: each.agents for each in floor.match(100.0)} == {"a1": ("bob",), "b": ("ann",)}


def test_an_elder_goes_first_whatever_the_priority_and_rank() -> None:
    floor = floor_of(
        [Queue(name="alpha"), Queue(name="beta", priority=9)], [agent("ann", queues={"alpha": 4, "beta": 1})]
    )
    floor.enter(entry("old", "alpha", at=400.0), 999.0, waited_s=599.0, wait_s=900.0)
    floor.enter(entry("new", "beta", at=999.0, priority=9), 999.0, waited_s=0.0, wait_s=900.0)
    assert floor.next_due(999.0) == 1000.0
    assert [each.entry for each in floor.match(1000.0)] == ["old"]


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        (Strategy.LONGEST_IDLE, ["ann", "bob", "cat"]),
        (Strategy.LEAST_CALLS, ["cat", "bob", "ann"]),
        (Strategy.ROUND_ROBIN, ["bob", "cat", "ann"]),
    ],
)
def test_strategies(strategy: Strategy, order: list[str]) -> None:
    people = [agent(name, queues={"alpha": 1}) for name in ("ann", "bob", "cat")]
    floor = floor_of([Queue(name="alpha", strategy=strategy, wrap_up_s=0.0)], people, now=0.0)
    # ann talked twice, bob once, cat not at all; cat ended a pause last; alpha was offered to ann last.
    now = 1.0
    for name, calls in (("ann", 2), ("bob", 1)):
        for call in range(calls):
            floor.talking(AgentId(name), f"{name}{call}", "beta", now)
            floor.released(AgentId(name), now + 1.0, wrap_up=False)
            now += 2.0
    floor.pause(AgentId("cat"), "tea", now)
    floor.resume(AgentId("cat"), now + 1.0)
    others = [AgentId(name) for name in ("bob", "cat", "ann")]
    if strategy is Strategy.ROUND_ROBIN:
        for number, name in enumerate(others):
            one = entry(f"r{number}", "alpha", at=now + 2.0, excluded=frozenset(others) - {name})
            floor.enter(one, now + 2.0 + number, waited_s=0.0, wait_s=900.0)
            assert [each.agents for each in floor.match(now + 2.0 + number)] == [(name,)]
            floor.leave(one.entry, now + 2.0 + number)
            floor.released(name, now + 2.0 + number, wrap_up=False)
    for number in range(3):
        floor.enter(entry(f"e{number}", "alpha", at=50.0 + number), 60.0, waited_s=10.0, wait_s=900.0)
    assert [str(each.agents[0]) for each in floor.match(60.0)] == order


def test_ring_all_rings_the_best_rank_and_withdraws_the_others() -> None:
    people = [agent(name, queues={"alpha": rank}) for name, rank in (("ann", 1), ("bob", 1), ("cat", 2))]
    floor = floor_of([Queue(name="alpha", strategy=Strategy.RING_ALL)], people)
    floor.enter(entry("e", "alpha", at=10.0), 10.0, waited_s=0.0, wait_s=900.0)
    assert floor.match(10.0) == [Assignment(EntryId("e"), "alpha", (AgentId("ann"), AgentId("bob")))]
    assert floor.connected(EntryId("e"), AgentId("bob"), 12.0) == ("ann",)
    assert floor.view(AgentId("ann"), 12.0).state is AgentState.OFFERED


def test_rungs_language_and_own_needs_relax() -> None:
    queue = Queue(name="alpha", rungs=(Rung({"english": 3}, 20.0), Rung({"english": 1}, 40.0), Rung()))
    people = [agent("ann", queues={"alpha": 1}, skills={"english": 2, "cards": 1})]
    for wish, due in (({}, 20.0), ({"cards": 2}, 40.0)):
        floor = floor_of([queue], people, now=0.0)
        floor.enter(entry("e", "alpha", at=0.0, needs=wish), 0.0, waited_s=0.0, wait_s=900.0)
        for now in (0.0, due - 0.5):
            assert floor.match(now) == []
        assert len(floor.match(due)) == 1
    fluent = msgspec.structs.replace(people[0], skills={"english": 5}, languages=("en",))
    floor = floor_of([queue], [fluent], now=0.0)
    floor.enter(entry("e", "alpha", at=0.0, language="fr"), 0.0, waited_s=0.0, wait_s=900.0)
    assert (floor.match(19.0), len(floor.match(20.0))) == ([], 1)


@example(seconds=29.0)
@example(seconds=30.0)
@given(seconds=st.floats(0.0, 100.0))
def test_sticky_hold_lasts_while_the_agent_comes_back(seconds: float) -> None:
    people = [agent("ann", queues={"alpha": 1}), agent("bob", queues={"alpha": 1})]
    floor = floor_of([Queue(name="alpha", sticky_hold_s=30.0)], people, now=0.0)
    floor.talking(AgentId("ann"), "c", "alpha", 0.0)
    floor.enter(entry("e", "alpha", at=0.0, sticky=AgentId("ann")), 0.0, waited_s=0.0, wait_s=900.0)
    assert floor.match(0.0) == []
    dealt = floor.match(seconds)
    assert [each.agents for each in dealt] == ([] if seconds < 30.0 else [("bob",)])
    floor = floor_of([Queue(name="alpha", sticky_hold_s=30.0)], people, now=0.0)
    floor.talking(AgentId("ann"), "c", "alpha", 0.0)
    floor.enter(entry("e", "alpha", at=0.0, sticky=AgentId("ann")), 0.0, waited_s=0.0, wait_s=900.0)
    assert floor.match(0.0) == []
    floor.pause(AgentId("ann"), "lunch", 1.0)
    floor.released(AgentId("ann"), 2.0, wrap_up=False)  # paused now: nobody is kept for ann
    assert [each.agents for each in floor.match(2.0)] == [("bob",)]
