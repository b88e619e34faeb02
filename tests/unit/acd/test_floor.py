"""The floor by example: presence, offers, wrap-up, capacity, what a restart keeps."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.acd.floor import AGAIN_S, Floor, FloorMemory
from controller.acd.model import (
    AgentId,
    AgentState,
    Entry,
    EntryId,
    OfferOutcome,
    Presence,
    Queue,
    Refused,
    Strategy,
)
from controller.acd.presence import TRANSITIONS, PresenceEvent
from controller.acd.roster import REST_S
from controller.acd.timers import Timers
from tests.unit.acd.people import agent, entry, floor_of

ANN, BOB = AgentId("ann"), AgentId("bob")


def one_agent(**rules: object) -> Floor:
    return floor_of([Queue(name="alpha", **rules), Queue(name="beta")], [agent("ann", queues={"alpha": 1})])


def waits(floor: Floor, name: str, now: float, **fields: object) -> Refused | None:
    return floor.enter(entry(name, "alpha", at=now, **fields), now, waited_s=0.0, wait_s=900.0)


def state(floor: Floor, name: AgentId, now: float) -> AgentState:
    view = floor.view(name, now)
    assert view is not None
    return view.state


def code(answer: Refused | None) -> str:
    return answer.code if answer else ""


def test_the_table_of_presence_is_whole() -> None:
    assert set(TRANSITIONS) == set(itertools.product(Presence, PresenceEvent))


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        (["logout"], AgentState.LOGGED_OUT),
        (["logout", "pause"], AgentState.LOGGED_OUT),
        (["pause"], AgentState.PAUSED),
        (["pause", "login"], AgentState.PAUSED),
        (["pause", "resume"], AgentState.FREE),
        (["pause", "logout", "login"], AgentState.FREE),
    ],
)
def test_what_agents_ask_for(acts: list[str], expected: AgentState) -> None:
    floor = one_agent()
    for act in acts:
        _ = floor.pause(ANN, "lunch", 1.0) if act == "pause" else getattr(floor, act)(ANN, 1.0)
    assert state(floor, ANN, 1.0) is expected


def test_wishes_that_are_refused() -> None:
    floor = one_agent()
    nobody = AgentId("nobody")
    for act in (floor.login, floor.logout, floor.resume, floor.end_wrap_up):
        assert code(act(nobody, 1.0)) == "unknown_agent"
    assert code(floor.pause(nobody, "", 1.0)) == code(floor.extend_wrap_up(nobody, 5.0, 1.0)) == "unknown_agent"
    assert code(floor.reserve(nobody, "c", "alpha", 1.0)) == "unknown_agent"
    assert code(floor.end_wrap_up(ANN, 1.0)) == code(floor.extend_wrap_up(ANN, 5.0, 1.0)) == "not_in_wrap_up"
    floor.logout(ANN, 1.0)
    assert code(floor.resume(ANN, 1.0)) == code(floor.pause(ANN, "", 1.0)) == "not_logged_in"
    assert code(floor.reserve(ANN, "c", "alpha", 1.0)) == "not_logged_in"
    floor.login(ANN, 1.0)
    floor.talking(ANN, "c", "alpha", 1.0)
    assert code(floor.logout(ANN, 1.0)) == code(floor.reserve(ANN, "d", "alpha", 1.0)) == "in_a_call"
    assert floor.reserve(ANN, "c", "alpha", 1.0) is None
    floor.set_accounts([agent("ann", enabled=False)], 2.0)
    floor.released(ANN, 3.0, wrap_up=True)
    assert state(floor, ANN, 3.0) is AgentState.LOGGED_OUT
    assert code(floor.login(ANN, 3.0)) == "disabled"


def test_a_missed_offer_pauses_and_ends_by_itself() -> None:
    floor = one_agent(missed_pause_s=120.0)
    waits(floor, "e", 10.0)
    assert len(floor.match(10.0)) == 1
    assert floor.match(11.0) == []
    floor.offer_ended(EntryId("e"), ANN, OfferOutcome.NO_ANSWER, 30.0)
    view = floor.view(ANN, 30.0)
    assert (view.state, view.reason, view.until) == (AgentState.PAUSED, "missed", 150.0)
    assert floor.match(149.0) == []
    assert floor.position(EntryId("e")) == 1
    assert len(floor.match(150.0)) == 1
    assert floor.view(ANN, 150.0).since == 150.0


def test_who_is_not_paused_gets_the_same_one_later_and_others_at_once() -> None:
    floor = one_agent(missed_pause_s=0.0)
    waits(floor, "e", 10.0)
    floor.match(10.0)
    floor.offer_ended(EntryId("e"), ANN, OfferOutcome.DECLINED, 20.0)
    assert floor.match(20.0) == []
    assert floor.next_due(20.0) == 20.0 + AGAIN_S
    waits(floor, "f", 21.0)
    assert [each.entry for each in floor.match(21.0)] == ["f"]
    floor.offer_ended(EntryId("f"), ANN, OfferOutcome.CUSTOMER_LEFT, 22.0)
    floor.leave(EntryId("f"), 22.0)
    assert [each.entry for each in floor.match(20.0 + AGAIN_S)] == ["e"]


def test_a_phone_that_could_not_be_rung_rests() -> None:
    floor = one_agent()
    waits(floor, "e", 10.0)
    floor.match(10.0)
    floor.offer_ended(EntryId("e"), ANN, OfferOutcome.BUSY, 11.0)
    waits(floor, "f", 11.0)
    assert state(floor, ANN, 11.0) is AgentState.BUSY
    assert floor.match(11.0) == []
    assert [each.entry for each in floor.match(11.0 + REST_S)] == ["f"]


def test_a_pause_in_a_conversation_begins_after_it_and_its_wrap_up() -> None:
    floor = one_agent(wrap_up_s=20.0, wrap_up_max_s=30.0)
    floor.talking(ANN, "c", "alpha", 1.0)
    floor.pause(ANN, "lunch", 2.0)
    assert state(floor, ANN, 2.0) is AgentState.TALKING
    floor.released(ANN, 3.0, wrap_up=True)
    assert (state(floor, ANN, 22.9), state(floor, ANN, 23.0)) == (AgentState.WRAP_UP, AgentState.PAUSED)
    floor.resume(ANN, 24.0)
    floor.talking(ANN, "d", "alpha", 25.0)
    floor.released(ANN, 30.0, wrap_up=True)
    assert floor.extend_wrap_up(ANN, 60.0, 31.0) is None
    assert floor.view(ANN, 31.0).until == 60.0
    assert code(floor.extend_wrap_up(ANN, 60.0, 31.0)) == "wrap_up_spent"
    assert floor.end_wrap_up(ANN, 32.0) is None
    assert floor.view(ANN, 32.0).calls == 2
    assert state(floor, ANN, 32.0) is AgentState.FREE


def test_devices_decide_who_is_free() -> None:
    floor = one_agent()
    waits(floor, "e", 1.0)
    floor.device(ANN, reachable=True, busy=True, now=1.0)
    assert (state(floor, ANN, 1.0), floor.match(1.0)) == (AgentState.BUSY, [])
    floor.device(ANN, reachable=False, busy=False, now=2.0)
    assert (state(floor, ANN, 2.0), floor.match(2.0)) == (AgentState.UNREACHABLE, [])
    assert floor.staffed("alpha")
    floor.device(ANN, reachable=True, busy=False, now=3.0)
    assert len(floor.match(3.0)) == 1
    floor.device(ANN, reachable=False, busy=False, now=4.0)  # lost in the offer: the offer's end decides
    assert state(floor, ANN, 4.0) is AgentState.OFFERED
    floor.offer_ended(EntryId("e"), ANN, OfferOutcome.UNREACHABLE, 5.0)
    assert floor.view(ANN, 5.0).reason == "missed"


def test_a_full_queue_turns_newcomers_away_only() -> None:
    floor = one_agent(capacity=1)
    floor.logout(ANN, 0.0)
    assert waits(floor, "e", 1.0) is None
    assert waits(floor, "e", 1.5) is None  # again: the same place
    assert code(waits(floor, "f", 2.0)) == "queue_full"
    assert floor.enter(entry("g", "alpha", at=0.0), 3.0, waited_s=3.0, wait_s=900.0) is None
    assert (floor.position(EntryId("g")), floor.position(EntryId("e"))) == (1, 2)
    assert floor.enter(entry("h", "beta", at=3.0), 3.0, waited_s=0.0, wait_s=900.0) is None
    assert code(floor.move(EntryId("h"), "alpha", 4.0)) == "queue_full"
    assert code(floor.move(EntryId("x"), "alpha", 4.0)) == "not_waiting"
    assert code(floor.move(EntryId("h"), "nowhere", 4.0)) == "unknown_queue"
    assert floor.move(EntryId("e"), "beta", 4.0) is None
    assert [each.entry.entry for each in floor.line("beta", 4.0)] == ["e", "h"]
    unknown = floor.enter(entry("i", "nowhere", at=4.0), 4.0, waited_s=0.0, wait_s=1.0)
    assert code(unknown) == "unknown_queue"


def test_a_queue_that_goes_tells_who_waited_and_the_offer_goes_on() -> None:
    floor = one_agent()
    waits(floor, "e", 1.0)
    waits(floor, "f", 2.0)
    assert [each.entry for each in floor.match(2.0)] == ["e"]
    assert floor.set_queues([Queue(name="beta")], 3.0) == ["e", "f"]
    assert state(floor, ANN, 3.0) is AgentState.OFFERED
    assert floor.connected(EntryId("e"), ANN, 4.0) == ()
    floor.released(ANN, 5.0, wrap_up=True)
    assert floor.match(5.0) == []


def test_an_agent_whose_account_goes_keeps_the_conversation() -> None:
    floor = one_agent()
    floor.talking(ANN, "c", "alpha", 1.0)
    floor.set_accounts([], 2.0)
    assert state(floor, ANN, 2.0) is AgentState.TALKING
    floor.released(ANN, 3.0, wrap_up=True)
    floor.set_accounts([], 4.0)
    assert floor.view(ANN, 4.0) is None
    assert not floor.staffed("alpha")


def test_counts_and_changes() -> None:
    people = [agent("ann", queues={"alpha": 1}), agent("bob", queues={"alpha": 1, "beta": 1})]
    floor = floor_of([Queue(name="alpha"), Queue(name="beta")], people)
    assert floor.changed() == ("ann", "bob")
    assert floor.estimate_new_s("alpha") == 0.0
    floor.talking(BOB, "c", "beta", 1.0)
    waits(floor, "e", 2.0)
    waits(floor, "f", 3.0)
    floor.match(3.0)
    counts = floor.counts("alpha", 5.0)
    assert (counts.waiting, counts.offered, counts.longest_wait_s) == (2, 1, 3.0)
    assert (counts.logged_in, counts.on_duty, counts.free, counts.talking) == (2, 2, 0, 1)
    assert floor.changed() == ("bob", "ann")
    assert floor.changed() == ()
    assert floor.waiting_of(EntryId("f"), 13.0) == (entry("f", "alpha", at=3.0), 890.0)
    assert floor.estimate_new_s("alpha") is None


def live_through(floor: Floor, who: AgentId, what: str, number: int, old: Entry, now: float) -> None:
    """One thing that happens to an agent; `old` is one whom they refuse, again and again."""
    if what == "pause":
        floor.pause(who, "tea", now)
        floor.resume(who, now + 1.0)
        return
    if what == "call":
        floor.talking(who, f"c{number}", "alpha", now)
        floor.released(who, now + 2.0, wrap_up=True)
        return
    others = frozenset(floor.agents()) - {who}
    one = old if what == "refuse" else entry(f"o{number}", "alpha", at=now, excluded=others)
    floor.enter(one, now, waited_s=0.0, wait_s=900.0)
    ended = {"refuse": OfferOutcome.DECLINED, "fail": OfferOutcome.FAILED}.get(what, OfferOutcome.CUSTOMER_LEFT)
    for dealt in floor.match(now):
        for each in dealt.agents:
            floor.offer_ended(dealt.entry, each, ended, now)
    if one is not old:
        floor.leave(one.entry, now)


@settings(max_examples=150, deadline=None)
@given(
    strategy=st.sampled_from(Strategy),
    history=st.lists(
        st.tuples(
            st.sampled_from(("a0", "a1", "a2", "a3")),
            st.sampled_from(("call", "offer", "refuse", "fail", "pause")),
        ),
        max_size=12,
    ),
    outage=st.sampled_from((0.0, 3.0, 50.0)),
)
def test_a_restart_changes_no_future_match(strategy: Strategy, history: list[tuple[str, str]], outage: float) -> None:
    """Idle times, calls, last offers, refusals and rests are what the next matches hang on: all are kept."""
    queue = Queue(name="alpha", strategy=strategy, wrap_up_s=5.0, missed_pause_s=0.0)
    people = [agent(f"a{number}", queues={"alpha": 1}) for number in range(4)]
    floor, now = floor_of([queue], people), 10.0
    old = entry("old", "alpha", at=0.0)
    for number, (name, what) in enumerate(history):
        now += 8.0
        live_through(floor, AgentId(name), what, number, old, now)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(floor.snapshot(now)), type=FloorMemory)
    now += outage
    anew = Floor()
    anew.set_queues([queue], now - 5.0)
    anew.set_accounts(people, now - 5.0)
    anew.restore(kept, now - 5.0, age_s=outage)
    for each in people:
        anew.device(each.agent, reachable=True, busy=False, now=now - 5.0)
    # The clock of the new floor is 5 s behind; the old customer enters it again.
    waiting = floor.waiting_of(EntryId("old"), now)
    if waiting is not None:
        waited_s = 900.0 - waiting[1]
        assert anew.enter(old, now - 5.0, waited_s=waited_s, wait_s=900.0) is None
    for step in range(8):
        one = entry(f"n{step}", "alpha", at=1000.0 + step)
        for each, at in ((floor, now), (anew, now - 5.0)):
            each.enter(one, at, waited_s=0.0, wait_s=900.0)
        assert floor.match(now) == anew.match(now - 5.0)
        now += 5.0


def test_a_call_takes_up_its_agent_after_a_restart_whatever_the_state() -> None:
    floor = one_agent()
    floor.talking(ANN, "c", "alpha", 1.0)
    floor.pause(ANN, "lunch", 2.0)
    kept = floor.snapshot(3.0)
    anew = Floor()
    anew.restore(kept, 1000.0, age_s=1.0)
    anew.set_accounts([agent("ann", queues={"alpha": 1})], 1000.0)
    assert code(anew.reserve(ANN, "d", "alpha", 1000.0)) == "paused"
    assert anew.reserve(ANN, "c", "alpha", 1000.0) is None
    anew.talking(ANN, "c", "alpha", 1000.0)
    assert (state(anew, ANN, 1000.0), anew.view(ANN, 1000.0).calls) == (AgentState.TALKING, 1)


def test_a_reserved_entry_is_under_offer() -> None:
    people = [agent("ann", queues={"alpha": 1}), agent("bob", queues={"alpha": 1})]
    floor = floor_of([Queue(name="alpha")], people)
    waits(floor, "e", 1.0)
    assert floor.reserve(ANN, "e", "alpha", 1.0) is None
    assert floor.match(1.0) == []
    floor.offer_ended(EntryId("e"), ANN, OfferOutcome.WITHDRAWN, 2.0)
    assert len(floor.match(2.0)) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 50)), max_size=300))
def test_timers(notes: list[tuple[int, int | None]]) -> None:
    timers: Timers[int] = Timers()
    expected: dict[int, float] = {}
    for name, due in notes:
        timers.set(name, None if due is None else float(due))
        expected.pop(name, None)
        if due is not None:
            expected[name] = float(due)
        assert timers.next_due() == min(expected.values(), default=None)
        assert len(timers._heap) <= 2 * len(expected) + 65
    popped = list(timers.pop_due(25.0))
    assert sorted(popped) == sorted((due, name) for name, due in expected.items() if due <= 25.0)
    assert [due for due, _ in popped] == sorted(due for due, _ in popped)
