"""A day of the floor in no order: after every step the match is the plain rule's, and a restart changes nothing.

Tried by hand with mistakes put in: agents of one queue only looked at when freed, an entry matched again while under
offer, fresh entries not looked at. Mistakes in what a restart keeps are found by `test_floor`, in the order of
dealing by `test_matching`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bench.acd_plain import PlainAgent, PlainEntry, fits, held_for, plain_match
from controller.acd.floor import Floor, FloorMemory
from controller.acd.line import ELDER_S
from controller.acd.matching import Assignment
from controller.acd.model import (
    AgentAccount,
    AgentId,
    AgentState,
    Entry,
    EntryId,
    OfferOutcome,
    Overflow,
    Queue,
    Rung,
    Strategy,
)
from controller.acd.skills import HANDICAP_MAX_S, waits_in

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
QUEUES = ("alpha", "beta", "gamma")
SKILLS = ("english", "cards")
AGENTS = tuple(AgentId(name) for name in ("ann", "bob", "cat", "dan", "eve"))
ENDED = [each for each in OfferOutcome if each is not OfferOutcome.CONNECTED]
grades = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5), max_size=2)
needs = st.just({}) | st.just({}) | grades  # mostly few, so that there is something to match


@st.composite
def queues(draw: st.DrawFn) -> list[Queue]:
    made = []
    for name in QUEUES:
        ends = sorted(draw(st.sets(st.sampled_from((20.0, 45.0, 90.0)), max_size=2)))
        rungs = tuple(Rung(draw(needs), until) for until in [*ends, None])
        flows = draw(st.lists(st.sampled_from(QUEUES), max_size=2, unique=True))
        made.append(
            Queue(
                name=name,
                strategy=draw(st.sampled_from(Strategy)),
                priority=draw(st.integers(0, 1)),
                rungs=rungs,
                wrap_up_s=draw(st.sampled_from((0.0, 20.0))),
                capacity=draw(st.sampled_from((0, 0, 3))),
                overflow=tuple(Overflow(each, draw(st.sampled_from((0.0, 30.0, 60.0)))) for each in flows),
                sticky_hold_s=draw(st.sampled_from((0.0, 60.0))),
                missed_pause_s=draw(st.sampled_from((0.0, 40.0))),
            )
        )
    return made


@st.composite
def accounts(draw: st.DrawFn) -> list[AgentAccount]:
    return [
        AgentAccount(
            agent=name,
            name=name,
            extension=name,
            skills=draw(grades),
            languages=tuple(sorted(draw(st.sets(st.sampled_from(("fr", "en")))))),
            queues=draw(st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 5), min_size=1)),
            enabled=draw(st.sampled_from((True,) * 9 + (False,))),
        )
        for name in AGENTS
    ]


class Day(RuleBasedStateMachine):
    """`floor` runs through; `twin` is told the same and is started anew now and then, on another clock."""

    @initialize(plan=queues(), people=accounts())
    def open(self, plan: list[Queue], people: list[AgentAccount]) -> None:
        self.now, self.shift, self.count = 100.0, 0.0, 0
        self.floor, self.twin = Floor(), Floor()
        self.began: dict[EntryId, float] = {}
        self.entries: dict[EntryId, Entry] = {}
        self.ringing: dict[EntryId, dict[AgentId, str]] = {}
        self.calls: dict[AgentId, tuple[str, str]] = {}
        self.devices: dict[AgentId, tuple[bool, bool]] = {}
        self.set_plan(plan)
        self.set_people(people)
        for agent in AGENTS:
            self.tell("login", agent)
            self.device(agent, True, False)

    def tell(self, method: str, *args: object, **kwargs: object) -> object:
        """Tell both, each on its own clock, and see that they answer alike."""
        answers = []
        for floor, shift in ((self.floor, 0.0), (self.twin, self.shift)):
            moved = dict(kwargs)
            if moved.get("until") is not None:
                moved["until"] = moved["until"] + shift
            answers.append(getattr(floor, method)(*args, now=self.now + shift, **moved))
        first, second = answers
        if isinstance(first, tuple):
            first, second = sorted(first), sorted(second)
        assert first == second, method
        return first

    # --- what happens

    @precondition(lambda self: self.count % 7 == 3)
    @rule(plan=queues())
    def set_plan(self, plan: list[Queue]) -> None:
        self.plan = {queue.name: queue for queue in plan}
        assert self.tell("set_queues", plan) == []

    @precondition(lambda self: self.count % 7 == 5)
    @rule(gone=st.sampled_from(QUEUES))
    def lose_queue(self, gone: str) -> None:
        if len(self.plan) < len(QUEUES):
            return
        del self.plan[gone]
        lost = self.tell("set_queues", list(self.plan.values()))
        assert sorted(lost) == sorted(name for name, entry in self.entries.items() if entry.queue == gone)
        for name in lost:
            self.forget(name)

    @precondition(lambda self: self.count % 7 == 4)
    @rule(people=accounts())
    def set_people(self, people: list[AgentAccount]) -> None:
        self.people = {account.agent: account for account in people}
        self.tell("set_accounts", people)

    @rule(
        queue=st.sampled_from(QUEUES),
        waited=st.sampled_from((0.0, 0.0, 5.0, 40.0, 620.0)),
        priority=st.integers(0, 2),
        own=needs,
        language=st.sampled_from(("", "fr", "en")),
        sticky=st.none() | st.none() | st.sampled_from(AGENTS),
        excluded=st.just(frozenset()) | st.frozensets(st.sampled_from(AGENTS), max_size=2),
    )
    def enter(self, queue, waited, priority, own, language, sticky, excluded) -> None:
        self.count += 1
        entry = Entry(
            entry=EntryId(f"e{self.count:03}"),
            queue=queue,
            entered_at=START + timedelta(seconds=self.now - waited),
            priority=priority,
            needs=own,
            language=language,
            sticky=sticky,
            excluded=excluded,
        )
        if self.tell("enter", entry, waited_s=waited, wait_s=900.0) is None:
            self.entries[entry.entry] = entry
            self.began[entry.entry] = self.now - waited
            self.ringing[entry.entry] = {}

    @rule(
        agent=st.sampled_from(AGENTS),
        act=st.sampled_from(("login", "login", "logout", "resume", "resume", "end_wrap_up")),
    )
    def act(self, agent: AgentId, act: str) -> None:
        self.tell(act, agent)

    @rule(agent=st.sampled_from(AGENTS), lasts=st.none() | st.sampled_from((10.0, 100.0)))
    def pause(self, agent: AgentId, lasts: float | None) -> None:
        self.tell("pause", agent, "lunch", until=None if lasts is None else self.now + lasts)

    @rule(agent=st.sampled_from(AGENTS))
    def extend(self, agent: AgentId) -> None:
        self.tell("extend_wrap_up", agent, 30.0)

    @rule(
        agent=st.sampled_from(AGENTS),
        reachable=st.sampled_from((True,) * 4 + (False,)),
        busy=st.sampled_from((False,) * 4 + (True,)),
    )
    def device(self, agent: AgentId, reachable: bool, busy: bool) -> None:
        self.devices[agent] = (reachable, busy)
        self.tell("device", agent, reachable=reachable, busy=busy)

    @rule(seconds=st.sampled_from((0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tell("tick")

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.entries)))
        self.tell("leave", name)
        self.forget(name)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), queue=st.sampled_from(QUEUES))
    def move(self, data: st.DataObject, queue: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.entries)))
        if self.tell("move", name, queue) is None:
            self.entries[name] = msgspec.structs.replace(self.entries[name], queue=queue)

    @precondition(lambda self: self.offers())
    @rule(data=st.data(), outcome=st.sampled_from(ENDED))
    def offer_ends(self, data: st.DataObject, outcome: OfferOutcome) -> None:
        agent, name = data.draw(st.sampled_from(self.offers()))
        self.calls.pop(agent)
        self.tell("offer_ended", name, agent, outcome)
        self.ringing.get(name, {}).pop(agent, None)

    @precondition(lambda self: any(self.ringing.values()))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, agents in self.ringing.items() if agents)))
        agent = data.draw(st.sampled_from(sorted(self.ringing[name])))
        others = self.tell("connected", name, agent)
        assert set(others) == set(self.ringing[name]) - {agent}
        self.calls[agent] = (f"talk {name}", self.calls[agent][1])
        self.forget(name)

    @rule(agent=st.sampled_from(AGENTS), queue=st.sampled_from(QUEUES))
    def reserve(self, agent: AgentId, queue: str) -> None:
        self.count += 1
        call = f"c{self.count:03}"
        view = self.floor.view(agent, self.now)
        refused = self.tell("reserve", agent, call, queue)
        assert (refused is None) == (view is not None and view.state is AgentState.FREE)
        if refused is None:
            self.calls[agent] = (f"kept {call}", queue)

    @rule(agent=st.sampled_from(AGENTS), wrap_up=st.booleans())
    def release(self, agent: AgentId, wrap_up: bool) -> None:
        if self.calls.get(agent, ("offer", ""))[0].startswith("offer"):
            return
        del self.calls[agent]
        self.tell("released", agent, wrap_up=wrap_up)

    @rule(outage=st.sampled_from((0.0, 2.0, 200.0)), clock=st.sampled_from((-50.0, 0.0, 4096.0)))
    def restart(self, outage: float, clock: float) -> None:
        """The twin dies, and is told by the running calls what they know."""
        kept = msgspec.json.decode(msgspec.json.encode(self.twin.snapshot(self.now + self.shift)), type=FloorMemory)
        self.now += outage
        self.shift = clock
        self.floor.tick(self.now)
        twin, now = Floor(), self.now + self.shift
        twin.set_queues(self.plan.values(), now)
        twin.restore(kept, now, age_s=outage)
        twin.set_accounts(self.people.values(), now)
        for agent, (reachable, busy) in self.devices.items():
            twin.device(agent, reachable=reachable, busy=busy, now=now)
        for name, entry in self.entries.items():
            assert twin.enter(entry, now, waited_s=self.now - self.began[name], wait_s=900.0) is None
        for agent, (call, queue) in self.calls.items():
            kind, call_id = call.split()
            assert twin.reserve(agent, call_id, queue, now) is None
            if kind == "talk":
                twin.talking(agent, call_id, queue, now)
        twin.changed()
        self.twin = twin

    # --- what must hold

    @invariant()
    def match_is_the_plain_rule(self) -> None:
        line, agents = self.plain()
        self.nobody_under_offer_twice(agents)
        expected = plain_match(line, agents, self.plan, self.now)
        dealt = self.tell("match")
        assert sorted(map(alike, dealt)) == sorted(map(alike, expected))
        free = {agent.account.agent for agent in agents if agent.state is AgentState.FREE}
        for assignment in dealt:
            for agent in assignment.agents:
                assert agent in free, "an agent got two calls, or was not free"
                free.remove(agent)
                self.ringing[assignment.entry][agent] = assignment.queue
                self.calls[agent] = (f"offer {assignment.entry}", assignment.queue)
        self.nobody_overtakes(line, agents, dealt)
        self.nobody_waits_for_nothing()

    @invariant()
    def views_agree(self) -> None:
        for agent in AGENTS:
            first, second = self.floor.view(agent, self.now), self.twin.view(agent, self.now + self.shift)
            assert (first.state, first.presence, first.calls) == (second.state, second.presence, second.calls)
            assert first.call_id == second.call_id

    @invariant()
    def places_are_in_order(self) -> None:
        for queue in self.plan:
            shown = [each.entry.entry for each in self.floor.line(queue, self.now)]
            assert shown == sorted(
                (name for name, entry in self.entries.items() if entry.queue == queue), key=self.order
            )
            assert [self.floor.position(name) for name in shown] == list(range(1, len(shown) + 1))

    def nobody_overtakes(self, line: list[PlainEntry], agents: list[PlainAgent], dealt: list[Assignment]) -> None:
        """The published bound, without the matching's own words: who goes first had a reason that is allowed."""
        known = {agent.account.agent: agent for agent in agents}
        by_name = {each.entry.entry: each for each in line}
        served = {assignment.entry for assignment in dealt}
        for assignment in dealt:
            later = by_name[assignment.entry]
            for passed in line:
                if passed.entry.entry in served or held_for(passed, known, self.plan, self.now):
                    continue
                names = waits_in(passed.entry, self.plan, passed.began, self.now)
                fitting = [
                    agent
                    for agent in assignment.agents
                    if any(fits(known[agent], passed, self.plan[name], self.now) for name in names)
                ]
                if not fitting:
                    continue
                behind = (passed.entry.entered_at - later.entry.entered_at).total_seconds()
                if self.now >= passed.began + ELDER_S:
                    assert self.now >= later.began + ELDER_S, "an elder was overtaken by one who is not"
                    assert behind >= 0, "an elder was overtaken by a later one"
                elif self.now < later.began + ELDER_S:
                    assert self.priority(passed) <= self.priority(later), "overtaken by a lower priority"
                    if self.priority(passed) == self.priority(later):
                        assert behind >= -HANDICAP_MAX_S, "overtaken by far more than the handicap"

    def nobody_waits_for_nothing(self) -> None:
        """No free agent is left who fits one that waits; but for those kept for their sticky agent."""
        line, agents = self.plain()
        known = {agent.account.agent: agent for agent in agents}
        for waiting in line:
            if held_for(waiting, known, self.plan, self.now):
                continue
            names = waits_in(waiting.entry, self.plan, waiting.began, self.now)
            for agent in agents:
                if agent.state is AgentState.FREE:
                    assert not any(fits(agent, waiting, self.plan[name], self.now) for name in names)

    def nobody_under_offer_twice(self, agents: list[PlainAgent]) -> None:
        for agent in agents:
            engaged = agent.state in {AgentState.OFFERED, AgentState.TALKING}
            assert engaged == (agent.account.agent in self.calls)

    # --- helpers

    def priority(self, waiting: PlainEntry) -> int:
        return self.plan[waiting.entry.queue].priority + waiting.entry.priority

    def order(self, name: EntryId) -> tuple[object, ...]:
        entry = self.entries[name]
        if self.now >= self.began[name] + ELDER_S:
            return (0, 0, entry.entered_at, name)
        return (1, -self.plan[entry.queue].priority - entry.priority, entry.entered_at, name)

    def forget(self, name: EntryId) -> None:
        del self.entries[name], self.began[name], self.ringing[name]

    def offers(self) -> list[tuple[AgentId, EntryId]]:
        return sorted((agent, call.split()[1]) for agent, (call, _) in self.calls.items() if call[:5] == "offer")

    def plain(self) -> tuple[list[PlainEntry], list[PlainAgent]]:
        """What there is, read from the floor's own books."""
        self.floor.tick(self.now)
        line = [
            PlainEntry(self.entries[name], self.began[name], frozenset(self.floor._line.waiting[name].again_at))
            for name in self.entries
            if not self.ringing[name]
        ]
        agents = [
            PlainAgent(each.account, each.state, each.member.idle_since, each.member.calls, each.member.last_offers)
            for each in self.floor._roster.agents.values()
        ]
        return line, agents


def alike(assignment: Assignment) -> tuple[str, str, list[AgentId]]:
    return (assignment.entry, assignment.queue, sorted(assignment.agents))


Day.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestDay = Day.TestCase
