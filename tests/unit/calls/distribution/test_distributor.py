from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from controller.acd.matching import Assignment
from controller.acd.model import AgentId, AgentState, EntryId, OfferOutcome, Overflow, Queue, Refused, Strategy
from controller.calls.asks import QueueClosed, Withdrawn
from controller.calls.desk import TalkView
from controller.calls.distribution.distributor import HELD_S, SWEEP_S
from controller.cdr.entries import AgentChanged, QueueEntered, QueueExited
from controller.ids import CallId
from controller.ports import LastTalk, QueueDay
from tests.rig.virtualtime import on_virtual_time, turns
from tests.unit.calls.distribution.hall import Caller, Directory, Hall, Opening, account, release, views

SALES = Queue(name="sales", wrap_up_s=10.0, missed_pause_s=60.0)
HELP = Queue(name="help")
ADA, BOB = AgentId("ada"), AgentId("bob")


async def hall(folder: Path, *queues: Queue, agents: int = 1) -> Hall:
    accounts = [account("ada", "2001", "sales", "help"), account("bob", "2002", "sales")][:agents]
    opened = Hall(folder, release(*(queues or (SALES, HELP))), *accounts)
    return await opened.open()


# --- matching


@on_virtual_time
async def test_who_waits_is_given_the_agent_in_the_same_turn(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    caller = here.caller("c1", "sales")
    await turns(2)
    assert caller.rings == []
    here.login("ada")
    await turns(2)
    assert caller.rings == [["ada"]]
    assert here.state("ada") is AgentState.OFFERED
    here.distributor.connected(EntryId("c1"), ADA)
    assert here.state("ada") is AgentState.TALKING
    assert here.distributor.position(EntryId("c1")) == 0
    await turns(2)
    here.distributor.released(ADA, wrap_up=True)
    assert here.state("ada") is AgentState.WRAP_UP
    other = here.caller("c2", "sales")
    await asyncio.sleep(9.9)
    assert other.rings == []
    await asyncio.sleep(0.11)
    assert other.rings == [["ada"]]
    assert here.recorder.states("ada") == ["free", "offered", "talking", "wrap_up", "offered"]
    await here.close()


@on_virtual_time
async def test_who_has_hung_up_costs_no_agent(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    first, second = here.caller("c1", "sales", ago_s=5), here.caller("c2", "sales")
    first.gone = True
    here.login("ada")
    await turns(3)
    assert (first.rings, second.rings) == ([], [["ada"]])
    assert views(here.desk.waiting("sales"), "call_id", "offered_to") == [("c2", ("ada",))]
    await here.close()


@on_virtual_time
async def test_a_call_whose_inbox_breaks_disturbs_nobody(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    first, second = here.caller("c1", "sales", ago_s=5), here.caller("c2", "sales")
    here.distributor.matcher.expect(EntryId("c1"), lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    here.login("ada")
    await turns(3)
    assert (first.rings, second.rings) == ([], [["ada"]])
    await here.close()


@on_virtual_time
async def test_a_fault_of_the_matching_is_not_its_end(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    original, failed = here.distributor.floor.match, list[float]()

    def match(now: float) -> list[Assignment]:
        if len(failed) < 3:
            failed.append(now)
            raise RuntimeError("a bug")
        return original(now)

    here.distributor.floor.match = match  # type: ignore[method-assign]
    caller = here.caller("c1", "sales")
    here.login("ada")
    await asyncio.sleep(4)
    assert caller.rings == [["ada"]]
    assert len(failed) == 3
    await here.close()


@on_virtual_time
async def test_a_missed_offer_pauses_for_a_while_and_never_for_ever(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada")
    caller = here.caller("c1", "sales")
    await turns(2)
    here.distributor.offer_ended(EntryId("c1"), ADA, OfferOutcome.NO_ANSWER)
    await turns(2)
    assert views(here.desk.agents(), "state", "reason") == [(AgentState.PAUSED, "missed")]
    assert here.distributor.position(EntryId("c1")) == 1
    await asyncio.sleep(59)
    assert len(caller.rings) == 1
    await asyncio.sleep(1.1)
    assert caller.rings == [["ada"], ["ada"]]
    paused = [each for each in here.recorder.of(AgentChanged) if each.state == "paused"]
    assert [(each.reason, each.by) for each in paused] == [("missed", "rule")]
    assert paused[0].until is not None
    assert abs((paused[0].until - paused[0].at).total_seconds() - 60) < 0.01
    await here.close()


@on_virtual_time
async def test_when_one_of_several_answers_the_others_are_withdrawn(tmp_path: Path) -> None:
    everybody = Queue(name="sales", strategy=Strategy.RING_ALL)
    here = await hall(tmp_path, everybody, agents=2)
    here.login("ada", "bob")
    caller = here.caller("c1", "sales")
    await turns(2)
    assert sorted(caller.rings[0]) == ["ada", "bob"]
    here.distributor.connected(EntryId("c1"), BOB)
    assert [ask.agents for ask in caller.of(Withdrawn)] == [frozenset({ADA})]
    here.distributor.offer_ended(EntryId("c1"), ADA, OfferOutcome.ELSEWHERE)
    assert (here.state("ada"), here.state("bob")) == (AgentState.FREE, AgentState.TALKING)
    await here.close()


@on_virtual_time
async def test_time_alone_brings_a_caller_to_another_queue(tmp_path: Path) -> None:
    here = await hall(tmp_path, Queue(name="vip", overflow=(Overflow("sales", 30.0),)), SALES)
    here.login("ada")
    caller = here.caller("c1", "vip")
    await asyncio.sleep(29.9)
    assert caller.rings == []
    await asyncio.sleep(0.2)
    assert caller.rings == [["ada"]]
    await here.close()


@on_virtual_time
async def test_nothing_is_done_when_nothing_is_due(tmp_path: Path) -> None:
    """One timer, not a poll: an empty day costs nothing but the sweep."""
    here = await hall(tmp_path)
    here.login("ada")
    await asyncio.sleep(10)
    matched: list[float] = []
    original = here.distributor.floor.match
    here.distributor.floor.match = lambda now: matched.append(now) or original(now)  # type: ignore[method-assign,func-returns-value]
    await asyncio.sleep(3600)
    assert matched == []
    await here.close()


# --- queues


@on_virtual_time
async def test_a_closed_queue_takes_nobody_and_keeps_who_waits(tmp_path: Path) -> None:
    hours = Opening()
    here = Hall(tmp_path, release(SALES, calendar=hours), account("ada", "2001", "sales"))
    await here.open()
    caller = here.caller("c1", "sales")
    hours.is_open = False
    refused = here.enter("c2", "sales")
    assert isinstance(refused, Refused)
    assert refused.code == "queue_closed"
    assert views(here.desk.queues(), "queue", "open", "waiting") == [("sales", False, 1)]
    here.login("ada")
    await turns(2)
    assert caller.rings == [["ada"]]
    await here.close()


@on_virtual_time
async def test_a_deleted_queue_tells_those_who_wait_and_changed_rules_hold_at_once(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    gone, stays = here.caller("c1", "help"), here.caller("c2", "sales")
    here.distributor.use(release(Queue(name="sales", capacity=1)))
    assert (len(gone.of(QueueClosed)), len(stays.of(QueueClosed))) == (1, 0)
    for call, queue, code in (("c3", "help", "unknown_queue"), ("c4", "sales", "queue_full")):
        refused = here.enter(call, queue)
        assert isinstance(refused, Refused)
        assert refused.code == code
    await here.close()


# --- agents


@on_virtual_time
async def test_devices_say_who_can_be_called(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada")
    here.phones.be("2001", "1700.5")
    assert here.state("ada") is AgentState.BUSY
    here.phones.be("2001", reachable=False)
    assert here.state("ada") is AgentState.UNREACHABLE
    here.phones.be("2001")
    assert here.state("ada") is AgentState.FREE
    here.phones.be("7777", "1700.6")  # nobody's
    await turns(2)
    assert here.recorder.states("ada")[-1] == "free"
    await here.close()


@on_virtual_time
async def test_a_leg_of_ours_that_is_just_ending_is_no_news(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada")
    here.distributor.talking(ADA, "c1", "help")
    here.phones.be("2001", "a-leg")
    here.calls.add("c1")
    await asyncio.sleep(1)
    here.distributor.released(ADA, wrap_up=False)
    await asyncio.sleep(0.02)
    here.phones.be("2001")
    await asyncio.sleep(1)
    assert here.recorder.states("ada") == ["free", "talking", "free"]
    here.phones.be("2001", "1700.5")
    await asyncio.sleep(0.2)
    assert here.state("ada") is AgentState.BUSY  # and nothing is offered
    assert here.recorder.states("ada")[-1] == "free"
    await asyncio.sleep(0.2)
    assert here.recorder.states("ada")[-1] == "busy"
    await here.close()


@on_virtual_time
async def test_an_account_that_goes_is_logged_out_after_the_call(tmp_path: Path) -> None:
    here = await hall(tmp_path, agents=2)
    here.login("ada", "bob")
    here.caller("c1", "sales")
    await turns(2)
    talks = next(view.agent for view in here.desk.agents() if view.state is AgentState.OFFERED)
    here.distributor.connected(EntryId("c1"), talks)
    here.directory.there = [each for each in here.directory.there if each.agent != talks]
    here.directory.tell()
    await turns(4)
    assert here.state(talks) is AgentState.TALKING
    here.distributor.released(talks, wrap_up=True)
    await turns(2)
    assert [view.agent for view in here.desk.agents()] == [each.agent for each in here.directory.there]
    assert here.recorder.states(talks)[-1] == "logged_out"
    refused = here.desk.login(talks, by="x")
    assert refused is not None
    await here.close()


@on_virtual_time
async def test_extensions_may_be_swapped(tmp_path: Path) -> None:
    here = await hall(tmp_path, agents=2)
    here.phones.be("2002", reachable=False)
    here.login("ada", "bob")
    here.directory.there = [account("ada", "2002", "sales"), account("bob", "2001", "sales")]
    here.directory.tell()
    await turns(4)
    assert (here.state("ada"), here.state("bob")) == (AgentState.UNREACHABLE, AgentState.FREE)
    assert [each.endpoint for each in here.phones.wanted] == ["2002", "2001"]
    await here.close()


@on_virtual_time
async def test_an_agents_entries_never_share_their_time(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    for _ in range(5):
        here.login("ada")
        assert here.desk.logout(ADA, by="ada") is None
    times = [each.at for each in here.recorder.of(AgentChanged) if each.agent == "ada"]
    assert len(times) == 10
    assert sorted(set(times)) == times
    await here.close()


# --- stickiness, talks, parking


@on_virtual_time
async def test_who_talked_last_is_known_from_the_record_and_from_now(tmp_path: Path) -> None:
    sticky = Queue(name="sales", sticky_within_s=3600.0)
    here = Hall(tmp_path, release(sticky, HELP), account("ada", "2001", "sales"))
    now = here.clock.now()
    here.past.talks = [
        LastTalk("+331", "sales", "bob", now - timedelta(minutes=30)),
        LastTalk("+332", "sales", "bob", now - timedelta(minutes=61)),
    ]
    await here.open()
    last = here.distributor.last_agent
    assert (last("+331", "sales"), last("+332", "sales"), last("+331", "help")) == ("bob", None, None)
    view = TalkView(call_id="c1", queue="sales", agent=ADA, number="+331", since=here.clock.now())
    here.distributor.talk(view, "c1", Caller().deliver)
    assert views(here.desk.talks(), "call_id", "agent") == [("c1", "ada")]
    here.distributor.talk(None, "c1", Caller().deliver)
    assert last("+331", "sales") == "ada"
    assert here.desk.talks() == []
    await asyncio.sleep(3601)
    assert last("+331", "sales") is None
    await here.close()


@on_virtual_time
async def test_the_days_figures_come_from_postgres_when_the_node_knows_none(tmp_path: Path) -> None:
    here = Hall(tmp_path, release(SALES), account("ada", "2001", "sales"))
    here.past.away = True
    here.past.days = [QueueDay("sales", offered=7, answered=5)]
    await here.open()
    assert views(here.desk.queues(), "today_offered") == [(0,)]
    here.past.away = False
    await asyncio.sleep(11)
    assert views(here.desk.queues(), "today_offered", "today_answered") == [(7, 5)]
    now = here.clock.now()
    here.distributor.told(QueueEntered(CallId("c"), 1, "sales", now, now))
    here.distributor.told(QueueExited(CallId("c"), 1, now + timedelta(seconds=3), "abandoned"))
    await here.close()

    again = Hall(tmp_path, release(SALES), account("ada", "2001", "sales"))
    again.past.days = [QueueDay("sales", offered=99)]
    await again.open()
    assert views(again.desk.queues(), "today_offered", "today_abandoned", "today_short_abandoned") == [(8, 1, 1)]
    await again.close()


# --- restarts and faults


@on_virtual_time
async def test_presence_survives_a_kill_without_postgres(tmp_path: Path) -> None:
    here = await hall(tmp_path, agents=2)
    here.login("ada", "bob")
    assert here.desk.pause(BOB, "lunch", by="bob") is None
    await turns(2)  # and then the controller is killed: nothing is stopped

    nobody = Directory()
    nobody.away = True
    again = Hall(tmp_path, release(SALES, HELP), directory=nobody)
    await again.open()
    assert views(again.desk.agents(), "agent", "state", "reason") == [
        ("ada", AgentState.FREE, ""),
        ("bob", AgentState.PAUSED, "lunch"),
    ]
    assert [each.endpoint for each in again.phones.wanted] == ["2001", "2002"]
    assert again.recorder.of(AgentChanged) == []  # nothing is different
    await again.close()
    await here.close()


@on_virtual_time
async def test_after_a_restart_everybody_has_the_old_place_before_anybody_is_matched(tmp_path: Path) -> None:
    here = await hall(tmp_path, Queue(name="sales", capacity=2))
    here.login("ada")
    await here.close()
    again = Hall(tmp_path, release(Queue(name="sales", capacity=2)), directory=here.directory)
    again.distributor.start(again.centre)
    await turns()
    again.phones.be("2001")
    again.distributor.settled()
    late = again.caller("late", "sales", ago_s=10)
    await asyncio.sleep(HELD_S / 2)
    early = again.caller("early", "sales", ago_s=60)
    full = again.caller("third", "sales", ago_s=30)  # one more than may enter anew
    await asyncio.sleep(HELD_S)
    assert (early.rings, full.rings, late.rings) == ([["ada"]], [], [])
    assert [view.call_id for view in again.desk.waiting("sales")] == ["early", "third", "late"]
    await again.close()


@on_virtual_time
async def test_a_conversation_is_taken_up_and_no_ghost_lasts(tmp_path: Path) -> None:
    here = await hall(tmp_path, agents=2)
    here.login("ada", "bob")
    for call, agent in (("c1", ADA), ("c2", BOB)):
        here.distributor.talking(agent, call, "sales")
    await asyncio.sleep(1)

    again = Hall(tmp_path, release(SALES, HELP), directory=here.directory)
    again.calls = {"c1"}
    again.distributor._alive = again.distributor.ghosts._alive = again.calls.__contains__
    again.distributor.start(again.centre)
    await turns()
    again.phones.be("2001", "a-leg-of-ours")
    again.phones.be("2002")
    assert again.distributor.reserve(ADA, "c1", "sales") is None
    again.distributor.talking(ADA, "c1", "sales")
    again.distributor.settled()
    await asyncio.sleep(2)
    assert (again.state("ada"), again.state("bob")) == (AgentState.TALKING, AgentState.FREE)
    assert again.recorder.states("ada") == []
    assert again.recorder.states("bob") == ["free"]
    again.calls.clear()  # a bug: the call ends and gives nothing back
    again.phones.be("2001")
    again.caller("c9", "sales")
    again.distributor.park("c1")
    again.calls.clear()
    await asyncio.sleep(2 * SWEEP_S + 0.1)
    assert again.state("ada") is AgentState.FREE
    assert again.desk.waiting() == []
    assert again.distributor.parking.slots() == {}
    assert again.distributor.ghosts.freed >= 2
    await again.close()
    await here.close()


@on_virtual_time
async def test_states_are_told_after_five_seconds_even_without_asterisk(tmp_path: Path) -> None:
    here = Hall(tmp_path, release(SALES), account("ada", "2001", "sales"))
    here.distributor.start(here.centre)
    await turns()
    here.login("ada")
    caller = here.caller("c1", "sales")
    await asyncio.sleep(5.1)
    assert here.recorder.states("ada") == ["unreachable"]
    here.phones.be("2001")
    here.distributor.settled()
    await asyncio.sleep(1)
    assert caller.rings == [["ada"]]
    await here.close()
